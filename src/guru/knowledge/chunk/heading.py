"""One chunk for each section; only a section that is too long is cut further."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guru.knowledge.chunk.base import Chunk, TokenOffsets
from guru.knowledge.chunk.cutting import Cutting
from guru.knowledge.chunk.recursive import Grouping

if TYPE_CHECKING:
    from guru.knowledge.parse import ParsedDocument


class HeadingChunker:
    """Cuts at every heading, and within a section as the recursive one does.

    A heading without words of its own below it stays with the section that follows.
    """

    def __init__(self, token_offsets: TokenOffsets, max_tokens: int, overlap: int) -> None:
        self._token_offsets = token_offsets
        self._max = max_tokens
        self._overlap = min(overlap, max_tokens // 2)

    def split(self, document: ParsedDocument) -> list[Chunk]:
        cutting = Cutting(document, self._token_offsets, self._max)
        grouping = Grouping(cutting, self._max, self._overlap, join_small=False)
        return cutting.chunks(((group[0].start, group[-1].end), None) for group in grouping.groups(cutting.units))
