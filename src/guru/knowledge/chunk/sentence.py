"""As many whole sentences as fit, wherever paragraphs and sections end."""

from __future__ import annotations

from collections.abc import Iterator

from guru.knowledge.chunk.cutting import Cutting
from guru.knowledge.chunk.packing import pack
from guru.knowledge.chunk.unit_chunker import UnitChunker, extents
from guru.knowledge.sentences import Span


class SentenceChunker(UnitChunker):
    """Fills chunks with sentences, which overlap by up to `overlap` tokens. A sentence that is too long is cut at white
    space."""

    def _spans(self, cutting: Cutting) -> Iterator[tuple[Span, Span | None]]:
        return extents(pack(cutting, cutting.units, self._overlap))
