"""Another embedding model for a collection, while it is searched: embed all beside the old vectors, switch, go back.

A job reads the passages that are stored and gives each the vectors of the new model, a portion in one transaction.
Documents that come meanwhile get the vectors of both (`filling.py`). When no passage lacks any, one transaction makes
the new model that of the collection. A job that was killed goes on with those that are left. The vectors of the model
before are kept for a while, and going back is one transaction too.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, Row, func, select

from guru.config import KnowledgeSettings
from guru.errors import Conflict, InvalidParameter, NotFound
from guru.knowledge import switching
from guru.knowledge.collections import find_collection
from guru.knowledge.embedders import Embedders
from guru.knowledge.embedding_cache import DAY, CacheSize, EmbeddingCache
from guru.knowledge.filling import REEMBED, target_of
from guru.knowledge.lacking import Lacking
from guru.knowledge.prepare import most_tokens
from guru.knowledge.vectors import count_vectors
from guru.knowledge.workers import WorkerSource
from guru.protocols import Embedder
from guru.store.database import Database
from guru.store.jobs import ENDED, Job, JobRun, Jobs
from guru.store.tables import chunks, collections, jobs

log = logging.getLogger(__name__)

FORGET: Final = "forget-vectors"
"""The kind of the jobs that give back the room of the vectors before a change."""
HOUR: Final = 3600.0


class VectorsOf(Struct, frozen=True):
    """How much of a collection a model has embedded."""

    model: str
    chunks: int
    role: str
    """`current`, `next` (a job makes them), `previous` (kept for going back), or `left` by a job that did not end."""


class EmbeddingState(Struct, frozen=True):
    """What vectors a collection has, and what is kept of the organisation's texts."""

    vectors: list[VectorsOf]
    cache: CacheSize


