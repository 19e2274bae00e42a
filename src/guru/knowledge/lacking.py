"""Gives the passages of a collection the vectors of another model, from what is stored: no file is read again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, func, select

from guru.knowledge.access import read_lists_of
from guru.knowledge.embedding_cache import EmbeddingCache, readers_of
from guru.knowledge.prepare import below_header, stated
from guru.knowledge.rows import coarse_of, split_fine
from guru.knowledge.search import HEADER
from guru.knowledge.vectors import ChunkVectors, count_lacking, lacks, put_beside
from guru.protocols import Embedder
from guru.store.database import Database
from guru.store.jobs import JobRun
from guru.store.tables import chunks

PORTION: Final = 128
"""Passages, with their sentences, that are embedded for one transaction."""


class Lacking:
    """One run of a job that embeds what a model has not embedded."""

    def __init__(
        self, database: Database, cache: EmbeddingCache, run: JobRun, embedder: Embedder, *, at_once: int = 1
    ) -> None:
        """`at_once`: how many portions the embedder works on at the same time."""
        self._portion = PORTION * at_once
        self._database = database
        self._cache = cache
        self._run = run
        self._embedder = embedder
        self._tenant = run.job.tenant
        self._collection_id: str = run.job.arguments["collection_id"]
        self.total = self.embedded = self.reused = 0

    async def embed_lacking(self) -> None:
        """Give every passage that has none the vectors of the model, in the order of their numbers."""
        left = await self._count()
        after = 0
        while rows := await self._read(after):
            texts = await asyncio.to_thread(texts_of, rows, self._embedder)
            readers = await self._readers(rows)
            found = await self._cache.embed(
                self._tenant, self._embedder, [text for part in texts for text in part],
                [readers[row.document_id] for row, part in zip(rows, texts, strict=True) for _ in part],
            )  # fmt: skip
            vectors = await asyncio.to_thread(by_passage, found.packed, texts)
            await self._write(rows, vectors)
            self.embedded += found.embedded
            self.reused += found.reused
            left -= len(rows)
            after = rows[-1].id
            self._report(left)

    async def _count(self) -> int:
        mine = chunks.c.collection_id == self._collection_id

        def count(connection: Connection) -> tuple[int, int]:
            total = connection.execute(select(func.count()).select_from(chunks).where(mine)).scalar_one()
            return total, count_lacking(connection, self._collection_id, self._embedder.name)

        self.total, left = await self._database.read(count)
        self._report(left)
        return left

    async def _read(self, after: int) -> Sequence[Row[Any]]:
        own = ("id", "tenant", "collection_id", "document_id", "text", "start", "tokens", "sentences")
        mine = (chunks.c.collection_id == self._collection_id, chunks.c.id > after, lacks(self._embedder.name))
        columns: list[ColumnElement[Any]] = [*(chunks.c[name] for name in own), HEADER]
        query = select(*columns).where(*mine).order_by(chunks.c.id).limit(self._portion)
        return await self._database.read(lambda connection: connection.execute(query).all())

    async def _readers(self, rows: Sequence[Row[Any]]) -> dict[str, str]:
        """Who may see the documents of some passages."""
        ids = list({row.document_id for row in rows})
        lists = await self._database.read(lambda connection: read_lists_of(connection, ids))
        return {document_id: readers_of(lists.get(document_id, ())) for document_id in ids}

    async def _write(self, rows: Sequence[Row[Any]], vectors: Sequence[ChunkVectors]) -> None:
        await self._database.write(lambda connection: put_beside(connection, self._embedder.name, rows, vectors))

    def _report(self, left: int) -> None:
        counts = {"embedded": self.embedded, "reused": self.reused}
        self._run.progress(total=self.total, done=max(0, self.total - left), current=self._embedder.name, **counts)


def texts_of(rows: Sequence[Row[Any]], embedder: Embedder) -> list[list[str]]:
    """For each passage what is embedded of it: itself, with the header of its table, and its sentences."""
    import numpy as np

    found = []
    for row in rows:
        above = "" if row.header is None else f"{row.header}\n"
        spans = np.frombuffer(row.sentences, "<i4").reshape(-1, 3)[:, :2] - row.start + len(above)
        sentences = stated(above + row.text, [(start, end) for start, end in spans.tolist()])
        found.append([below_header(embedder, row.header, row.text, row.tokens), *sentences])
    return found


def by_passage(packed: Any, texts: Sequence[Sequence[str]]) -> list[ChunkVectors]:
    """The fine vectors of `texts_of`, by passage."""
    found = []
    start = 0
    for part in texts:
        end = start + len(part)
        sentences = coarse_of(packed[start + 1 : end]).tobytes()
        found.append(ChunkVectors(*split_fine(packed[start]), sentences))
        start = end
    return found
