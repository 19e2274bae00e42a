"""Batches: many requests handed in as a file, answered when there is time, handed back as files.

A batch is a job. It goes on after a kill: lines that are finished are rows, and only the others are asked again.
Spec: https://platform.openai.com/docs/api-reference/batch.
"""

from __future__ import annotations

import re
import time
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, func, insert, select, update

from guru.config import Settings
from guru.errors import Conflict, InvalidParameter, NotFound
from guru.gateway.batches.ending import end_batch
from guru.gateway.batches.files import Files, Page, find_file, page
from guru.gateway.batches.lines import ENDPOINTS
from guru.gateway.batches.run import ENDED, KIND, BatchRunner
from guru.gateway.identity import Caller
from guru.store.ids import new_id
from guru.store.jobs import Jobs
from guru.store.scope import Scope
from guru.store.tables import batch_lines, batches

JSON = dict[str, Any]
WINDOW: Final = re.compile(r"(\d{1,3})([hd])")
LONGEST: Final = 14 * 86400
MOST: Final = 32
"""Batches that are under way at a time, each with a heartbeat in the database. Most of them wait for a provider;
`[batches] at_once` is for those that ask here."""
TIMES: Final = (
    "created_at", "in_progress_at", "finalizing_at", "completed_at", "failed_at", "cancelling_at", "cancelled_at",
    "expires_at", "expired_at",
)  # fmt: skip


class BatchErrors(Struct):
    data: list[JSON]
    """Each with `code`, `message`, `param` and `line`."""
    object: str = "list"


class Batch(Struct, kw_only=True):
    """A batch as OpenAI shows it. Times are seconds since 1970."""

    id: str
    object: str = "batch"
    endpoint: str
    errors: BatchErrors | None
    input_file_id: str
    completion_window: str
    status: str
    """validating, in_progress, finalizing, completed, failed, expired, cancelling or cancelled."""
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    expires_at: int | None
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: dict[str, int]
    """total, completed and failed."""
    metadata: dict[str, str] | None


