"""Keeps traces: journal first, rows soon after, in batches.

Nothing is dropped. When rows cannot be written as fast as requests end, the queue in memory stays bounded and the
rest waits in the journal, from where it is read when the queue is empty again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, or_, select

from guru.errors import NotFound
from guru.observe import journal
from guru.observe.journal import Begun, Segment
from guru.observe.spans import Trace, TraceRecord
from guru.store.bulk import insert_tuples
from guru.store.database import Database
from guru.store.scope import Scope
from guru.store.tables import traces

OnSave = Callable[[Connection, list[TraceRecord]], None]
log = logging.getLogger(__name__)

QUEUE = 4096
BATCH = 256
PAUSE = 0.25
"""Seconds between batches: a request does not pay for the disk."""
SUMMARY = (
    traces.c.id, traces.c.route, traces.c.requested, traces.c.model, traces.c.key, traces.c.team, traces.c.user,
    traces.c.tags, traces.c.cache, traces.c.variant, traces.c.status, traces.c.error, traces.c.started_at,
    traces.c.duration, traces.c.first_token, traces.c.prompt_tokens, traces.c.completion_tokens, traces.c.cost,
    traces.c.preview, traces.c.calls,
)  # fmt: skip


class Tracer:
    """Begins, ends, keeps and finds traces."""

    def __init__(self, database: Database, home: Path, *, days: int | None = None) -> None:
        """Traces are deleted after `days`; None keeps them."""
        self.on_save: list[OnSave] = []
        """Called in the transaction that makes rows of traces, with those that were no rows before: what is derived
        from traces there counts each of them exactly once, whenever the process dies."""
        self.on_end: list[Callable[[TraceRecord], None]] = []
        """Called with every trace as it ends; must be quick."""
        self._database = database
        self._folder = home / "journal"
        self._segment: Segment | None = None
        self._segments: dict[Path, Segment] = {}
        self._homes: dict[str, Segment] = {}  # where an open trace began
        self._queue: deque[tuple[TraceRecord, Segment]] = deque()
        self._wake = asyncio.Event()
        self._days = days
        self._saving = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def waiting(self) -> int:
        """How many ended traces are not yet rows."""
        return sum(len(segment.pending) for segment in self._segments.values()) - len(self._homes)

    @property
    def running(self) -> int:
        """How many traces have begun and not ended."""
        return len(self._homes)

    async def open(self) -> None:
        """Replay what dead processes left, and begin to write."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for segment in await asyncio.to_thread(lambda: list(journal.left_behind(self._folder, set(self._segments)))):
            records = await asyncio.to_thread(journal.read_all, segment.path)
            await self._replay(records.values())
            segment.remove()
        self._tasks = [asyncio.create_task(self._write_behind()), asyncio.create_task(self._forget())]

    async def close(self) -> None:
        """Make rows of everything that has ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.flush()
        for segment in self._segments.values():
            if segment.pending:
                segment.close()
            else:
                segment.remove()
        self._segments.clear()
        self._segment = None

    def begin(self, trace_id: str, tenant: str, route: str) -> Trace:
        """A new trace, on disk before anybody hears of it."""
        trace = Trace(trace_id, tenant, route)
        segment = self._current()
        segment.pending.add(trace.id)
        self._homes[trace.id] = segment
        self._append(segment, Begun(id=trace.id, tenant=tenant, route=route, started_at=trace.started_at))
        return trace

    def end(self, trace: Trace) -> TraceRecord:
        """Keep a finished trace. Does not wait, so that it works in a request that is being cancelled."""
        record = trace.record()
        segment = self._homes.pop(trace.id)
        line = self._append(segment, record)
        if line is not None and len(self._queue) >= QUEUE:
            segment.spilled = True
        else:
            self._queue.append((record, segment))
        self._wake.set()
        for told in self.on_end:
            told(record)
        return record

    async def list(
        self, scope: Scope, *, limit: int = 50, before: str | None = None, route: str | None = None
    ) -> list[dict[str, Any]]:
        """The newest first, without their spans. `before` is the id of the last one seen."""
        await self.flush()
        query = select(*SUMMARY).where(seen(scope)).order_by(traces.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(traces.c.id < before)
        if route is not None:
            query = query.where(traces.c.route == route)
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [plain(row) | {"calls": msgspec.json.decode(row["calls"])} for row in rows]

    async def get(self, scope: Scope, trace_id: str) -> dict[str, Any]:
        """A trace with its spans. Raises `NotFound`."""
        await self.flush()

        def find(connection: Connection) -> dict[str, Any] | None:
            found = select(traces).where(seen(scope), traces.c.id == trace_id)
            row = connection.execute(found).mappings().one_or_none()
            if row is None:
                return None
            texts = {name: msgspec.json.decode(row[name]) for name in ("attributes", "calls", "spans")}
            return plain(row) | texts

        trace = await self._database.read(find)
        if trace is None:
            raise NotFound(f"There is no trace {trace_id!r}.", hint="`guru trace list` shows the ones that are kept.")
        return trace

    async def flush(self) -> None:
        """Return when everything that has ended until now is a row. What ends meanwhile is left to the next time."""
        async with self._saving:
            ended = len(self._queue)
            while ended > 0:
                batch = [self._queue[index] for index in range(min(BATCH, len(self._queue)))]
                ended -= len(batch)
                await self._save([record for record, _ in batch])
                for _ in batch:
                    self._queue.popleft()
                self._settle_segments()
            for segment in [segment for segment in self._segments.values() if segment.spilled]:
                segment.spilled = False
                found = await asyncio.to_thread(journal.read_ended, segment.path)
                await self._replay([record for record in found.values() if record.id in segment.pending])
                self._settle_segments()

    async def _write_behind(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(PAUSE)
            self._wake.clear()
            try:
                await self.flush()
            except Exception:
                log.exception("traces could not be written; they wait in %s", self._folder)
                self._wake.set()

    async def _forget(self) -> None:
        if self._days is None:
            return
        while True:
            try:
                await self.prune(time.time() - self._days * 86_400)
            except Exception:
                log.exception("old traces could not be deleted")
            await asyncio.sleep(3600)

    async def _replay(self, records: Iterable[TraceRecord]) -> None:
        """Make rows of traces of which some may be rows already."""
        waiting = list(records)
        for start in range(0, len(waiting), BATCH):
            await self._save(waiting[start : start + BATCH], replayed=True)

    async def _save(self, records: Sequence[TraceRecord], *, replayed: bool = False) -> None:
        if not records:
            return

        def save(connection: Connection) -> None:
            new = unknown(connection, records) if replayed else list(records)
            if new:
                insert_tuples(connection, traces, [to_row(record) for record in new])
                for told in self.on_save:
                    told(connection, new)

        await self._database.write(save, beside=True)
        saved = {record.id for record in records}
        for segment in self._segments.values():
            segment.pending -= saved

    async def prune(self, before: float) -> int:
        """Delete the traces that began before a moment (seconds since 1970); how many there were."""
        old = select(traces.c.id).where(traces.c.started_at < before).limit(BATCH)
        removed = 0
        while True:
            count = await self._database.write(lambda c: c.execute(delete(traces).where(traces.c.id.in_(old))).rowcount)
            removed += count
            if count < BATCH:
                return removed

    def _settle_segments(self) -> None:
        """Drop what is rows: a whole segment, or the content of the one in use."""
        for path, segment in list(self._segments.items()):
            if segment.pending:
                continue
            if segment is self._segment:
                segment.forget()
            else:
                segment.remove()
                del self._segments[path]

    def _current(self) -> Segment:
        if self._segment is None or self._segment.size > journal.SEGMENT_BYTES:
            self._segment = journal.new_segment(self._folder)
            self._segments[self._segment.path] = self._segment
        return self._segment

    def _append(self, segment: Segment, record: Begun | TraceRecord) -> bytes | None:
        """The line, or None when the disk refuses: then the trace lives in memory until it is a row."""
        try:
            return segment.append(record)
        except OSError as error:
            log.error("the journal %s cannot be written: %s", segment.path, error)
            return None


def seen(scope: Scope) -> ColumnElement[bool]:
    """The condition on traces: a person's are those of the same key and those of the same user."""
    mine: ColumnElement[bool] = traces.c.tenant == scope.tenant
    if scope.owners is None:
        return mine
    columns = {"user": traces.c.user, "key": traces.c.key}
    named = [name.partition(":") for name in scope.owners]
    same = [columns[kind] == value for kind, colon, value in named if colon]
    return and_(mine, or_(*same) if same else and_(traces.c.key.is_(None), traces.c.user.is_(None)))


def unknown(connection: Connection, records: Sequence[TraceRecord]) -> list[TraceRecord]:
    """Those that are no rows yet."""
    ids = [record.id for record in records]
    known = set(connection.scalars(select(traces.c.id).where(traces.c.id.in_(ids))))
    return [record for record in records if record.id not in known]


def to_row(record: TraceRecord) -> tuple[Any, ...]:
    """The record's values in the order of the table's columns."""
    values = list(_values(record))
    for place in ENCODED:
        values[place] = journal.encoder.encode(values[place]).decode()
    return tuple(values)


COLUMNS = [column.name for column in traces.columns]
ENCODED = [COLUMNS.index(name) for name in ("tags", "attributes", "calls", "spans")]
_values = attrgetter(*COLUMNS)


def plain(row: RowMapping) -> dict[str, Any]:
    """A row with ordinary strings as keys."""
    return {str(name): value for name, value in row.items()}
