"""Work that must survive a restart: a row per job, idempotent handlers, leases instead of locks.

A job is claimed by the process that runs it and kept by a heartbeat. When the process dies the lease runs out
(at once, where it can be seen that the process is gone) and the next runner starts the handler again. A handler
is therefore written so that doing it twice is doing it once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine
from pathlib import Path
from typing import Any, Literal
from weakref import WeakValueDictionary

import psutil
from msgspec import Struct
from sqlalchemy import Connection, Row, and_, insert, or_, select, update

from guru.errors import Conflict, GuruError, NotFound, StoreError
from guru.store.database import Database
from guru.store.ids import new_id
from guru.store.tables import jobs

log = logging.getLogger(__name__)

HEARTBEAT = 1.0
LEASE = 20.0
MAX_ATTEMPTS = 5
Status = Literal["queued", "running", "done", "failed", "cancelled"]
ENDED = ("done", "failed", "cancelled")


class Job(Struct, kw_only=True):
    """A job as it was last seen. Times are seconds since 1970."""

    id: str
    tenant: str
    person: str | None
    kind: str
    subject: str | None
    status: Status
    arguments: dict[str, Any]
    progress: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None
    created_at: float
    started_at: float | None
    finished_at: float | None

    @property
    def ended(self) -> bool:
        return self.status in ENDED


_here: WeakValueDictionary[str, Jobs] = WeakValueDictionary()
"""The runners of this process."""


class JobRun:
    """What a handler is given: the job, and a way to say how far it is."""

    def __init__(self, job: Job, runner: Jobs) -> None:
        self.job = job
        self._runner = runner

    def progress(self, **values: Any) -> None:
        """Update the job's progress; watchers see it at once, the row within a heartbeat."""
        self.job.progress = {**self.job.progress, **values}
        self._runner.announce()


Handler = Callable[[JobRun], Coroutine[Any, Any, dict[str, Any]]]