class Batches:
    """The batches of everybody."""

    def __init__(self, files: Files, jobs: Jobs, runner: BatchRunner) -> None:
        self._database = files.database
        self.files = files
        self._jobs = jobs
        self.runner = runner
        jobs.handle(KIND, runner.run, at_once=MOST)

    def reload(self, settings: Settings) -> None:
        """Follow `[batches]` of a new configuration."""
        self.runner.reload(settings.batches)

    async def create(
        self, caller: Caller, endpoint: str, file_id: str, *, window: str = "24h",
        metadata: dict[str, str] | None = None, output_seconds: int | None = None,
    ) -> Batch:  # fmt: skip
        """Hand in the lines of a file. Raises `InvalidParameter` and `NotFound`."""
        if endpoint not in ENDPOINTS:
            hint = f"Use one of {', '.join(ENDPOINTS)}."
            raise InvalidParameter(f"`endpoint` is {endpoint!r}.", param="endpoint", hint=hint)
        seconds, now = window_seconds(window), time.time()
        kept = msgspec.to_builtins(caller)
        for name in ("trace_id", "route", "headers"):
            kept.pop(name, None)
        row = {
            "id": new_id("batch"), "tenant": caller.tenant, "owner": caller.person, "endpoint": endpoint,
            "input_file_id": file_id, "completion_window": window, "status": "validating", "caller": kept,
            "metadata": metadata, "output_seconds": output_seconds, "created_at": now, "expires_at": now + seconds,
        }  # fmt: skip

        def write(connection: Connection) -> None:
            file = find_file(connection, caller.visible, file_id)
            if file.purpose != "batch":
                message = f"The file {file_id} is for {file.purpose!r}."
                raise InvalidParameter(message, param="input_file_id", hint='Upload it with purpose="batch".')
            connection.execute(insert(batches).values(row))

        await self._database.write(write)
        job = await self._jobs.submit(caller.tenant, KIND, {"batch": row["id"]}, person=caller.person)
        named = update(batches).where(batches.c.id == row["id"]).values(job_id=job.id)
        await self._database.write(lambda connection: connection.execute(named))
        return await self.get(caller.private, str(row["id"]))

    async def get(self, scope: Scope, batch_id: str) -> Batch:
        """Raises `NotFound`."""
        row = await self._database.read(lambda connection: find_batch(connection, scope, batch_id))
        if row.status not in ENDED and await self._end_orphan(row):
            row = await self._database.read(lambda connection: find_batch(connection, scope, batch_id))
        return await self._database.read(lambda connection: to_batch(connection, row))

    async def list(self, scope: Scope, *, limit: int = 20, after: str | None = None) -> Page:
        """The newest first. Raises `InvalidParameter` for an unknown `after`."""
        query = select(batches).where(scope.of(batches))

        def read(connection: Connection) -> Page:
            rows = page(connection, query, batches, limit=limit, order="desc", after=after)
            return Page([to_batch(connection, row) for row in rows[:limit]], len(rows) > limit)

        return await self._database.read(read)

    async def cancel(self, scope: Scope, batch_id: str) -> Batch:
        """Ask no more lines; the answers that are there can be fetched. Raises `Conflict` when it has ended."""
        batch = await self.get(scope, batch_id)
        if batch.status in ENDED:
            raise Conflict(f"The batch {batch_id} is {batch.status} already.")
        change = (
            update(batches)
            .where(batches.c.id == batch_id, batches.c.status.not_in((*ENDED, "cancelling")))
            .values(status="cancelling", cancelling_at=time.time())
        )
        await self._database.write(lambda connection: connection.execute(change))
        row = await self._database.read(lambda connection: find_batch(connection, scope, batch_id))
        if row.job_id is None:  # the process died before it had queued it
            await end_batch(self.files, row, "cancelled")
        # One that is at a provider sees it by itself: what was answered there is fetched yet.
        elif row.provider is None and not (await self._jobs.get(scope.tenant, row.job_id)).ended:
            await self._jobs.cancel(scope.tenant, row.job_id)
        return await self.get(scope, batch_id)

    async def _end_orphan(self, row: Row[Any]) -> bool:
        """End a batch whose job ended without it: it was still waiting, or its process died too often."""
        if row.job_id is None:
            return False
        job = await self._jobs.get(row.tenant, row.job_id)
        if job.status == "cancelled" and row.provider is not None:
            await self._stop_at_provider(row)
            return False
        if job.status == "cancelled":
            await end_batch(self.files, row, "cancelled")
        elif job.status == "failed":
            await end_batch(self.files, row, "failed", [{"code": "failed", "message": job.error or "", "line": None}])
        return job.status in ("cancelled", "failed")

    async def _stop_at_provider(self, row: Row[Any]) -> None:
        """Somebody cancelled the job and not the batch: another one cancels that, and fetches what is there."""
        job = await self._jobs.submit(row.tenant, KIND, {"batch": row.id}, person=row.owner)
        mine = (batches.c.id == row.id, batches.c.job_id == row.job_id)
        change = update(batches).where(*mine).values(status="cancelling", cancelling_at=time.time(), job_id=job.id)
        await self._database.write(lambda connection: connection.execute(change))


def window_seconds(window: str) -> int:
    """Seconds of `24h` or `7d`. Raises `InvalidParameter`."""
    found = WINDOW.fullmatch(window)
    seconds = int(found[1]) * (3600 if found[2] == "h" else 86400) if found else 0
    if not 3600 <= seconds <= LONGEST:
        message = f"`completion_window` is {window!r}."
        raise InvalidParameter(message, param="completion_window", hint="Use 1h to 336h, or 1d to 14d.")
    return seconds


def find_batch(connection: Connection, scope: Scope, batch_id: str) -> Row[Any]:
    """Raises `NotFound`."""
    query = select(batches).where(scope.of(batches), batches.c.id == batch_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"There is no batch {batch_id!r}.", param="batch_id")
    return row


def to_batch(connection: Connection, row: Row[Any]) -> Batch:
    completed, failed = row.completed, row.failed
    if completed is None:
        count = select(func.count(), func.coalesce(func.sum(batch_lines.c.succeeded), 0))
        lines, completed = connection.execute(count.where(batch_lines.c.batch_id == row.id)).one()
        failed = lines - completed
    times: Any = {name: None if (at := getattr(row, name)) is None else int(at) for name in TIMES}
    return Batch(
        id=row.id, endpoint=row.endpoint, input_file_id=row.input_file_id, completion_window=row.completion_window,
        status=row.status, output_file_id=row.output_file_id, error_file_id=row.error_file_id, metadata=row.metadata,
        errors=None if row.errors is None else BatchErrors(row.errors),
        request_counts={"total": row.total, "completed": completed, "failed": failed or 0},
        **times,
    )  # fmt: skip
