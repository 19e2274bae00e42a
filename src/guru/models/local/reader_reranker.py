"""The default reranker: the reader, which reads a query and a passage together."""

from __future__ import annotations

import asyncio

from guru.models.local.reader import MiniLMReader
from guru.models.local.reranker import check, cut
from guru.tasks import Ranked, Ranking, RerankRequest
from guru.types import Usage


class ReaderReranker:
    """Implements `guru.tasks.Reranker`."""

    def __init__(self, reader: MiniLMReader) -> None:
        self.name = reader.name
        self._reader = reader

    async def rerank(self, request: RerankRequest) -> Ranking:
        """Raises `InvalidParameter` for more than it can read at once, and for fields that it does not know."""
        check(request, self.name)
        documents = await asyncio.to_thread(cut, request, self._reader.token_offsets)
        readings = await self._reader.read(request.query, documents)
        scores = [reading.relevance for reading in readings]
        order = sorted(range(len(scores)), key=lambda index: -scores[index])[: request.top_n]
        results = [Ranked(index, round(scores[index], 6)) for index in order]
        tokens = await asyncio.to_thread(self._count, request.query, documents)
        return Ranking(model=self.name, results=results, usage=Usage(prompt_tokens=tokens))

    def _count(self, query: str, documents: list[str]) -> int:
        """Tokens that were read: the query with each document."""
        sizes = [len(self._reader.token_offsets(text)) for text in (query, *documents)]
        return sizes[0] * len(documents) + sum(sizes[1:])
