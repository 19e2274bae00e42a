"""What the strategies have in common that put whole units together: sentences, rows, words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from guru.knowledge.chunk.base import Chunk, TokenOffsets
from guru.knowledge.chunk.cutting import Cutting, Unit
from guru.knowledge.sentences import Span

if TYPE_CHECKING:
    from guru.knowledge.parse import ParsedDocument


class UnitChunker(ABC):
    """A subclass says which spans of a document become chunks of at most `max_tokens`."""

    def __init__(self, token_offsets: TokenOffsets, max_tokens: int, overlap: int) -> None:
        self._token_offsets = token_offsets
        self._max = max_tokens
        self._overlap = min(overlap, max_tokens // 2)

    def split(self, document: ParsedDocument) -> list[Chunk]:
        cutting = Cutting(document, self._token_offsets, self._max)
        return cutting.chunks(self._spans(cutting))

    @abstractmethod
    def _spans(self, cutting: Cutting) -> Iterable[tuple[Span, Span | None]]:
        """The chunks, each with its parent."""


def extents(groups: Iterable[Sequence[Unit]]) -> Iterator[tuple[Span, None]]:
    """From the first unit of each group to its last; none has a parent."""
    for group in groups:
        yield (group[0].start, group[-1].end), None
