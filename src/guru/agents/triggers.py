"""Agents that run by themselves: at a time, for a new document, when a webhook is called.

A mark in the store says when an agent runs next. Whoever moves it, in one transaction with the run, begins the run, so
that it begins once, however many servers there are. What was missed while no server ran is done once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, delete, exists, insert, or_, select

from guru.agents.cron import Schedule
from guru.agents.registry import Known, Registry
from guru.agents.runs import Runs
from guru.agents.tools.base import ToolResult
from guru.agents.tools.marking import marked
from guru.errors import GuruError
from guru.store.database import Database
from guru.store.tables import agent_marks, agent_runs, collections, document_access, documents
from guru.types import Message

log = logging.getLogger(__name__)
LOOK_EVERY: Final = 1.0
"""Seconds."""
LATE: Final = 600.0
"""Seconds that a document may take from when it was read until it is there for others to see."""
MOST_NAMES: Final = 500
"""Of a query: databases take no more than some thousand."""
PORTION: Final = 20
"""Documents for which an agent is started at once; the others a moment later."""


class Done(Exception):
    """Somebody else has begun the run."""


class NewDocument(Struct):
    name: str
    cause: str
    """Of the run: the same document with the same content is looked at once."""
    ingested_at: float


class Triggers:
    """Looks at what is due."""

    def __init__(
        self, database: Database, registry: Registry, runs: Runs, now: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._registry = registry
        self._runs = runs
        self._now = now
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        self._task = asyncio.create_task(self._forever())

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _forever(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.look()
            except Exception:
                log.exception("agents that run by themselves could not be looked at")

    async def look(self) -> None:
        """Begin what is due. An agent that cannot begin does not keep the others from it."""
        for known in await self._registry.all():
            try:
                if known.agent.schedule is not None:
                    await self._by_time(known, Schedule(known.agent.schedule, known.agent.timezone))
                if known.agent.on_document is not None:
                    await self._by_document(known, known.agent.on_document)
            except Done:
                continue
            except GuruError as error:
                log.error("The agent %s could not begin by itself: %s", known.agent.name, error)

    async def webhook(self, known: Known, body: str) -> str:
        """Begin a run for the call of a webhook; its id."""
        said = marked(ToolResult(text=body), "webhook") if body.strip() else ""
        return await self._begin(known, f"{known.agent.input}\n\n{said}".strip() or "Begin.", "webhook")

    async def _by_time(self, known: Known, schedule: Schedule) -> None:
        what, now = f"{known.agent.schedule} {known.agent.timezone}", self._now()
        due = await self._mark(known, "schedule", what, schedule.after(now) or 0.0)
        if due > now:
            return

        def move(connection: Connection) -> None:
            if read_mark(connection, known, "schedule") != (what, due):
                raise Done
            write_mark(connection, known, "schedule", what, schedule.after(now) or 0.0)

        try:
            await self._begin(known, known.agent.input or "Begin.", "schedule", move)
        except GuruError:
            await self._database.write(move)  # not again every second
            raise

    async def _by_document(self, known: Known, collection: str) -> None:
        """Documents with an access list are left out: nobody is there who was let in to them."""
        first = await self._mark(known, "first document", collection, self._now())
        since = await self._mark(known, "document", collection, first)
        after = max(first, since - LATE)
        found = await self._database.read(lambda connection: new_documents(connection, known, collection, after))
        for document in found:

            def claim(connection: Connection, document: NewDocument = document) -> None:
                if seen(connection, known, document.cause):
                    raise Done
                write_mark(connection, known, "document", collection, max(since, document.ingested_at))

            new = ToolResult(text=f"The document {document.name!r} of the collection {collection!r} is new.")
            told = marked(new, "documents")
            try:
                await self._begin(known, f"{known.agent.input}\n\n{told}".strip(), document.cause, claim)
            except Done:
                continue

    async def _mark(self, known: Known, kind: str, what: str, first: float) -> float:
        """Where the mark stands; it is set to `first` where there is none for `what`."""

        def read(connection: Connection) -> float | None:
            found = read_mark(connection, known, kind)
            return found[1] if found is not None and found[0] == what else None

        mark = await self._database.read(read)
        if mark is None:
            await self._database.write(lambda connection: write_mark(connection, known, kind, what, first))
            return first
        return mark

    async def _begin(
        self, known: Known, request: str, cause: str, also: Callable[[Connection], None] | None = None
    ) -> str:
        run = await self._runs.begin(
            known.agent.name, [Message("user", request)], tenant=known.tenant, owner=known.owner, caller=known.caller,
            cause=cause, also=also,
        )  # fmt: skip
        return run.id


def read_mark(connection: Connection, known: Known, kind: str) -> tuple[str, float] | None:
    query = select(agent_marks.c.what, agent_marks.c.mark).where(place_of(known, kind))
    row = connection.execute(query).one_or_none()
    return (row.what, row.mark) if row is not None else None


def write_mark(connection: Connection, known: Known, kind: str, what: str, mark: float) -> None:
    connection.execute(delete(agent_marks).where(place_of(known, kind)))
    row = {"tenant": known.tenant, "agent": known.agent.name, "kind": kind, "what": what, "mark": mark}
    connection.execute(insert(agent_marks).values(row))


def place_of(known: Known, kind: str) -> ColumnElement[bool]:
    return and_(marks_of(known), agent_marks.c.kind == kind)


def marks_of(known: Known) -> ColumnElement[bool]:
    return and_(agent_marks.c.tenant == known.tenant, agent_marks.c.agent == known.agent.name)


def new_documents(connection: Connection, known: Known, collection: str, after: float) -> list[NewDocument]:
    """Those that came after a moment, the oldest first, that the agent has not been started for."""
    rows = connection.execute(
        select(documents.c.id, documents.c.name, documents.c.content_hash, documents.c.ingested_at)
        .join(collections, collections.c.id == documents.c.collection_id)
        .where(
            documents.c.tenant == known.tenant, collections.c.tenant == known.tenant, collections.c.name == collection,
            documents.c.ingested_at > after,
            ~exists().where(document_access.c.document_id == documents.c.id),
        )
        .order_by(documents.c.ingested_at)
    ).all()  # fmt: skip
    new: list[NewDocument] = []
    for start in range(0, len(rows), MOST_NAMES):
        causes = {f"document:{row.id}:{row.content_hash[:16]}": row for row in rows[start : start + MOST_NAMES]}
        ran = select(agent_runs.c.cause).where(runs_of(known), agent_runs.c.cause.in_(causes))
        removed = select(agent_marks.c.kind).where(marks_of(known), agent_marks.c.kind.in_(causes))
        done = {*connection.scalars(ran), *connection.scalars(removed)}
        new += [
            NewDocument(name=row.name, cause=cause, ingested_at=row.ingested_at)
            for cause, row in causes.items()
            if cause not in done
        ]
        if len(new) >= PORTION:
            break
    return new[:PORTION]


def seen(connection: Connection, known: Known, cause: str) -> bool:
    """Whether there is a run for it, or was one that is removed."""
    ran = exists().where(runs_of(known), agent_runs.c.cause == cause)
    return bool(connection.scalar(select(or_(ran, exists().where(place_of(known, cause))))))


def runs_of(known: Known) -> ColumnElement[bool]:
    return and_(agent_runs.c.tenant == known.tenant, agent_runs.c.agent == known.agent.name)
