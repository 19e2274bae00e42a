"""Moving the index of a collection that is searched meanwhile, from one store to another: a job that survives a kill.

The rows are the truth on both sides. The new store is given all of them, and asked for all of them again: what comes
back is compared, passage by passage, by count and checksum. Then the collection's row names the new store, in one
transaction, and the old one is told to forget. Until then, and where anything goes wrong, all is as it was.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from functools import partial
from hashlib import blake2b
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select, update

from guru.errors import Conflict, GuruError, StoreError
from guru.knowledge.collections import find_collection
from guru.knowledge.index.choice import KEY, ChosenIndex
from guru.knowledge.index.external.base import BATCH, Entry, VectorStore, name_of
from guru.knowledge.index.external.index import ExternalIndex
from guru.knowledge.index.external.marks import MOVE
from guru.knowledge.rows import pack_fine, read_fine, unpack_vectors
from guru.knowledge.vectors import RESIDUAL, VECTOR
from guru.store.database import Database
from guru.store.jobs import Job, JobRun, Jobs
from guru.store.scope import Scope
from guru.store.tables import chunks, collections
from guru.types import JSON

log = logging.getLogger(__name__)
ELSEWHERE: Final = 1.0
"""Seconds between two tries where another process is giving the same passages."""


class Moving:
    """Moves indexes of collections, as jobs."""

    def __init__(self, database: Database, index: ChosenIndex, jobs: Jobs) -> None:
        self._database = database
        self._index = index
        self._jobs = jobs
        jobs.handle(MOVE, self._run)

    async def submit(self, tenant: str, collection: str, to: str, *, person: str | None = None) -> Job:
        """Move the index of a collection to a store, or `embedded`.

        Raises `NotFound`, `ConfigurationError` for a store that is not configured, `Conflict` where it is there
        already, and `StoreAway`.
        """
        row = await self._database.read(lambda connection: find_collection(connection, tenant, collection))
        target = self._index.external(to)
        if self._index.kind_of(row.settings) == to:
            raise Conflict(f"The index of {collection!r} is in {to} already.", param="to")
        if target is not None:
            await target.client.ask(VectorStore.ping)
        arguments = {"collection_id": row.id, "from": self._index.kind_of(row.settings), "to": to}
        return await self._jobs.submit(tenant, MOVE, arguments, subject=collection, person=person)

    async def _run(self, run: JobRun) -> JSON:
        tenant, name, to = run.job.tenant, str(run.job.subject), run.job.arguments["to"]
        row = await self._database.read(lambda connection: find_collection(connection, tenant, name))
        if row.id != run.job.arguments["collection_id"]:
            raise Conflict(f"{name!r} is another collection by now.", hint="Begin again.")
        source, target = run.job.arguments["from"], self._index.external(to)
        count, checksum = await self._given(run, row, target)
        await self._switch(row.id, to)
        await self._forget(source, row.id)
        return {"from": source, "to": to, "passages": count, "checksum": checksum}

    async def _given(self, run: JobRun, row: Row[Any], target: ExternalIndex | None) -> tuple[int, str]:
        """Give the target all there is, and compare."""
        total = await self._database.read(
            lambda connection: connection.scalar(select(func.count()).where(chunks.c.collection_id == row.id)) or 0
        )
        run.progress(doing="giving", done=0, total=total)
        if target is not None:
            while not await target.catch_up(row.id, lambda done: run.progress(doing="giving", done=done, total=total)):
                await asyncio.sleep(ELSEWHERE)
                await self._database.read(partial(find_collection, tenant=row.tenant, name=row.name))
        return await self._compare(run, row, target, total)

    async def _compare(self, run: JobRun, row: Row[Any], target: ExternalIndex | None, total: int) -> tuple[int, str]:
        """The count and the checksum of the passages, which are the same here and there. Raises `StoreError`.

        Those that are added meanwhile have not been given, and need not be: a search finds them all the same.
        """
        went, came, after = Checksum(), Checksum(), 0
        newest = None if target is None else await target.newest(row)
        while batch := await self._database.read(partial(read_batch, collection_id=row.id, after=after, newest=newest)):
            ids = [item.id for item in batch]
            if target is None:
                held = await self._database.read(partial(self._embedded, row=row, ids=ids))
            else:
                held = await target.client.ask(VectorStore.fetch, name_of(row.id, row.embedding_model), ids)
            there = await self._database.read(partial(existing, ids=ids))
            fine = read_fine([item.vector for item in batch], [item.vector_residual for item in batch])
            for item, vector in zip(batch, fine, strict=True):
                if item.id in there:  # what was removed meanwhile is no difference
                    went.add(digest(item.id, item.document_id, vector))
                    came.add(digest_of(item.id, held.get(item.id)))
            after = ids[-1]
            run.progress(doing="comparing", done=went.count, total=total)
        if (went.count, went.value) != (came.count, came.value):
            raise StoreError(
                f"What came is not what went: {went.count:,} passages with the checksum {went}, and {came.count:,} "
                f"with {came}. The index stays where it was.",
                hint="Move it again; please report it if that does not help.",
            )
        return went.count, str(went)

    def _embedded(self, connection: Connection, row: Row[Any], ids: Sequence[int]) -> dict[int, Entry]:
        """What the embedded index holds of passages that are there."""
        import numpy as np

        there = select(chunks.c.id, chunks.c.document_id).where(chunks.c.id.in_(ids)).order_by(chunks.c.id)
        found = connection.execute(there).all()
        _, snapshot = self._index.own.snapshot(connection, Scope(row.tenant), row.name)
        packed = snapshot.vectors(np.array([item.id for item in found], np.int64))
        vectors = unpack_vectors(packed)
        return {item.id: Entry(item.document_id, vector) for item, vector in zip(found, vectors, strict=True)}

    async def _switch(self, collection_id: str, to: str) -> None:
        def change(connection: Connection) -> None:
            mine = collections.c.id == collection_id
            own = connection.scalar(select(collections.c.settings).where(mine)) or {}
            values = {"settings": {**own, KEY: to}, "updated_at": time.time()}
            connection.execute(update(collections).where(mine).values(values))

        await self._database.write(change)

    async def _forget(self, source: str, collection_id: str) -> None:
        """Remove what the old store has. Where it is away, that is done when it is back (`ExternalIndex.tidy`)."""
        try:
            old = self._index.external(source)
            if old is not None:
                await old.forget(collection_id)
        except GuruError as error:
            log.warning("%s still has passages of %s: %s", source, collection_id, error)


class Checksum:
    """Of passages, in whatever order they come: the sum of their hashes."""

    def __init__(self) -> None:
        self.count = 0
        self.value = 0

    def add(self, hashed: bytes | None) -> None:
        """None for a passage that is not there."""
        if hashed is not None:
            self.count += 1
            self.value = (self.value + int.from_bytes(hashed)) % (1 << 128)

    def __str__(self) -> str:
        return f"{self.value:032x}"


def digest(number: int, document: str, vector: Any) -> bytes:
    """Of a passage: its number, its document and the bytes of its fine vector, without the scale."""
    numbers = vector["values"].tobytes() + vector["residual"].tobytes()
    return blake2b(f"{number}/{document}/".encode() + numbers, digest_size=16).digest()


def digest_of(number: int, entry: Entry | None) -> bytes | None:
    """Of what a store gave back."""
    return None if entry is None else digest(number, entry.document, pack_fine(entry.vector[None])[0])


def read_batch(
    connection: Connection, collection_id: str, after: int, newest: int | None
) -> Sequence[Row[Any, Any, Any, Any]]:
    """The passages after the id `after`, up to the id `newest`."""
    columns = (chunks.c.id, chunks.c.document_id, VECTOR, RESIDUAL)
    query = select(*columns).where(chunks.c.collection_id == collection_id, chunks.c.id > after)
    if newest is not None:
        query = query.where(chunks.c.id <= newest)
    return connection.execute(query.order_by(chunks.c.id).limit(BATCH)).all()


def existing(connection: Connection, ids: Sequence[int]) -> set[int]:
    return set(connection.scalars(select(chunks.c.id).where(chunks.c.id.in_(ids))))
