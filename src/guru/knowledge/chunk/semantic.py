"""Cuts where the subject changes: where the sentences before a gap mean something else than those after it.

As in TextTiling (Hearst 1997), with vectors of an embedding model in place of word counts, and breakpoints at a
percentile of the distances, as in LangChain's and LlamaIndex's semantic splitters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from guru.knowledge.chunk.base import TokenOffsets
from guru.knowledge.chunk.cutting import Cutting, Unit
from guru.knowledge.chunk.packing import pack
from guru.knowledge.chunk.unit_chunker import UnitChunker, extents
from guru.knowledge.sentences import Span

if TYPE_CHECKING:
    from numpy.typing import NDArray

Embed = Callable[[Sequence[str]], "NDArray[Any]"]
"""Unit vectors, shape (n, dimension), of n texts. Blocks."""

WINDOW: Final = 2
"""Sentences on each side of a gap."""
BATCH: Final = 512
"""Texts embedded in one call."""


class SemanticChunker(UnitChunker):
    """Cuts at the gaps between sentences whose distance is above the `percentile` of all gaps of the document.

    A heading stays with what follows it. What is too long between two cuts is filled up sentence by sentence, with
    `overlap`.
    """

    def __init__(
        self, token_offsets: TokenOffsets, max_tokens: int, overlap: int, embed: Embed, percentile: float
    ) -> None:
        super().__init__(token_offsets, max_tokens, overlap)
        self._embed = embed
        self._percentile = percentile

    def _spans(self, cutting: Cutting) -> Iterator[tuple[Span, Span | None]]:
        return extents(group for part in self._parts(cutting) for group in pack(cutting, part, self._overlap))

    def _parts(self, cutting: Cutting) -> Iterator[list[Unit]]:
        """The units between two cuts."""
        import numpy as np

        units = cutting.units
        # A cut right after a heading would leave it alone.
        gaps = [
            g for g in range(1, len(units)) if not cutting.outline.is_heading((units[g - 1].start, units[g - 1].end))
        ]
        distances = self._distances(cutting, gaps)
        limit = np.percentile(distances, self._percentile) if gaps else 0.0
        begin = 0
        for gap, distance in zip(gaps, distances, strict=True):
            if distance > limit:
                yield units[begin:gap]
                begin = gap
        if units:
            yield units[begin:]

    def _distances(self, cutting: Cutting, gaps: Sequence[int]) -> NDArray[Any]:
        """Cosine distances between what stands before each gap and what stands after it. Gap n is before unit n."""
        import numpy as np

        units, text = cutting.units, cutting.text
        before = [text[units[max(0, gap - WINDOW)].start : units[gap - 1].end] for gap in gaps]
        after = [text[units[gap].start : units[min(len(units), gap + WINDOW) - 1].end] for gap in gaps]
        unique = list(dict.fromkeys([*before, *after]))
        if not unique:
            return np.zeros(0, np.float32)
        vectors = np.concatenate([self._embed(unique[i : i + BATCH]) for i in range(0, len(unique), BATCH)])
        place = {window: row for row, window in enumerate(unique)}
        left, right = (vectors[[place[window] for window in side]] for side in (before, after))
        # Rounded: what differs less is noise, and equal windows are to be equally far.
        distances: NDArray[Any] = np.round(1.0 - (left * right).sum(axis=1), 6)
        return distances
