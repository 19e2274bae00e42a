"""Giving a store what it lacks, and taking out what is gone: what is there afterwards are the rows, and nothing else.

One process at a time does it for a collection. Every step can be done twice, and what may be there is written down
before it is: whoever is killed leaves work, and no strays.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Row

from guru.knowledge.index.external import marks
from guru.knowledge.index.external.base import BATCH, StoreAway, VectorStore, name_of
from guru.knowledge.index.external.client import StoreClient
from guru.knowledge.index.external.marks import Mark
from guru.knowledge.rows import read_fine, unpack_vectors
from guru.store.database import Database
from guru.store.ids import new_id

log = logging.getLogger(__name__)
SETTLING: Final = (0.1, 0.4, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds between looks at a count that is not yet what it should be: that of Pinecone is late."""
Result = TypeVar("Result")
Tell = Callable[[int], None]
"""Is told how many passages have been given."""


class CatchUp:
    """Brings collections up to date in one store."""

    def __init__(self, database: Database, client: StoreClient, kind: str) -> None:
        self._database = database
        self._client = client
        self._kind = kind
        self._owner = new_id("idx")

    async def run(self, collection_id: str, tell: Tell = lambda given: None) -> bool:
        """Bring one up to date. False: it is gone, or somebody else is doing it.

        Raises `StoreAway` and `ConfigurationError`; what has been given stays.
        """

        def begin(connection: Connection) -> tuple[Row[Any], Mark] | None:
            collection = marks.find_by_id(connection, collection_id)
            if collection is None:
                return None
            mark = marks.take(connection, collection, self._kind, self._owner, time.time())
            return None if mark is None else (collection, mark)

        found = await self._database.write(begin)
        if found is None:
            return False
        collection, mark = found
        try:
            return await self._bring(collection, mark, tell)
        finally:
            await self._database.write(lambda connection: marks.give_up(connection, mark, self._owner), beside=True)

    async def _bring(self, collection: Row[Any], mark: Mark, tell: Tell) -> bool:
        wanted = name_of(collection.id, collection.embedding_model)
        if mark.name != wanted:
            mark = await self._restarted(mark, wanted)
        for again in (False, True):
            dimension = await self._database.read(partial(marks.dimension_there, mark=mark))
            if dimension is None:
                mark = await self._restarted(mark, wanted)
            else:
                made = await self._client.ask(VectorStore.ensure, mark.name, dimension)
                if made and mark.newest:
                    log.warning("%s had lost the collection %s: it is given anew", self._client.title, mark.name)
                    mark = await self._reset(mark, wanted)
                await self._remove(mark)
                if not await self._give(mark, tell):
                    return False
            there, known = await self._counts(mark)
            if there == known:
                break
            said = f"{self._client.title} has {there} passages of {mark.name} in place of {known}"
            if again:
                raise StoreAway(f"{said}, also after all were given anew.", hint="Does something else write there?")
            log.warning("%s: all are given anew", said)
            mark = await self._restarted(mark, wanted)
        done = partial(marks.caught_up, mark=mark, generation=collection.generation, owner=self._owner)
        await self._write(done)
        return True

    async def _remove(self, mark: Mark) -> None:
        while ids := await self._database.read(partial(marks.gone, mark=mark, limit=BATCH)):
            await self._client.ask(VectorStore.delete, mark.name, ids)
            await self._write(partial(marks.removed, mark=mark, ids=ids))

    async def _give(self, mark: Mark, tell: Tell) -> bool:
        """False where somebody else has taken it over, or another model has."""
        newest, total = mark.newest, 0
        while rows := await self._write(partial(marks.plan, mark=mark, newest=newest, limit=BATCH)):
            ids, documents, *blobs = zip(*rows, strict=True)
            await self._client.ask(VectorStore.upsert, mark.name, ids, documents, unpack_vectors(read_fine(*blobs)))
            newest, total = ids[-1], total + len(ids)
            if not await self._write(
                partial(marks.given, mark=mark, newest=newest, owner=self._owner, now=time.time())
            ):
                return False
            tell(total)
        return rows is not None

    async def _counts(self, mark: Mark) -> tuple[int, int]:
        """Passages there, and those that should be."""
        known = await self._database.read(lambda connection: marks.count_entries(connection, mark))
        there = await self._client.ask(VectorStore.count, mark.name)
        for pause in SETTLING:
            if there == known:
                break
            await asyncio.sleep(pause)
            there = await self._client.ask(VectorStore.count, mark.name)
        return there, known

    async def _restarted(self, mark: Mark, name: str) -> Mark:
        """With nothing there, under whatever name it was."""
        await self._client.ask(VectorStore.drop, mark.name)
        return await self._reset(mark, name)

    async def _reset(self, mark: Mark, name: str) -> Mark:
        return await self._write(partial(marks.restart, mark=mark, name=name))

    async def _write(self, change: Callable[[Connection], Result]) -> Result:
        """These rows are touched by nobody else but who has taken the collection."""
        return await self._database.write(change, beside=True)

    async def forget(self, mark: Mark) -> None:
        """Remove a collection there. Raises `StoreAway`."""
        await self._client.ask(VectorStore.drop, mark.name)
        await self._write(partial(marks.forget, mark=mark))
