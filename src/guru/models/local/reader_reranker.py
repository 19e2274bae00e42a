"""A reranker of the reader, which reads query and passage together, and the embedder, which reads them apart.

Among passages of one article it ranks as well as the embedder alone (benchmarks/rerank.py). Beside what a search
knows it is the better one (benchmarks/reader.md), which is why it is the default.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Final

from guru.models.local.reader import MiniLMReader
from guru.models.local.reranker import FEATURES as NEARNESS
from guru.models.local.reranker import LocalReranker, ranking
from guru.protocols import Embedder
from guru.tasks import Ranking, RerankRequest

WEIGHTS: Final = (-5.59, -0.35, 5.54, 4.22, -0.03, 0.72)
"""Of a logistic regression on 1 and `FEATURES`."""
FEATURES: Final = (*NEARNESS, "relevance", "here")
MOST: Final = 12.0
"""Log odds; what the reader is surer of counts no more."""


class ReaderReranker:
    """Implements `guru.tasks.Reranker`."""

    def __init__(self, reader: MiniLMReader, embedder: Embedder) -> None:
        self.name = reader.name
        self._reader = reader
        self._nearness = LocalReranker(embedder)

    async def rerank(self, request: RerankRequest) -> Ranking:
        """Raises `InvalidParameter` for more than it can read at once, and for fields that it does not know."""
        return await ranking(self.name, request, self._reader.token_offsets, self.features, WEIGHTS)

    async def features(self, query: str, documents: Sequence[str]) -> tuple[list[tuple[float, ...]], int]:
        """`FEATURES` of every document, and the tokens that were read."""
        near, readings = await asyncio.gather(
            self._nearness.features(query, documents), self._reader.read(query, documents)
        )
        rows, tokens = near
        read = [(log_odds(reading.relevance), log_odds(reading.here)) for reading in readings]
        return [row + more for row, more in zip(rows, read, strict=True)], tokens


def log_odds(chance: float) -> float:
    lowest = 1 / (1 + math.exp(MOST))
    chance = min(max(chance, lowest), 1 - lowest)
    return math.log(chance / (1 - chance))
