"""Embeds what comes into a collection: by its model, and by the one that it is changing to or may go back to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from sqlalchemy import Connection, select

from guru.errors import GuruError, NotFound
from guru.knowledge.collections import Collection
from guru.knowledge.embedders import Embedders
from guru.knowledge.embedding_cache import EmbeddingCache
from guru.knowledge.prepare import Prepared, Preparer, by_chunk
from guru.knowledge.workers import Embedding
from guru.knowledge.writer import Beside, DocumentWriter, ModelChanged, Rows
from guru.store.database import Database
from guru.store.jobs import ENDED
from guru.store.tables import collections, jobs

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

REEMBED: Final = "reembed"
"""The kind of the jobs that change a collection's model."""


class ModelsInUse(Struct, frozen=True):
    """Whose vectors a document that comes now is to have."""

    current: str
    other: str | None = None
    """The model that the collection is changing to, or had before, as long as its vectors are kept."""


def models_in_use(connection: Connection, tenant: str, collection_id: str) -> ModelsInUse:
    """Raises `NotFound` for a collection that is no more."""
    mine = (collections.c.tenant == tenant, collections.c.id == collection_id)
    row = connection.execute(select(collections).where(*mine)).one_or_none()
    if row is None:
        raise NotFound("The collection was deleted meanwhile.")
    return ModelsInUse(
        row.embedding_model, target_of(connection, tenant, row.name, collection_id) or row.previous_model
    )


def target_of(connection: Connection, tenant: str, name: str, collection_id: str) -> str | None:
    """The model that a job which has not ended changes a collection to."""
    query = select(jobs.c.arguments).where(
        jobs.c.tenant == tenant, jobs.c.kind == REEMBED, jobs.c.subject == name, jobs.c.status.not_in(ENDED)
    )
    found = connection.scalars(query.order_by(jobs.c.created_at)).all()
    return next((str(item["model"]) for item in found if item["collection_id"] == collection_id), None)


class Filling:
    """Makes fillers of collections."""

    def __init__(self, database: Database, embedders: Embedders, cache: EmbeddingCache) -> None:
        self.database = database
        self.embedders = embedders
        self.cache = cache

    def of(self, tenant: str, collection: Collection, workers: Embedding) -> Filler:
        return Filler(self, tenant, collection, workers)


class Filler:
    """Embeds and stores the documents of one job, and counts."""

    def __init__(self, filling: Filling, tenant: str, collection: Collection, workers: Embedding) -> None:
        self._workers = workers
        self._database = filling.database
        self._embedders = filling.embedders
        self._cache = filling.cache
        self._tenant = tenant
        self._collection = collection
        self._without: set[str] = set()
        self.embedded = 0
        """Texts that a model was asked for."""
        self.reused = 0
        """Texts that had been embedded before."""
        self.seconds = 0.0
        """That models took."""
        self.notes: list[str] = []
        """What was left undone."""

    async def store(
        self, batch: Sequence[Prepared], preparer: Preparer, writer: DocumentWriter
    ) -> tuple[list[Rows], dict[str, str]]:
        """Embed documents and put them into the collection: their rows, and by name why some were refused.

        Raises what the model raises, `NotFound`, and `Conflict` where the model is not available any more.
        """
        while True:
            readers = await writer.readers({prepared.file.name: prepared.document.metadata for prepared in batch})
            rows, beside = await self._rows(batch, preparer, readers)
            try:
                return rows, await writer.replace(rows, beside)
            except ModelChanged:
                log.info("%s changed its embedding model; documents are embedded again", self._collection.name)

    async def close(self) -> None:
        """After a job: what is too much is removed from the cache."""
        if self.embedded:
            await self._cache.sweep()

    async def _rows(
        self, batch: Sequence[Prepared], preparer: Preparer, readers: Mapping[str, str]
    ) -> tuple[list[Rows], Beside | None]:
        texts = [(text, readers[prepared.file.name]) for prepared in batch for text in prepared.texts]
        models = await self._database.read(
            lambda connection: models_in_use(connection, self._tenant, self._collection.id)
        )
        vectors = await self._embed(models.current, texts)
        others = await self._embed_other(models.other, texts)

        def build() -> tuple[list[Rows], Beside | None]:
            rows: list[Rows] = []
            second = []
            start = 0
            for prepared in batch:
                end = start + len(prepared.passages) + len(prepared.sentences)
                own = (models.current, self._tenant, self._collection.id)
                rows.append(preparer.rows(prepared, vectors[start:end], *own))
                if others is not None:
                    second.append(by_chunk(prepared, others[start:end]))
                start = end
            beside = None if others is None or models.other is None else Beside(models.other, second)
            return rows, beside

        return await asyncio.to_thread(build)

    async def _embed(self, model: str, texts: Sequence[tuple[str, str]]) -> NDArray[Any]:
        """The fine vectors of texts, each with who may see it."""
        embedder = self._workers.embedder(self._embedders.of(self._tenant, self._collection.name, model))
        embedded, readers = [text for text, _ in texts], [seen for _, seen in texts]
        found = await self._cache.embed(self._tenant, embedder, embedded, readers)
        self.embedded += found.embedded
        self.reused += found.reused
        self.seconds += found.seconds
        return found.packed

    async def _embed_other(self, model: str | None, texts: Sequence[tuple[str, str]]) -> NDArray[Any] | None:
        """The vectors that are not needed to search now. Without them the document comes all the same: a job that
        changes the model makes what is missing, and going back says that something is."""
        if model is None or model in self._without:
            return None
        try:
            return await self._embed(model, texts)
        except GuruError as error:
            self._without.add(model)
            self.notes.append(f"Without vectors of {model}, the other model of the collection: {error}")
            return None
