"""Windows of a fixed number of tokens, whatever stands in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from guru.knowledge.chunk.cutting import Cutting, Unit
from guru.knowledge.chunk.packing import pack
from guru.knowledge.chunk.tokens import IDEOGRAPHS
from guru.knowledge.chunk.unit_chunker import UnitChunker, extents
from guru.knowledge.sentences import Span

_WORD: Final = re.compile(rf"[{IDEOGRAPHS}]|[^\s{IDEOGRAPHS}]+")


class FixedChunker(UnitChunker):
    """Fills chunks with `max_tokens` tokens, the last `overlap` of which begin the next one as well.

    Whole words are taken, and whole rows of tables, so that a chunk may have a few tokens less.
    """

    def _spans(self, cutting: Cutting) -> Iterator[tuple[Span, Span | None]]:
        return extents(pack(cutting, _words(cutting), self._overlap))


def _words(cutting: Cutting) -> Iterator[Unit]:
    for unit in cutting.units:
        if unit.is_row:
            yield unit
            continue
        for word in _WORD.finditer(cutting.text, unit.start, unit.end):
            yield Unit(*word.span())
