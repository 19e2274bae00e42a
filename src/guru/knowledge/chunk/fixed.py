"""Windows of a fixed number of tokens, whatever stands in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from guru.knowledge.chunk.base import Chunk, TokenOffsets
from guru.knowledge.chunk.cutting import Cutting, Unit
from guru.knowledge.chunk.packing import pack
from guru.knowledge.chunk.tokens import IDEOGRAPHS

if TYPE_CHECKING:
    from guru.knowledge.parse import ParsedDocument

_WORD: Final = re.compile(rf"[{IDEOGRAPHS}]|[^\s{IDEOGRAPHS}]+")


class FixedChunker:
    """Fills chunks with `max_tokens` tokens, the last `overlap` of which begin the next one as well.

    Whole words are taken, and whole rows of tables, so that a chunk may have a few tokens less.
    """

    def __init__(self, token_offsets: TokenOffsets, max_tokens: int, overlap: int) -> None:
        self._token_offsets = token_offsets
        self._max = max_tokens
        self._overlap = min(overlap, max_tokens // 2)

    def split(self, document: ParsedDocument) -> list[Chunk]:
        cutting = Cutting(document, self._token_offsets, self._max)
        groups = pack(cutting, _words(cutting), self._overlap)
        return cutting.chunks(((group[0].start, group[-1].end), None) for group in groups)


def _words(cutting: Cutting) -> Iterator[Unit]:
    for unit in cutting.units:
        if unit.is_row:
            yield unit
            continue
        for word in _WORD.finditer(cutting.text, unit.start, unit.end):
            yield Unit(*word.span())
