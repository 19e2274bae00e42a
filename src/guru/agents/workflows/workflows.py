"""Workflows as a library: kept, checked, begun, answered, resumed, watched; carried out as durable jobs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from guru.agents.workflows.catalogue import Catalogue
from guru.agents.workflows.check import Known, check
from guru.agents.workflows.definition import Workflow, from_plain
from guru.agents.workflows.engine import Engine, Limits
from guru.agents.workflows.reading import Problem, first_problem, read
from guru.agents.workflows.records import Ask, Run, StepRow
from guru.agents.workflows.removing import delete_run
from guru.agents.workflows.runs import JOB, RunStore, Superseded, no_run, visible_runs
from guru.agents.workflows.schemas import problems_of
from guru.agents.workflows.work import WorkAs
from guru.errors import Conflict, InvalidParameter, NotFound, StoreError, TooLarge
from guru.store.database import Database
from guru.store.ids import new_id
from guru.store.jobs import JobRun, Jobs
from guru.store.scope import Scope
from guru.types import JSON

LOOK_EVERY: Final = 1.0
"""Seconds between two looks for runs whose time has come."""
WATCH_EVERY: Final = 0.3
PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0)
"""Seconds before a run is tried again whose rows could not be written."""
log = logging.getLogger(__name__)


class Workflows:
    """The workflows of every tenant."""

    def __init__(
        self, database: Database, jobs: Jobs, work_as: WorkAs, *, limits: Limits | None = None, at_once: int = 16
    ) -> None:
        self.catalogue = Catalogue(database)
        self.runs = RunStore(database)
        self._database = database
        self._jobs = jobs
        self._work_as = work_as
        self._limits = limits or Limits()
        jobs.handle(JOB, self._carry_out, at_once=at_once)

    # ------------------------------------------------------------------ definitions

    async def check(self, plain: JSON, caller: JSON) -> tuple[Workflow | None, list[Problem]]:
        """A definition, and everything that is wrong with it, for what this caller has."""
        workflow, problems = read(plain)
        if workflow is not None:
            work = await self._work_as(caller)
            problems = check(workflow, Known(tools=work.tools, agents=work.agents))
        return workflow, problems

    async def save(self, tenant: str, plain: JSON, caller: JSON, made_by: str) -> tuple[Workflow, int]:
        """Keep a definition; returns it with its version. Raises `InvalidParameter`, which says all that is wrong."""
        workflow, problems = await self.check(plain, caller)
        if workflow is None or problems:
            raise first_problem(problems)
        return workflow, await self.catalogue.save(tenant, workflow, made_by)

    # ------------------------------------------------------------------ runs

    async def begin(
        self, tenant: str, name: str, given: Any, *, owner: str, caller: JSON, version: int | None = None
    ) -> Run:
        """Queue a run. Raises `NotFound`, and `InvalidParameter` for an input that the workflow does not take."""
        saved = await self.catalogue.get(tenant, name, version)
        workflow = from_plain(saved.definition)
        if workflow.input is not None and (problems := problems_of(given, workflow.input)):
            raise InvalidParameter(
                f"The input is not right: {'; '.join(problems)}.", param="input",
                hint=f"`guru workflow show {name}` shows what it takes.",
            )  # fmt: skip
        if len(msgspec.json.encode(given)) > self._limits.data:
            raise TooLarge(f"The input has more than the {self._limits.data:,} bytes that a step may have.")
        now = time.time()
        run = Run(
            id=new_id("run"), tenant=tenant, owner=owner, workflow=name, version=saved.version,
            definition=saved.definition, status="queued", input=given, output=None, error=None, cause=None,
            caller=caller, job_id=None, epoch=0, changes=0, bytes=0, wake_at=None,
            deadline_at=None if workflow.deadline is None else now + workflow.deadline, created_at=now,
            started_at=None, finished_at=None,
        )  # fmt: skip
        await self.runs.create(run)
        self._jobs.wake()
        return await self.runs.get(Scope(tenant), run.id)

    async def find(self, visible: Scope, run_id: str) -> tuple[Run, bool]:
        """A run, and whether it is seen whole; else only what it asks of the viewer. Raises `NotFound`."""
        run = await self.runs.get(Scope(visible.tenant), run_id)
        if visible.owners is None or run.owner in visible.owners:
            return run, True
        if any(asks(step, visible) for step in await self.runs.steps(visible.tenant, run_id, contents=False)):
            return run, False
        raise no_run(run_id)

    async def list(self, visible: Scope, **filters: Any) -> Sequence[Run]:
        """The newest first: those that one may see, and those that ask one something."""
        return await self.runs.list(visible_runs(visible), **filters)

    async def cancel(self, tenant: str, run_id: str) -> Run:
        """End a run; what it has done stays. Raises `Conflict` where it has ended."""
        job = await self.runs.cancel(tenant, run_id)
        if job is not None:
            with contextlib.suppress(Conflict, NotFound):
                await self._jobs.cancel(tenant, job)
        return await self.runs.get(Scope(tenant), run_id)

    async def delete(self, scope: Scope, run_id: str, also: Callable[[Connection, Run], None]) -> None:
        """Remove a run that has ended. `also` is done in the same transaction. Raises `NotFound` and `Conflict`."""
        run = await self.runs.get(scope, run_id)

        def remove(connection: Connection) -> None:
            delete_run(connection, scope, run_id)
            also(connection, run)

        await self._database.write(remove)

    async def resume(self, tenant: str, run_id: str) -> Run:
        """Go on with a run that failed or was cancelled, at what failed. Raises `Conflict`."""
        run = await self.runs.get(Scope(tenant), run_id)
        await self.runs.resume(tenant, run_id, from_plain(run.definition).deadline)
        self._jobs.wake()
        return await self.runs.get(Scope(tenant), run_id)

    async def answer(self, visible: Scope, run_id: str, path: str, answer: JSON, *, by: str) -> Run:
        """Say what a step asks for. Raises `NotFound`, `Conflict`, and `InvalidParameter` for what it does not take."""
        _, whole = await self.find(visible, run_id)
        if not whole and not asks(await self.runs.step(visible.tenant, run_id, path), visible):
            raise NotFound(f"The run has no step {path!r} that asks you something.")
        await self.runs.answer(visible.tenant, run_id, path, lambda ask: accept(ask, answer, by))
        self._jobs.wake()
        return await self.runs.get(Scope(visible.tenant), run_id)

    async def watch(self, tenant: str, run_id: str) -> AsyncGenerator[tuple[Run, Sequence[StepRow]]]:
        """The run with its steps, without their contents, now and whenever it has changed, until it has ended."""
        seen: int | None = None
        while True:
            changes = await self.runs.changes(tenant, run_id)
            if changes is None:
                return
            if changes != seen:
                seen = changes
                run = await self.runs.get(Scope(tenant), run_id)
                yield run, await self.runs.steps(tenant, run_id, contents=False)
                if run.ended:
                    return
            await asyncio.sleep(WATCH_EVERY)

    # ------------------------------------------------------------------ carrying out

    async def _carry_out(self, job: JobRun) -> JSON:
        """The handler of the job: carries a run out until it has ended, or waits."""
        tenant, run_id = job.job.tenant, str(job.job.arguments["run"])
        run = await self.runs.take(tenant, run_id, job.job.id)
        if run is not None:
            with contextlib.suppress(Superseded):
                await self._patiently(run)
        self._jobs.wake()  # a run that was answered a moment ago has another job already
        return {"run": run_id}

    async def _patiently(self, run: Run) -> None:
        """Carry a run out; a database on another machine is away now and then, and comes back."""
        for pause in PAUSES:
            try:
                rows = await self.runs.steps(run.tenant, run.id)
                work = await self._work_as(run.caller)
                await Engine(run, rows, self.runs, work, self._limits).carry_out()
            except StoreError:
                log.exception("the run %s of a workflow could not be written; going on in %s s", run.id, pause)
                await asyncio.sleep(pause)
            else:
                return
        raise StoreError("What the run has done could not be kept.", hint="See that the database answers, then resume.")

    @contextlib.asynccontextmanager
    async def keeping_time(self) -> AsyncIterator[None]:
        """Wake runs whose time has come."""
        clock = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            clock.cancel()
            await asyncio.gather(clock, return_exceptions=True)

    async def _tick(self) -> None:
        while True:
            pause = LOOK_EVERY
            try:
                woken, soonest = await self.runs.wake(time.time())
                if woken:
                    self._jobs.wake()
                if soonest is not None:
                    pause = min(max(soonest - time.time(), 0.01), LOOK_EVERY)
            except (StoreError, OSError):  # a database on another machine is away now and then, and comes back
                log.exception("no waiting workflow could be looked for; trying again in %s s", LOOK_EVERY)
            await asyncio.sleep(pause)


def asks(step: StepRow, visible: Scope) -> bool:
    """Whether a step asks one of these people by name."""
    return step.status == "asked" and step.ask is not None and bool(set(step.ask.people) & set(visible.names or ()))


def accept(ask: Ask, answer: JSON, by: str) -> JSON:
    """What is kept of an answer. Raises `InvalidParameter` for one that is not what was asked for."""
    decision, form = answer.get("decision"), answer.get("form")
    if ask.decisions and decision not in ask.decisions:
        raise InvalidParameter(
            f"The step asks for a decision: {', '.join(ask.decisions)}.", param="decision", hint="Say one of them."
        )
    if not ask.decisions and decision is not None:
        raise InvalidParameter("The step asks for no decision.", param="decision", hint="Leave it out.")
    if ask.form is not None and (problems := problems_of(form, ask.form)):
        raise InvalidParameter(f"The form is not right: {'; '.join(problems)}.", param="form", hint="Fill it in anew.")
    if ask.form is None and form is not None:
        raise InvalidParameter("The step has no form.", param="form", hint="Leave it out.")
    kept: JSON = {"decision": decision, "form": form, "by": by, "at": time.time()}
    return kept | ({"output": answer.get("output")} if ask.id.startswith("unsure") else {})
