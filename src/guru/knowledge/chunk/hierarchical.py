"""Small chunks to search, in larger ones to read: a small text has a clear vector, a large one has the context."""

from __future__ import annotations

from collections.abc import Iterator

from guru.knowledge.chunk.base import TokenOffsets
from guru.knowledge.chunk.cutting import Cutting
from guru.knowledge.chunk.recursive import Grouping
from guru.knowledge.chunk.unit_chunker import UnitChunker
from guru.knowledge.sentences import Span


class HierarchicalChunker(UnitChunker):
    """Cuts recursively into parents of at most `parent_tokens`, which do not overlap, and each of these into chunks."""

    def __init__(self, token_offsets: TokenOffsets, max_tokens: int, overlap: int, parent_tokens: int) -> None:
        super().__init__(token_offsets, max_tokens, overlap)
        self._parent = max(parent_tokens, max_tokens)

    def _spans(self, cutting: Cutting) -> Iterator[tuple[Span, Span]]:
        children = Grouping(cutting, self._max, self._overlap)
        for parent in Grouping(cutting, self._parent, 0).groups(cutting.units):
            whole = parent[0].start, parent[-1].end
            for child in children.groups(parent):
                yield (child[0].start, child[-1].end), whole
