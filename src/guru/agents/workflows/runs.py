"""Runs and their steps as rows. Whoever carries a run out writes under an epoch: who lost it writes nothing more."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Text, and_, cast, delete, exists, insert, or_, select, update

from guru.agents.workflows.parking import end_agents, released
from guru.agents.workflows.records import ENDED, OPEN, Ask, Attempt, Run, StepRow
from guru.agents.workflows.work import Note
from guru.errors import Conflict, NotFound
from guru.store.database import Database
from guru.store.jobs import ENDED as JOB_ENDED
from guru.store.jobs import queue_job
from guru.store.scope import Scope
from guru.store.tables import jobs, workflow_runs, workflow_steps
from guru.types import JSON

Result = TypeVar("Result")
JOB: Final = "workflow"
RUN_COLUMNS = [workflow_runs.c[name] for name in Run.__struct_fields__]
STEP_COLUMNS = [workflow_steps.c[name] for name in StepRow.__struct_fields__]
LARGE: Final = ("definition", "input", "output", "caller")


class Superseded(Exception):
    """Somebody else has taken the run up, or ended it."""


class RunStore:
    """The runs of every tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ------------------------------------------------------------------ for everybody

    async def create(self, run: Run) -> None:
        """Keep a run and the job that carries it out, in one transaction."""
        row = {name: getattr(run, name) for name in Run.__struct_fields__}

        def write(connection: Connection) -> None:
            job = queue_job(connection, run.tenant, JOB, {"run": run.id}, person=run.owner)
            connection.execute(insert(workflow_runs).values({**row, "job_id": job}))

        await self._database.write(write)

    async def get(self, scope: Scope, run_id: str) -> Run:
        """Raises `NotFound`."""
        query = select(*RUN_COLUMNS).where(scope.of(workflow_runs), workflow_runs.c.id == run_id)
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            raise no_run(run_id)
        return Run(**row._mapping)

    async def list(
        self, visible: ColumnElement[bool], *, workflow: str | None = None, status: str | None = None, limit: int = 50,
        before: str | None = None,
    ) -> Sequence[Run]:  # fmt: skip
        """The newest first, without what is large in them. `before` is the id of the last one seen."""
        columns = [column for column in RUN_COLUMNS if column.name not in LARGE]
        query = select(*columns).where(visible).order_by(workflow_runs.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(workflow_runs.c.id < before)
        if workflow is not None:
            query = query.where(workflow_runs.c.workflow == workflow)
        if status is not None:
            query = query.where(workflow_runs.c.status == status)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [Run(**row._mapping, definition={}, input=None, output=None, caller={}) for row in rows]

    async def steps(self, tenant: str, run_id: str, *, contents: bool = True) -> Sequence[StepRow]:
        """In the order in which they began; without `contents`, what went in and came out is left out."""
        columns = STEP_COLUMNS if contents else [c for c in STEP_COLUMNS if c.name not in LARGE]
        mine = (workflow_steps.c.tenant == tenant, workflow_steps.c.run_id == run_id)
        query = select(*columns).where(*mine).order_by(workflow_steps.c.started_at, workflow_steps.c.path)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [to_step(row) for row in rows]

    async def step(self, tenant: str, run_id: str, path: str) -> StepRow:
        """Raises `NotFound`."""
        mine = (workflow_steps.c.tenant == tenant, workflow_steps.c.run_id == run_id, workflow_steps.c.path == path)
        query = select(*STEP_COLUMNS).where(*mine)
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            raise NotFound(f"The run has no step {path!r} yet.", hint="The run itself lists its steps.")
        return to_step(row)

    async def changes(self, tenant: str, run_id: str) -> int | None:
        """A number that is another one whenever something has changed."""
        mine = (workflow_runs.c.tenant == tenant, workflow_runs.c.id == run_id)
        query = select(workflow_runs.c.changes).where(*mine)
        return await self._database.read(lambda connection: connection.scalar(query))

    async def cancel(self, tenant: str, run_id: str) -> str | None:
        """End a run as it is; returns its job. Raises `Conflict` where it has ended."""

        def write(connection: Connection) -> str | None:
            run = self._locked(connection, tenant, run_id)
            if run.status in ENDED:
                raise Conflict(f"The run {run_id} is {run.status} already.")
            now = time.time()
            change = {"status": "cancelled", "epoch": run.epoch + 1, "changes": run.changes + 1, "finished_at": now}
            connection.execute(update(workflow_runs).where(workflow_runs.c.id == run_id).values(change | NO_WAKE))
            close_steps(connection, run_id, "", now)
            return str(run.job_id)

        return await self._database.write(write)

    async def resume(self, tenant: str, run_id: str, deadline: float | None) -> None:
        """Do again what failed or was cancelled, as a new job. Raises `Conflict` for a run that has done neither."""

        def write(connection: Connection) -> None:
            run = self._locked(connection, tenant, run_id)
            if run.status not in ("failed", "cancelled"):
                raise Conflict(f"The run {run_id} is {run.status}.", hint="Only one that failed or was cancelled is.")
            mine = workflow_steps.c.run_id == run_id
            undone = update(workflow_steps).where(mine, workflow_steps.c.status.in_(("failed", "cancelled")))
            fresh: JSON = {
                "error": None,
                "cause": None,
                "finished_at": None,
                "wake_at": None,
                "ask": None,
                "answers": {},
            }
            connection.execute(undone.values(status="again", **fresh))
            deadline_at = None if deadline is None else time.time() + deadline
            change = {"error": None, "cause": None, "finished_at": None, "deadline_at": deadline_at}
            requeue(connection, run, change)

        await self._database.write(write)

    async def answer(self, tenant: str, run_id: str, path: str, accept: Callable[[Ask], JSON]) -> None:
        """Keep what a person says to an open question, and let the run go on.

        `accept` gives what is kept, or raises. Raises `NotFound` and `Conflict`.
        """

        def write(connection: Connection) -> None:
            run = self._locked(connection, tenant, run_id)
            mine = and_(workflow_steps.c.run_id == run_id, workflow_steps.c.path == path)
            row = connection.execute(select(*STEP_COLUMNS).where(mine)).one_or_none()
            if row is None:
                raise NotFound(f"The run has no step {path!r} yet.", hint="The run itself lists its steps.")
            step = to_step(row)
            if run.status in ENDED or step.status != "asked" or step.ask is None:
                raise Conflict(f"The step {path!r} asks nothing.", hint="Somebody may have answered before.")
            answers = step.answers | {step.ask.id: accept(step.ask)}
            connection.execute(update(workflow_steps).where(mine).values(status="answered", answers=answers))
            if run.status == "waiting":
                requeue(connection, run, {})
            else:
                bump = update(workflow_runs).where(workflow_runs.c.id == run_id)
                connection.execute(bump.values(changes=run.changes + 1))

        await self._database.write(write)

    def _locked(self, connection: Connection, tenant: str, run_id: str) -> Row[Any]:
        mine = (workflow_runs.c.tenant == tenant, workflow_runs.c.id == run_id)
        row = connection.execute(select(*RUN_COLUMNS).where(*mine).with_for_update()).one_or_none()
        if row is None:
            raise no_run(run_id)
        return row

    # ------------------------------------------------------------------ for whoever carries it out

    async def take(self, tenant: str, run_id: str, job_id: str) -> Run | None:
        """The run, for the job that it waits for; None where another one has it, or it has ended."""

        def write(connection: Connection) -> Run | None:
            mine = and_(workflow_runs.c.tenant == tenant, workflow_runs.c.id == run_id)
            row = connection.execute(select(*RUN_COLUMNS).where(mine).with_for_update()).one_or_none()
            if row is None or row.job_id != job_id or row.status not in ("queued", "running"):
                return None
            change: JSON = {"status": "running", "epoch": row.epoch + 1, "changes": row.changes + 1}
            change |= {"started_at": row.started_at or time.time(), **NO_WAKE}
            connection.execute(update(workflow_runs).where(mine).values(change))
            return Run(**{**row._mapping, **change})

        return await self._database.write(write)

    async def fenced(self, run: Run, work: Callable[[Connection], Result], **change: Any) -> Result:
        """Do `work` and change the run in one transaction, if nobody else has taken it up. Raises `Superseded`."""

        def write(connection: Connection) -> Result:
            fence(connection, run, **change)
            return work(connection)

        return await self._database.write(write)

    async def put_step(self, run: Run, step: StepRow, size: int) -> None:
        """Write a step as it is; `size` is what the run holds now, in bytes."""
        row = {**{name: getattr(step, name) for name in StepRow.__struct_fields__}, "run_id": run.id}
        row |= {"tenant": run.tenant, "attempts": msgspec.to_builtins(step.attempts)}
        row["ask"] = msgspec.to_builtins(step.ask)
        mine = and_(workflow_steps.c.run_id == run.id, workflow_steps.c.path == step.path)

        def write(connection: Connection) -> None:
            # What somebody answered meanwhile stays: rows are replaced by who carries the run out, answers are not.
            kept = connection.scalar(select(workflow_steps.c.answers).where(mine))
            if kept is None:
                connection.execute(insert(workflow_steps).values(row))
            else:
                connection.execute(update(workflow_steps).where(mine).values({**row, "answers": kept | step.answers}))

        await self.fenced(run, write, bytes=size)

    def note_agent(self, run: Run, path: str) -> Note:
        """Keeps the run of an agent that a step begins, in the transaction that begins it."""

        def note(connection: Connection, agent_run: str) -> None:
            fence(connection, run)
            step = and_(workflow_steps.c.run_id == run.id, workflow_steps.c.path == path)
            connection.execute(update(workflow_steps).where(step).values(agent_run=agent_run))

        return note

    async def end_agent(self, run: Run, path: str) -> None:
        """Cancel the run of an agent that a step has begun, and has given up on."""
        step = and_(workflow_steps.c.run_id == run.id, workflow_steps.c.path == path)
        await self.fenced(run, lambda connection: end_agents(connection, step))

    async def close_steps(self, run: Run, prefix: str) -> None:
        """Mark the open steps within one as broken off."""
        await self.fenced(run, lambda connection: close_steps(connection, run.id, prefix, time.time()))

    async def answered(self, run: Run, paths: Sequence[str]) -> dict[str, dict[str, JSON]]:
        """The answers of those of these steps that somebody has answered, and of those whose agent goes on."""
        mine = (workflow_steps.c.run_id == run.id, workflow_steps.c.tenant == run.tenant)
        query = select(workflow_steps.c.path, workflow_steps.c.answers)
        query = query.where(*mine, workflow_steps.c.path.in_(paths), told())
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {row.path: row.answers for row in rows}

    async def suspend(self, run: Run, wake_at: float | None) -> None:
        """Put a run down until a time or an answer; one that was answered a moment ago is queued at once."""

        def write(connection: Connection) -> None:
            answered = and_(workflow_steps.c.run_id == run.id, workflow_steps.c.tenant == run.tenant, told())
            if connection.scalar(select(exists().where(answered))):
                mine = select(*RUN_COLUMNS).where(workflow_runs.c.id == run.id)
                requeue(connection, connection.execute(mine).one(), {})

        await self.fenced(run, write, status="waiting", wake_at=wake_at)

    async def finish(self, run: Run, status: str, *, output: Any = None, error: str | None = None,
                     cause: str | None = None) -> None:  # fmt: skip
        now = time.time()
        ending: JSON = {"status": status, "output": output, "error": error, "cause": cause, "finished_at": now}
        await self.fenced(run, lambda connection: close_steps(connection, run.id, "", now), **ending | NO_WAKE)

    # ------------------------------------------------------------------ for the clock

    async def wake(self, now: float) -> tuple[int, float | None]:
        """Queue the runs whose time has come, or an agent of which goes on, and end those whose job is gone; how many,
        and when the next is due."""

        def write(connection: Connection) -> int:
            woken = 0
            for row in connection.execute(select(*RUN_COLUMNS).where(due(now))).all():
                locked = select(*RUN_COLUMNS).where(due(now), workflow_runs.c.id == row.id)
                if (run := connection.execute(locked.with_for_update()).one_or_none()) is not None:
                    requeue(connection, run, {})
                    woken += 1
            for run in abandoned(connection):
                cause = run.job_error or f"Its job is {run.job_status}."
                change = {"status": "failed", "error": "States.Runtime", "cause": cause, "finished_at": now}
                change |= {"epoch": run.epoch + 1, "changes": run.changes + 1}
                connection.execute(update(workflow_runs).where(workflow_runs.c.id == run.id).values(change))
                close_steps(connection, run.id, "", now)
            return woken

        def look(connection: Connection) -> tuple[bool, float | None]:
            waiting = workflow_runs.c.status == "waiting"
            query = select(workflow_runs.c.wake_at).where(waiting, workflow_runs.c.wake_at.is_not(None))
            soonest = connection.scalar(query.order_by(workflow_runs.c.wake_at).limit(1))
            past = soonest is not None and soonest <= now
            goes_on = exists().where(waiting, has_released())
            return past or bool(connection.scalar(select(goes_on)) or abandoned(connection)), soonest

        work, soonest = await self._database.read(look)
        return (await self._database.write(write), None) if work else (0, soonest)


def fence(connection: Connection, run: Run, **change: Any) -> None:
    """Change a run, if nobody else has taken it up. Raises `Superseded`, so that nothing of the transaction is done."""
    mine = and_(workflow_runs.c.id == run.id, workflow_runs.c.epoch == run.epoch)
    values = {"changes": workflow_runs.c.changes + 1, **change}
    if not connection.execute(update(workflow_runs).where(mine).values(values)).rowcount:
        raise Superseded


NO_WAKE: Final[JSON] = {"wake_at": None}


def due(now: float) -> ColumnElement[bool]:
    """The condition on runs that were put down, and go on: for their time has come, or an agent of theirs goes on."""
    return and_(workflow_runs.c.status == "waiting", or_(workflow_runs.c.wake_at <= now, has_released()))


def has_released() -> ColumnElement[bool]:
    return workflow_runs.c.id.in_(select(workflow_steps.c.run_id).where(released()))


def told() -> ColumnElement[bool]:
    """The condition on steps that a person has answered, or has let the agent of go on."""
    return or_(workflow_steps.c.status == "answered", released())


def abandoned(connection: Connection) -> Sequence[Any]:
    """Runs that are to be carried out by a job that has ended without ending them."""
    mine = and_(workflow_runs.c.job_id == jobs.c.id, workflow_runs.c.tenant == jobs.c.tenant)
    columns = (workflow_runs.c.id, workflow_runs.c.epoch, workflow_runs.c.changes)
    query = select(*columns, jobs.c.error.label("job_error"), jobs.c.status.label("job_status")).join(jobs, mine)
    query = query.where(workflow_runs.c.status.in_(("queued", "running")), jobs.c.status.in_(JOB_ENDED))
    return connection.execute(query).all()


def requeue(connection: Connection, run: Row[Any], change: JSON) -> None:
    """A new job for a run; the one before it leaves no row behind."""
    old = and_(jobs.c.id == run.job_id, jobs.c.tenant == run.tenant, jobs.c.status.in_(JOB_ENDED))
    connection.execute(delete(jobs).where(old))
    job = queue_job(connection, run.tenant, JOB, {"run": run.id}, person=run.owner)
    values = {"status": "queued", "job_id": job, "changes": workflow_runs.c.changes + 1, **NO_WAKE, **change}
    connection.execute(update(workflow_runs).where(workflow_runs.c.id == run.id).values(values))


def close_steps(connection: Connection, run_id: str, prefix: str, now: float) -> None:
    """Mark the open steps under a prefix as broken off, and end their agents."""
    mine = and_(workflow_steps.c.run_id == run_id, workflow_steps.c.status.in_(OPEN))
    if prefix:
        mine = and_(mine, workflow_steps.c.path.startswith(prefix, autoescape=True))
    end_agents(connection, mine)
    connection.execute(update(workflow_steps).where(mine).values(status="cancelled", finished_at=now, wake_at=None))


def visible_runs(scope: Scope) -> ColumnElement[bool]:
    """Those that somebody may see: their own, and those that ask them something."""
    mine = scope.of(workflow_runs)
    if scope.names is None:
        return mine
    asked = select(workflow_steps.c.run_id).where(
        workflow_steps.c.tenant == scope.tenant, workflow_steps.c.status == "asked", names_in(scope.names)
    )
    return or_(mine, and_(workflow_runs.c.tenant == scope.tenant, workflow_runs.c.id.in_(asked)))


def names_in(names: Sequence[str]) -> ColumnElement[bool]:
    """Whether the list of people of a question has one of these names, as the column holds its JSON."""
    text = cast(workflow_steps.c.ask, Text)
    return or_(*(text.contains(json.dumps(name), autoescape=True) for name in names))


def to_step(row: Row[Any]) -> StepRow:
    values = dict(row._mapping)
    values["attempts"] = msgspec.convert(values["attempts"], list[Attempt])
    values["ask"] = msgspec.convert(values["ask"], Ask | None)
    return StepRow(**values)


def no_run(run_id: str) -> NotFound:
    return NotFound(f"There is no run {run_id!r} of a workflow.", hint="`guru workflow runs` lists them.")
