"""The index of one store: asks it before the transaction, and catches it up; see `base.Index` for the promise.

Where the store cannot be asked, or has not got the passages yet, the rows are scanned in the transaction: slower, and
exact. A search fails for nothing that happens at a store; its notes say what has.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from sqlalchemy import Connection, Row

from guru.errors import GuruError
from guru.knowledge.access import hidden_documents
from guru.knowledge.collections import find_collection
from guru.knowledge.documents import allowed_documents
from guru.knowledge.index.base import Index, Wanted
from guru.knowledge.index.external import marks
from guru.knowledge.index.external.base import FILTER, MOST, VectorStore
from guru.knowledge.index.external.catch_up import CatchUp, Tell
from guru.knowledge.index.external.client import StoreClient
from guru.knowledge.index.external.marks import Mark
from guru.knowledge.index.external.snapshot import Answers, ExternalSnapshot, visible_documents
from guru.store.database import Database
from guru.store.scope import Scope
from guru.types import JSON

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)
PATIENCE: Final = 2.0
"""Seconds that a search waits for the store to be caught up; what is not there by then is scanned here."""
BATCHES: Final = 16
"""Searches that one is split into, at most, for its many documents; for more, the rows are scanned."""
MORE: Final = 16
"""How many passages more than are wanted the store is asked for, at least: some may be gone."""
ROUND: Final = 30.0
"""Seconds between two looks at what is behind without having been searched for, and at what is gone."""


class _Plan(Struct, frozen=True):
    """What a search may see, in one transaction."""

    collection: Row[Any]
    mark: Mark | None
    only: frozenset[str] | None
    never: frozenset[str]


class ExternalIndex:
    """The collections of every tenant in one store. Words are found by `words`, which needs no vectors."""

    def __init__(
        self, kind: str, database: Database, client: StoreClient, words: Index, *, belongs: Callable[[JSON], bool]
    ) -> None:
        """`belongs` says of the settings of a collection whether it has this index."""
        self.kind = kind
        self.client = client
        self._database = database
        self._words = words
        self._belongs = belongs
        self._catch_up = CatchUp(database, client, kind)
        self._tasks: dict[str, asyncio.Task[bool]] = {}
        self._suspects: set[str] = set()

    async def look_ahead(self, scope: Scope, name: str, wanted: Wanted) -> Answers:
        collection, mark = await self._database.read(lambda connection: self._find(connection, scope, name))
        nothing = Answers(collection_id=collection.id, model=collection.embedding_model, k=0, newest=0)
        count = wanted.k + max(MORE, wanted.k // 4)
        if not len(wanted.vectors) or wanted.distance == "manhattan" or count > MOST:
            return nothing
        try:
            if self.client.rests:
                raise GuruError(f"{self.client.title} was away just now")
            if mark is None or mark.generation != collection.generation or collection.id in self._suspects:
                await self._caught_up(collection.id)
            plan = await self._database.read(lambda connection: self._plan(connection, scope, name, wanted))
            if plan.mark is None or not plan.mark.newest:
                return nothing
            searches = (self._search(plan, plan.mark, vector, count) for vector in wanted.vectors)
            found = dict(
                zip((vector.tobytes() for vector in wanted.vectors), await asyncio.gather(*searches), strict=True)
            )
        except GuruError as error:
            log.warning("%s is not asked for %s: %s", self.client.title, collection.id, error)
            nothing.notes = [f"{error.message.rstrip('.')}: passages were looked for here instead."]
            return nothing
        return Answers(
            collection_id=plan.collection.id, model=plan.collection.embedding_model, k=wanted.k,
            newest=plan.mark.newest, only=plan.only, never=plan.never,
            found={key: ids for key, ids in found.items() if ids is not None},
        )  # fmt: skip

    def snapshot(
        self, connection: Connection, scope: Scope, name: str, ahead: Any = None
    ) -> tuple[Row[Any], ExternalSnapshot]:
        collection, words = self._words.snapshot(connection, scope, name)
        fits = isinstance(ahead, Answers) and (ahead.collection_id, ahead.model) == (
            collection.id, collection.embedding_model,
        )  # fmt: skip
        answers = ahead if fits else None
        snapshot = ExternalSnapshot(
            connection, scope, collection, words=words, answers=answers, suspect=self._suspects.add
        )
        return collection, snapshot

    async def catch_up(self, collection_id: str, tell: Tell = lambda given: None) -> bool:
        """See `CatchUp.run`. Within a process, one at a time for a collection."""
        while (running := self._tasks.get(collection_id)) is not None:
            await asyncio.wait({running})
        task = self._start(collection_id, tell)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise

    async def newest(self, collection: Row[Any]) -> int:
        """Up to which id the store has been given the passages of a collection."""
        mark = await self._database.read(partial(marks.read_mark, collection=collection, store=self.kind))
        return mark.newest if mark else 0

    async def forget(self, collection_id: str) -> None:
        """Remove a collection from the store. Raises `StoreAway`."""
        for mark in await self._database.read(lambda connection: marks.marks_of(connection, self.kind)):
            if mark.collection_id == collection_id:
                await self._catch_up.forget(mark)

    @asynccontextmanager
    async def keeping_house(self) -> AsyncIterator[None]:
        """Look every while at what is behind or gone, so that nothing that was removed here stays there."""
        task = asyncio.create_task(self._keep_house())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def aclose(self) -> None:
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self.client.aclose()
        await self._words.aclose()

    async def tidy(self) -> None:
        """Remove what is gone, and catch up what is behind. Raises `StoreAway`."""
        for mark in await self._database.read(lambda connection: marks.marks_of(connection, self.kind)):
            row, moved = await self._database.read(partial(marks.find_moved, collection_id=mark.collection_id))
            if row is None or not (moved or self._belongs(row.settings)):
                await self._catch_up.forget(mark)
            elif row.generation != mark.generation:
                await self.catch_up(row.id)

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(ROUND)
            try:
                await self.tidy()
            except Exception as error:  # it comes back, as does the database
                log.warning("%s is not brought up to date: %s", self.client.title, error)

    async def _caught_up(self, collection_id: str) -> None:
        """Wait a while for it. Raises what has gone wrong until then."""
        task = self._tasks.get(collection_id) or self._start(collection_id)
        done, _ = await asyncio.wait({task}, timeout=PATIENCE)
        if done:
            self._suspects.discard(collection_id)
            await task

    def _start(self, collection_id: str, tell: Tell = lambda given: None) -> asyncio.Task[bool]:
        task = asyncio.create_task(self._catch_up.run(collection_id, tell))
        self._tasks[collection_id] = task
        task.add_done_callback(lambda done: self._ended(collection_id, done))
        return task

    def _ended(self, collection_id: str, task: asyncio.Task[bool]) -> None:
        del self._tasks[collection_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("%s lacks passages of %s: %s", self.client.title, collection_id, error)

    def _find(self, connection: Connection, scope: Scope, name: str) -> tuple[Row[Any], Mark | None]:
        collection = find_collection(connection, scope.tenant, name)
        return collection, marks.read_mark(connection, collection, self.kind)

    def _plan(self, connection: Connection, scope: Scope, name: str, wanted: Wanted) -> _Plan:
        collection, mark = self._find(connection, scope, name)
        if wanted.accepts is not None:
            return _Plan(collection, mark, allowed_documents(connection, scope, collection.id, wanted.accepts), NONE)
        never = hidden_documents(connection, scope, collection.id)
        if len(never) > FILTER:
            return _Plan(collection, mark, visible_documents(connection, scope, collection.id), NONE)
        return _Plan(collection, mark, None, never)

    async def _search(self, plan: _Plan, mark: Mark, vector: NDArray[Any], count: int) -> NDArray[Any] | None:
        """The ids that the store finds; None where it is asked in vain."""
        import numpy as np

        if plan.only is None:
            batches: list[Any] = [None]
        else:
            listed = sorted(plan.only)
            batches = [listed[start : start + FILTER] for start in range(0, len(listed), FILTER)]
        if len(batches) > BATCHES:
            return None
        never = sorted(plan.never)
        calls = (
            self.client.ask(VectorStore.search, mark.name, vector, count, only=only, never=never) for only in batches
        )
        found = [pair for answer in await asyncio.gather(*calls) for pair in answer]
        best = sorted(found, key=lambda pair: -pair[1])[:count]
        return np.array([number for number, _ in best], np.int64)


NONE: Final[frozenset[str]] = frozenset()
