"""As many whole sentences as fit, wherever paragraphs and sections end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guru.knowledge.chunk.base import Chunk, TokenOffsets
from guru.knowledge.chunk.cutting import Cutting
from guru.knowledge.chunk.packing import pack

if TYPE_CHECKING:
    from guru.knowledge.parse import ParsedDocument


class SentenceChunker:
    """Fills chunks with sentences, which overlap by up to `overlap` tokens. A sentence that is too long is cut at white
    space."""

    def __init__(self, token_offsets: TokenOffsets, max_tokens: int, overlap: int) -> None:
        self._token_offsets = token_offsets
        self._max = max_tokens
        self._overlap = min(overlap, max_tokens // 2)

    def split(self, document: ParsedDocument) -> list[Chunk]:
        cutting = Cutting(document, self._token_offsets, self._max)
        groups = pack(cutting, cutting.units, self._overlap)
        return cutting.chunks(((group[0].start, group[-1].end), None) for group in groups)
