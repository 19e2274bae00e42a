"""One chunk for each section; only a section that is too long is cut further."""

from __future__ import annotations

from collections.abc import Iterator

from guru.knowledge.chunk.cutting import Cutting
from guru.knowledge.chunk.recursive import Grouping
from guru.knowledge.chunk.unit_chunker import UnitChunker, extents
from guru.knowledge.sentences import Span


class HeadingChunker(UnitChunker):
    """Cuts at every heading, and within a section as the recursive one does.

    A heading without words of its own below it stays with the section that follows.
    """

    def _spans(self, cutting: Cutting) -> Iterator[tuple[Span, Span | None]]:
        return extents(Grouping(cutting, self._max, self._overlap, join_small=False).groups(cutting.units))