class Jobs:
    """Submits, runs, watches and cancels jobs. `start` runs them here; without it others may."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._handlers: dict[str, Handler] = {}
        self._at_once: dict[str, int] = {}
        self._owner = f"{process_space()}:{os.getpid()}:{secrets.token_hex(4)}"
        _here[self._owner] = self
        self._changed = asyncio.Condition()
        self._wake = asyncio.Event()
        self._loop_task: asyncio.Task[None] | None = None
        self._running: dict[str, tuple[JobRun, asyncio.Task[dict[str, Any]]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def handle(self, kind: str, handler: Handler, *, at_once: int = 1) -> None:
        """Say what runs jobs of `kind`, and how many of them at a time."""
        self._handlers[kind] = handler
        self._at_once[kind] = at_once

    async def submit(
        self, tenant: str, kind: str, arguments: dict[str, Any], *,
        subject: str | None = None, person: str | None = None, also: Callable[[Connection, str], None] | None = None,
    ) -> Job:  # fmt: skip
        """Queue a job; it is durable when this returns. `person` is whose it is, where it is not everybody's.

        `also` is done in the same transaction, and is given the job's id: neither comes without the other.
        """

        def queue(connection: Connection) -> str:
            made = queue_job(connection, tenant, kind, arguments, subject=subject, person=person)
            if also is not None:
                also(connection, made)
            return made

        made = await self._database.write(queue, beside=also is None)
        self.wake()
        return await self.get(tenant, made)

    def wake(self) -> None:
        """Look for jobs now: some were queued with `queue_job`."""
        self._wake.set()

    async def get(self, tenant: str, job_id: str) -> Job:
        """Raises `NotFound`."""
        if job_id in self._running and (job := self._running[job_id][0].job).tenant == tenant:
            return job
        query = select(jobs).where(jobs.c.tenant == tenant, jobs.c.id == job_id)
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            raise no_job(job_id)
        return to_job(row)

    async def list(
        self, tenant: str, *, subject: str | None = None, people: tuple[str, ...] | None = None, limit: int = 50
    ) -> list[Job]:
        """The newest first. `people`: those that are everybody's, and theirs; None: all."""
        query = select(jobs).where(jobs.c.tenant == tenant).order_by(jobs.c.created_at.desc()).limit(limit)
        if subject is not None:
            query = query.where(jobs.c.subject == subject)
        if people is not None:
            query = query.where(or_(jobs.c.person.is_(None), jobs.c.person.in_(people)))
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [self._running[row.id][0].job if row.id in self._running else to_job(row) for row in rows]

    async def watch(self, tenant: str, job_id: str) -> AsyncGenerator[Job]:
        """The job now, and again whenever it changes, until it has ended."""
        while True:
            job = await self.get(tenant, job_id)
            yield job
            if job.ended:
                return
            # The time-out is for jobs that another process runs: their rows are looked at again.
            async with self._changed:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        await self._changed.wait()

    async def cancel(self, tenant: str, job_id: str) -> Job:
        """Ask a job to stop; a queued one stops at once. What it has finished stays. Raises `Conflict` if ended."""
        job = await self.get(tenant, job_id)
        if job.ended:
            raise Conflict(f"The job {job_id} is {job.status} already.")

        def request(connection: Connection) -> None:
            mine = jobs.c.id == job_id
            connection.execute(update(jobs).where(mine).values(cancel_requested=True))
            queued = and_(mine, jobs.c.status == "queued")
            connection.execute(update(jobs).where(queued).values(status="cancelled", finished_at=time.time()))

        await self._database.write(request, beside=True)
        if job_id in self._running:
            self._running[job_id][1].cancel()
        await self._announce()
        return await self.get(tenant, job_id)

    async def start(self) -> None:
        """Begin to run jobs, those first that a dead process left behind."""
        self._loop_task = asyncio.create_task(self._run_forever())

    @property
    def runs(self) -> bool:
        """Whether it takes jobs."""
        return self._loop_task is not None and not self._loop_task.done()

    async def close(self) -> None:
        """Stop running. A job that had not ended goes back to the queue and is resumed by the next `start`."""
        tasks = [*self._tasks, *([self._loop_task] if self._loop_task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._loop_task = None

    def announce(self) -> None:
        """Tell watchers, soon."""
        self._keep(self._announce())

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _announce(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _run_forever(self) -> None:
        while True:
            self._wake.clear()
            try:
                job = await self._database.write(self._claim, beside=True)
            except Exception:  # a database on another machine is away now and then, and comes back
                log.exception("no job could be looked for; trying again in %s s", HEARTBEAT)
                await asyncio.sleep(HEARTBEAT)
                continue
            if job is not None:
                run = JobRun(job, self)
                task = asyncio.ensure_future(self._handlers[job.kind](run))
                self._running[job.id] = (run, task)
                self._keep(self._run(run, task))
                continue
            with contextlib.suppress(TimeoutError):
                # Not `wait_for`: before Python 3.12 it forgets a cancellation that comes together with the event.
                async with asyncio.timeout(2.0):
                    await self._wake.wait()

    def _claim(self, connection: Connection) -> Job | None:
        """Take the oldest job that nobody has, or whose owner is gone, of a kind that may run one more."""
        now = time.time()
        running = Counter(run.job.kind for run, _ in self._running.values())
        busy = {kind for kind, count in running.items() if count >= self._at_once[kind]}
        query = select(jobs).where(
            jobs.c.kind.in_(self._handlers.keys() - busy),
            or_(jobs.c.status == "queued", jobs.c.status == "running"),
        )
        for seen in connection.execute(query.order_by(jobs.c.created_at)).all():
            if seen.status == "running" and not lease_ended(seen, now, self._owner):
                continue
            # Where others claim at the same time, one of them gets the row, and it is looked at again as it is now.
            locked = query.where(jobs.c.id == seen.id).with_for_update(skip_locked=True)
            row = connection.execute(locked).one_or_none()
            if row is None or (row.status == "running" and not lease_ended(row, now, self._owner)):
                continue
            values: dict[str, Any] = {"owner": self._owner, "heartbeat_at": now, "attempts": row.attempts + 1}
            if row.cancel_requested:
                values = {"status": "cancelled", "finished_at": now}
            elif row.attempts >= MAX_ATTEMPTS:
                error = f"The job was started {row.attempts} times, and each time its process died."
                values = {"status": "failed", "error": error, "finished_at": now}
            else:
                values |= {"status": "running", "started_at": row.started_at or now}
            connection.execute(update(jobs).where(jobs.c.id == row.id).values(values))
            if values.get("status") == "running":
                return to_job(connection.execute(select(jobs).where(jobs.c.id == row.id)).one())
        return None

    async def _run(self, run: JobRun, task: asyncio.Task[dict[str, Any]]) -> None:
        await self._announce()
        heartbeat = asyncio.create_task(self._beat(run, task))
        ending: dict[str, Any]
        try:
            ending = {"status": "done", "result": await asyncio.shield(task)}
        except asyncio.CancelledError:
            closing = not task.done()  # the runner was cancelled, not the job
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            ending = {"status": "queued", "owner": None, "attempts": 0} if closing else {"status": "cancelled"}
            await asyncio.shield(self._finish(run, ending, heartbeat))
            if closing:
                raise
            return
        except GuruError as error:
            ending = {"status": "failed", "error": str(error)}
        except Exception as error:
            log.exception("job %s (%s) failed", run.job.id, run.job.kind)
            ending = {"status": "failed", "error": f"{type(error).__name__}: {error}"}
        await self._finish(run, ending, heartbeat)

    async def _finish(self, run: JobRun, ending: dict[str, Any], heartbeat: asyncio.Task[None]) -> None:
        heartbeat.cancel()
        finished = None if ending["status"] == "queued" else time.time()
        values = {**ending, "progress": run.job.progress, "finished_at": finished}
        change = update(jobs).where(jobs.c.id == run.job.id, jobs.c.owner == self._owner).values(values)
        patience = time.monotonic() + LEASE  # after that, it is taken up again whatever was written
        while True:
            try:
                await self._database.write(lambda connection: connection.execute(change), beside=True)
                break
            except StoreError as error:
                log.error("the end of the job %s could not be written: %s", run.job.id, error)
                if time.monotonic() > patience:
                    break
                await asyncio.sleep(HEARTBEAT)
        self._running.pop(run.job.id, None)
        self._wake.set()
        await self._announce()

    async def _beat(self, run: JobRun, task: asyncio.Task[dict[str, Any]]) -> None:
        """Keep the lease, write the progress down, and see whether somebody elsewhere cancelled the job."""
        mine = and_(jobs.c.id == run.job.id, jobs.c.owner == self._owner)

        def beat(connection: Connection) -> bool:
            values = {"heartbeat_at": time.time(), "progress": run.job.progress}
            kept = connection.execute(update(jobs).where(mine).values(values)).rowcount
            cancelled = connection.scalar(select(jobs.c.cancel_requested).where(mine))
            return bool(kept) and not cancelled

        while True:
            await asyncio.sleep(HEARTBEAT)
            try:
                if await self._database.write(beat, beside=True):
                    continue
            except StoreError as error:
                log.error("the job %s could not say that it runs: %s", run.job.id, error)
                continue
            task.cancel()
            return


def queue_job(
    connection: Connection, tenant: str, kind: str, arguments: dict[str, Any], *,
    subject: str | None = None, person: str | None = None,
) -> str:  # fmt: skip
    """Queue a job in a transaction that does more; returns its id. `Jobs.wake` starts it when that is committed."""
    row = {
        "id": new_id("job"), "tenant": tenant, "person": person, "kind": kind, "subject": subject,
        "status": "queued", "arguments": arguments, "progress": {}, "created_at": time.time(),
    }  # fmt: skip
    connection.execute(insert(jobs).values(row))
    return str(row["id"])


def process_space() -> str:
    """Where the number of a process means one process: this machine since it was started, or a container on it.

    A name alone does not do: containers that share a database may have the same one.
    """
    name = socket.gethostname()
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{name}/{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # no Linux
        return name


def lease_ended(row: Row[Any], now: float, me: str) -> bool:
    """Whether the owner of a running job is known to be gone, or silent for longer than its lease."""
    if row.heartbeat_at is None or now - row.heartbeat_at > LEASE:
        return True
    host, pid, _ = row.owner.rsplit(":", 2)
    my_host, my_pid, _ = me.rsplit(":", 2)
    if host != my_host or row.owner == me:
        return False
    if pid == my_pid:  # of this process, or of one before it that had its number: in a container all have 1
        return row.owner not in _here or not _here[row.owner].runs
    return not psutil.pid_exists(int(pid))


def no_job(job_id: str) -> NotFound:
    return NotFound(f"There is no job {job_id!r}.")


def to_job(row: Row[Any]) -> Job:
    return Job(**{name: getattr(row, name) for name in Job.__struct_fields__})