class Reembedding:
    """Changes the models of collections."""

    def __init__(
        self,
        database: Database,
        runner: Jobs,
        embedders: Embedders,
        cache: EmbeddingCache,
        *,
        settings: KnowledgeSettings,
        workers: WorkerSource,
    ) -> None:
        self._workers = workers
        self._database = database
        self._jobs = runner
        self._embedders = embedders
        self._cache = cache
        self._days = settings.previous_vectors_days
        runner.handle(REEMBED, self._run)
        runner.handle(FORGET, self._forget)

    async def submit(
        self, tenant: str, name: str, model: str | None = None, *, person: str | None = None, ray: str | None = None
    ) -> Job:
        """Begin to change a collection to a model, the configured one where none is named. `person` is whose job it is:
        its progress counts documents that not everybody may see. `ray` is as in `Ingest.submit_paths`.

        Raises `NotFound`, `InvalidParameter` for a model that does not do, `Conflict` where the collection has it
        already, is being changed or keeps the vectors of yet another one, and what the model raises when it is asked.
        """
        embedder = self._embedders.named(tenant, model)

        def check(connection: Connection) -> Row[Any]:
            row = find_collection(connection, tenant, name)
            self._refuse_busy(connection, tenant, name)
            if row.embedding_model == embedder.name:
                hint = "Name another one with --model, or configure it as [models.embedding]."
                raise Conflict(f"{name} is embedded with {embedder.name} already.", hint=hint, param="model")
            if row.previous_model not in (None, embedder.name):
                raise Conflict(
                    f"{name} keeps the vectors of {row.previous_model}, for going back.",
                    hint=f"If they are not needed any more: guru collections reembed {name} --forget-old",
                )
            return row

        row = await self._database.read(check)
        await self._check_fits(row, embedder)
        await embedder.embed(["Does it answer?"])  # what is wrong with a provider is said now
        arguments = {"collection": name, "collection_id": row.id, "model": embedder.name, "ray": ray}
        return await self._jobs.submit(tenant, REEMBED, arguments, subject=name, person=person)

    async def rollback(self, tenant: str, name: str) -> None:
        """Make the model before the last change that of a collection again, at once.

        Raises `NotFound`, and `Conflict` where its vectors are not kept, or not whole, or it is not available any more.
        """

        def change(connection: Connection) -> None:
            self._refuse_busy(connection, tenant, name)
            row = find_collection(connection, tenant, name)
            if row.previous_model is not None and not self._embedders.is_available(tenant, row.previous_model):
                raise Conflict(
                    f"{row.previous_model} is not available any more, so {name} cannot go back to it.",
                    hint="Configure that model again.",
                )
            switching.roll_back(connection, row)

        await self._database.write(change)

    async def submit_forget(self, tenant: str, name: str, *, person: str | None = None) -> Job:
        """Begin to remove the vectors that are not the current model's. There is no going back then.

        Raises `NotFound`, and `Conflict` for a collection that is being changed.
        """

        def check(connection: Connection) -> Row[Any]:
            self._refuse_busy(connection, tenant, name)
            return find_collection(connection, tenant, name)

        row = await self._database.read(check)
        arguments = {"collection": name, "collection_id": row.id}
        return await self._jobs.submit(tenant, FORGET, arguments, subject=name, person=person)

    async def state(self, tenant: str, name: str) -> EmbeddingState:
        """Raises `NotFound`."""

        def read(connection: Connection) -> list[VectorsOf]:
            row = find_collection(connection, tenant, name)
            target = target_of(connection, tenant, name, row.id)
            roles = {target: "next", row.previous_model: "previous", row.embedding_model: "current"}
            counts = count_vectors(connection, row.id)
            found = [VectorsOf(model, count, roles.get(model, "left")) for model, count in counts.items() if count]
            return sorted(found, key=lambda item: (item.role != "current", item.model))

        return EmbeddingState(await self._database.read(read), await self._cache.size(tenant))

    @asynccontextmanager
    async def keeping_house(self) -> AsyncIterator[None]:
        """Look, every hour, for what has been kept long enough."""
        keeper = asyncio.create_task(self._keep_house())
        try:
            yield
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)

    async def expire(self) -> list[Job]:
        """Begin to remove what has been kept long enough, of every organisation; and what the cache has too much."""
        await self._cache.sweep()
        long_ago = time.time() - self._days * DAY
        query = select(collections.c.tenant, collections.c.name).where(
            collections.c.previous_model.is_not(None), collections.c.switched_at < long_ago
        )
        started = []
        for row in await self._database.read(lambda connection: connection.execute(query).all()):
            try:
                started.append(await self.submit_forget(row.tenant, row.name))
            except (Conflict, NotFound):  # it is being changed, or gone: the next look will tell
                continue
        return started

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(HOUR)
            try:
                await self.expire()
            except Exception:
                log.exception("old vectors could not be looked for")

    async def _check_fits(self, row: Row[Any], embedder: Embedder) -> None:
        """Raises `InvalidParameter` for a model that would not read the passages to their end."""
        most = most_tokens(embedder)
        query = select(func.max(chunks.c.tokens)).where(chunks.c.collection_id == row.id)
        longest = await self._database.read(lambda connection: connection.scalar(query)) or 0
        if longest > most:
            raise InvalidParameter(
                f"{embedder.name} reads {most} tokens; {row.name} has passages of {longest}.", param="model",
                hint=f"Cut its documents smaller first: guru collections configure {row.name} --chunk-tokens {most}, "
                "and ingest them again.",
            )  # fmt: skip

    def _refuse_busy(self, connection: Connection, tenant: str, name: str) -> None:
        query = select(jobs.c.id).where(
            jobs.c.tenant == tenant, jobs.c.subject == name, jobs.c.kind.in_((REEMBED, FORGET)),
            jobs.c.status.not_in(ENDED),
        )  # fmt: skip
        if (busy := connection.scalar(query)) is not None:
            raise Conflict(
                f"The vectors of {name} are being changed by the job {busy}.",
                hint=f"Wait for it, or cancel it: POST /api/v1/jobs/{busy}/cancel",
            )

    async def _run(self, run: JobRun) -> dict[str, Any]:
        """Do the work of a job. Cancelled or killed at any point, the collection is as it was, and what is done stays.

        Raises what the model raises, `NotFound`, and `Conflict` for the later one of two jobs.
        """
        began = time.monotonic()
        tenant, subject = run.job.tenant, str(run.job.subject)
        collection_id, model = run.job.arguments["collection_id"], run.job.arguments["model"]
        first = await self._database.read(lambda connection: target_of(connection, tenant, subject, collection_id))
        if first != model:
            raise Conflict(f"{subject} is being changed to {first} already.")
        async with self._workers.open(run.job.arguments.get("ray")) as workers:
            embedder = workers.embedder(self._embedders.named(tenant, model))
            work = Lacking(self._database, self._cache, run, embedder, at_once=workers.count)
            while True:
                await work.embed_lacking()
                done = await self._database.write(
                    lambda connection: switching.switch(connection, tenant, collection_id, model, run.job.id)
                )
                if done is not None:
                    break
        await self._cache.sweep()
        run.progress(done=work.total, total=work.total, current=None)
        return {
            "model": model,
            "previous": done,
            "chunks": work.total,
            "embedded": work.embedded,
            "reused": work.reused,
            "seconds": round(time.monotonic() - began, 3),
        }

    async def _forget(self, run: JobRun) -> dict[str, Any]:
        """Make room. Killed at any point, every passage has the vectors of the current model."""
        began = time.monotonic()
        tenant, collection_id = run.job.tenant, run.job.arguments["collection_id"]
        await self._database.write(lambda connection: switching.forget_previous(connection, tenant, collection_id))
        removed = 0
        while True:
            count = await self._database.write(lambda connection: switching.fold(connection, tenant, collection_id))
            if not count:
                break
            removed += count
            run.progress(done=removed)
        return {"chunks": removed, "seconds": round(time.monotonic() - began, 3)}
