"""Runs of agents: begun, watched, paused, edited, resumed, replayed. `carrying.py` has what does them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from guru.agents.agent import Agent
from guru.agents.approvals import OUTSIDE
from guru.agents.carrying import Carrier, Hosts
from guru.agents.live import Live
from guru.agents.mcp.forms import problems, with_defaults
from guru.agents.records import (
    ENDED,
    OPEN,
    Decision,
    Definition,
    RunRecord,
    StepRecord,
    find_run,
    mine,
    mine_step,
    read_asked,
    read_messages,
    read_steps,
)
from guru.agents.registry import Registry
from guru.agents.removing import delete_run
from guru.agents.steps import read_result, write_result
from guru.errors import Conflict, InvalidParameter, NotFound
from guru.store.database import Database
from guru.store.ids import new_id
from guru.store.jobs import ENDED as JOB_ENDED
from guru.store.jobs import Jobs
from guru.store.scope import Scope
from guru.store.tables import agent_runs, agent_steps, jobs
from guru.types import JSON, Message

JOB: Final = "agent"
AT_ONCE: Final = 16
PATIENCE: Final = 15.0
"""Seconds that a leg of a run which is being stopped may take to end."""
LIMITS: Final = ("max_steps", "max_seconds", "max_usd", "max_repeats")


class Runs:
    """The runs of every tenant."""

    def __init__(self, database: Database, jobs: Jobs, registry: Registry, hosts: Hosts) -> None:
        self._database = database
        self._jobs = jobs
        self._registry = registry
        self._hosts = hosts
        self._live = Live()
        self._carrier = Carrier(database, hosts, self._live)
        jobs.handle(JOB, self._carrier.carry, at_once=AT_ONCE)

    # ------------------------------------------------------------------ beginning

    async def begin(
        self, name: str, messages: Sequence[Message], *, tenant: str, owner: str, caller: JSON, cause: str = "person",
        changes: JSON | None = None, also: Callable[[Connection], None] | None = None, run_id: str | None = None,
    ) -> RunRecord:  # fmt: skip
        """Queue a run; it is durable when this returns. `changes` are settings of the agent that hold for this run.
        `also` is done in the same transaction; where it raises, there is no run. `run_id` is what it is to be called.

        Raises `NotFound`, `ModelNotFound` and `InvalidParameter`.
        """
        if not messages or messages[-1].role != "user" or not messages[-1].text.strip():
            raise InvalidParameter("There is nothing to do.", param="input", hint="Say what the agent is to do.")
        definition = await self._registry.definition(tenant, name)
        definition.agent = changed(definition.agent, changes or {})
        return await self._create(
            definition, messages, tenant=tenant, owner=owner, caller=caller, cause=cause, also=also, run_id=run_id
        )

    async def _create(
        self, definition: Definition, messages: Sequence[Message], *, tenant: str, owner: str, caller: JSON,
        cause: str, steps: Sequence[StepRecord] = (), also: Callable[[Connection], None] | None = None,
        run_id: str | None = None,
    ) -> RunRecord:  # fmt: skip
        await self._hosts.check(definition, caller)
        for agent in (definition.agent, *definition.team.values()):
            agent.webhook_key = None
            if agent.prompt is not None:
                agent.prompt, _ = await self._hosts.prompt(agent, tenant)
        row: JSON = {
            "id": run_id or new_id("run"), "tenant": tenant, "owner": owner, "agent": definition.agent.name,
            "caller": caller, "definition": msgspec.to_builtins(definition),
            "messages": msgspec.to_builtins(list(messages)),
            "status": "queued", "cause": cause, "traces": [], "created_at": time.time(), "steps": 0, "tokens": 0,
            "cost": 0.0, "seconds": 0.0,
        }  # fmt: skip

        def create(connection: Connection, job_id: str) -> None:
            if also is not None:
                also(connection)
            connection.execute(insert(agent_runs).values(row | {"job_id": job_id}))
            for step in steps:
                values = msgspec.structs.asdict(step) | {"run_id": row["id"], "tenant": tenant}
                del values["left"]
                connection.execute(insert(agent_steps).values(values))

        await self._jobs.submit(tenant, JOB, {"run": row["id"]}, person=owner, also=create)
        return await self.get(Scope(tenant), row["id"])

    # ------------------------------------------------------------------ looking

    async def get(self, scope: Scope, run_id: str) -> RunRecord:
        """Raises `NotFound`."""
        return await self._with_job(await self._database.read(lambda connection: find_run(connection, scope, run_id)))

    async def show(self, scope: Scope, run_id: str) -> tuple[RunRecord, list[StepRecord]]:
        """A run with its steps. Raises `NotFound`."""

        def read(connection: Connection) -> tuple[RunRecord, list[StepRecord]]:
            return find_run(connection, scope, run_id), read_steps(connection, scope.tenant, run_id)

        run, steps = await self._database.read(read)
        return await self._with_job(run), steps

    async def list(
        self, scope: Scope, *, agent: str | None = None, status: str | None = None, limit: int = 50,
        before: str | None = None,
    ) -> list[RunRecord]:  # fmt: skip
        """The newest first. `before` is the id of the last one seen."""
        query = select(agent_runs).where(scope.of(agent_runs)).order_by(agent_runs.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(agent_runs.c.id < before)
        if agent is not None:
            query = query.where(agent_runs.c.agent == agent)
        if status is not None:
            query = query.where(agent_runs.c.status == status)
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [RunRecord(**{name: row[name] for name in RunRecord.__struct_fields__}) for row in rows]

    async def _with_job(self, run: RunRecord) -> RunRecord:
        """A run whose job was cancelled, or given up as its process died again and again, ended with it."""
        if run.working and run.job_id is not None:
            try:
                job = await self._jobs.get(run.tenant, run.job_id)
            except NotFound:  # the run has another one since it was read, or is removed
                pass
            else:
                if job.status not in ("failed", "cancelled"):
                    return run
                await self._carrier.end(run.tenant, run.id, status=job.status, error=job.error)
            return await self._database.read(lambda connection: find_run(connection, Scope(run.tenant), run.id))
        return run

    async def watch(self, scope: Scope, run_id: str) -> AsyncGenerator[tuple[str, Any]]:
        """`step`s as they change, `delta`s as the model says them, the `answer` as it becomes certain, and `run`, until
        nothing more happens by itself. An `answer` that starts at 0 once more is in the place of the one before.

        Raises `NotFound`.
        """
        seen: dict[tuple[int, int], StepRecord] = {}
        with self._live.watching(run_id) as news:
            while True:
                run, steps = await self.show(scope, run_id)
                for step in steps:
                    if seen.get((step.number, step.part)) != step:
                        seen[step.number, step.part] = step
                        yield "step", step
                if not run.working:
                    for item in news.waiting():  # the run was quicker than this look at its rows
                        yield item
                    if run.answer is not None and (rest := news.rest(run.answer)) is not None:
                        yield rest
                    yield "run", run
                    return
                async for event, data in news.until_changed():
                    yield event, data

    # ------------------------------------------------------------------ what a person can do

    async def pause(self, scope: Scope, run_id: str) -> RunRecord:
        """Stop after the step that is being done. Raises `NotFound` and `Conflict`."""

        def request(connection: Connection) -> None:
            run = find_run(connection, scope, run_id)
            if not run.working:
                raise Conflict(f"The run {run_id} is {run.status}.", hint="Only one that works can be paused.")
            values = {"status": "pausing"}
            connection.execute(update(agent_runs).where(mine(run.tenant, run_id)).values(values))

        await self._database.write(request)
        self._live.changed(run_id)
        return await self.get(scope, run_id)

    async def cancel(self, scope: Scope, run_id: str) -> RunRecord:
        """Stop at once. A call that is being made may or may not be done. Raises `NotFound` and `Conflict`."""

        def request(connection: Connection) -> RunRecord:
            run = find_run(connection, scope, run_id)
            if run.status in ENDED:
                raise Conflict(f"The run {run_id} is {run.status} already.")
            values = {"status": "cancelled", "finished_at": time.time()}
            connection.execute(update(agent_runs).where(mine(run.tenant, run_id)).values(values))
            return run

        run = await self._database.write(request)
        if run.job_id is not None:
            with contextlib.suppress(Conflict, NotFound):  # it has ended
                await self._jobs.cancel(run.tenant, run.job_id)
        self._live.changed(run_id)
        return await self.get(scope, run_id)

    async def delete(self, scope: Scope, run_id: str, also: Callable[[Connection, RunRecord], None]) -> None:
        """Remove a run that has ended, with its steps. `also` is done in the same transaction.

        Raises `NotFound` and `Conflict`.
        """
        run = await self.get(scope, run_id)

        def remove(connection: Connection) -> None:
            delete_run(connection, scope, run_id)
            also(connection, run)

        await self._database.write(remove)

    async def resume(self, scope: Scope, run_id: str, changes: JSON | None = None) -> RunRecord:
        """Go on where it was left, with other limits if `changes` has some. Raises `NotFound` and `Conflict`."""
        run = await self._settled(scope, run_id)
        if run.status == "done":
            raise Conflict(f"The run {run_id} is done.", hint="Do it again: guru agent replay RUN --from STEP")
        definition = msgspec.convert(run.definition, Definition)
        if others := [name for name in changes or {} if name not in LIMITS]:
            raise InvalidParameter(
                f"{others[0]!r} cannot be changed while a run goes on.", param=others[0],
                hint=f"Only limits can: {', '.join(LIMITS)}. For others: guru agent replay",
            )  # fmt: skip
        definition.agent = changed(definition.agent, changes or {})
        return await self._again(run, definition=msgspec.to_builtins(definition))

    async def approve(self, scope: Scope, run_id: str, decisions: dict[tuple[int, int], Decision]) -> RunRecord:
        """Say what becomes of calls that wait, by step and part; the run goes on when nothing waits any more.

        Raises `NotFound`, `Conflict` and `InvalidParameter`.
        """

        def decide(connection: Connection) -> tuple[RunRecord, bool]:
            run, steps = find_run(connection, scope, run_id), read_steps(connection, scope.tenant, run_id)
            waiting = {(step.number, step.part): step for step in steps if step.status in OPEN}
            for place, decision in decisions.items():
                if place not in waiting:
                    raise Conflict(
                        f"Nothing waits at step {place[0]}, part {place[1]}.",
                        hint=f"See what does: guru agent runs {run_id}",
                    )
                check_decision(waiting[place], decision)
                waiting[place].decision = msgspec.to_builtins(decision)
                row = (mine_step(run.tenant, run_id), agent_steps.c.number == place[0], agent_steps.c.part == place[1])
                values = {"decision": waiting[place].decision}
                if decision.arguments is not None:
                    arguments = msgspec.json.encode(decision.arguments).decode()
                    values["request"] = waiting[place].request | {"arguments": arguments}
                still = agent_steps.c.status.in_(OPEN)
                if not connection.execute(update(agent_steps).where(*row, still).values(values)).rowcount:
                    raise Conflict(f"Step {place[0]} does not wait any longer.", hint="See the run.")
            held = [step for step in waiting.values() if step.status == "asking"]
            if not held:
                return run, all(step.decision is not None for step in waiting.values())
            if run.status == "waiting" and all(step.decision is not None for step in held):
                # Whoever keeps the calls open goes on with them.
                waits = (mine(run.tenant, run_id), agent_runs.c.status == "waiting")
                connection.execute(update(agent_runs).where(*waits).values(status="running"))
            return run, False

        run, ready = await self._database.write(decide)
        if ready and run.status == "waiting":
            return await self._again(await self._settled(scope, run_id))
        self._live.changed(run_id)
        return await self.get(scope, run_id)

    async def edit(self, scope: Scope, run_id: str, number: int, part: int, result: JSON) -> RunRecord:
        """Put another result in the place of a step's; what came after it is forgotten. The run is paused then.

        `result` has the members that change, such as `text`. Raises `NotFound`, `Conflict` and `InvalidParameter`.
        """
        run = await self._settled(scope, run_id)

        def change(connection: Connection) -> None:
            steps = read_steps(connection, run.tenant, run_id)
            step = next((step for step in steps if (step.number, step.part) == (number, part)), None)
            if step is None:
                raise NotFound(f"The run {run_id} has no part {part} of step {number}.")
            empty = {"text": "", "option": "", "score": 0.0}
            written = {"type": None} | empty | (step.result or {}) | result
            written["type"] = {"model": "reply", "choice": "chosen", "person": "said", "tool": "returned"}[step.kind]
            try:
                kept = write_result(read_result(step.kind, written))
            except msgspec.ValidationError as error:
                raise InvalidParameter(f"That is no result of a {step.kind}: {error}.", param="result") from None
            here = (mine_step(run.tenant, run_id), agent_steps.c.number == number, agent_steps.c.part == part)
            values = {"status": "done", "result": kept, "ended_at": time.time()}
            connection.execute(update(agent_steps).where(*here).values(values))
            later = (mine_step(run.tenant, run_id), agent_steps.c.number > number)
            connection.execute(delete(agent_steps).where(*later))
            values = {"status": "paused", "answer": None, "error": None, "hint": None, "finished_at": None}
            connection.execute(update(agent_runs).where(mine(run.tenant, run_id)).values(values))

        await self._database.write(change)
        return await self.get(scope, run_id)

    async def replay(
        self, scope: Scope, run_id: str, *, owner: str, caller: JSON, step: int = 1, changes: JSON | None = None,
        input: str | None = None,
    ) -> RunRecord:  # fmt: skip
        """A new run that does what this one did, from `step` on, with other settings of the agent if there are any.

        What was done before `step` is not done again. Raises `NotFound`, `InvalidParameter` and `Conflict`.
        """
        run, steps = await self.show(scope, run_id)
        kept = [item for item in steps if item.number < step]
        if any(item.status != "done" for item in kept) or (step > 1 and step > run.steps + 1):
            raise Conflict(f"The run {run_id} has not come to step {step}.", hint=f"It has come to step {run.steps}.")
        definition = msgspec.convert(run.definition, Definition)
        definition.agent = changed(definition.agent, changes or {})
        messages = read_messages(run.messages)
        if input is not None:
            messages = [*messages[:-1], Message("user", input)]
        # What came from outside stays that, however often it is done again.
        cause = f"{run.cause.partition(':')[0]}:{run_id}" if run.cause.startswith(OUTSIDE) else run_id
        return await self._create(
            definition, messages, tenant=run.tenant, owner=owner, caller=caller, cause=cause, steps=kept
        )

    async def _settled(self, scope: Scope, run_id: str) -> RunRecord:
        """A run that nobody works on, once its last job has ended. Raises `NotFound` and `Conflict`."""
        run = await self.get(scope, run_id)
        if run.working:
            raise Conflict(f"The run {run_id} is {run.status}.", hint=f"Pause it first: guru agent pause {run_id}")
        try:
            async with asyncio.timeout(PATIENCE):
                with contextlib.suppress(NotFound):  # somebody else has let the run go on
                    async for job in self._jobs.watch(run.tenant, run.job_id or ""):
                        if job.ended:
                            break
        except TimeoutError:
            raise Conflict(f"The run {run_id} is still being stopped.", hint="Try again soon.") from None
        return run

    async def _again(self, run: RunRecord, **values: Any) -> RunRecord:
        def queue(connection: Connection, job_id: str) -> None:
            now = find_run(connection, Scope(run.tenant), run.id)
            if now.working:  # somebody else was first
                raise Conflict(f"The run {run.id} is {now.status}.")
            mine_job = (jobs.c.tenant == run.tenant, jobs.c.id == now.job_id, jobs.c.status.in_(JOB_ENDED))
            connection.execute(delete(jobs).where(*mine_job))  # a run has one job at a time, and leaves none behind
            fresh = {"status": "queued", "job_id": job_id, "error": None, "hint": None, "finished_at": None} | values
            connection.execute(update(agent_runs).where(mine(run.tenant, run.id)).values(fresh))

        await self._jobs.submit(run.tenant, JOB, {"run": run.id}, person=run.owner, also=queue)
        return await self.get(Scope(run.tenant), run.id)


def check_decision(step: StepRecord, decision: Decision) -> None:
    """Raises `InvalidParameter` for what is no answer to what a step asks."""
    asked = read_asked(step)
    if asked is None:
        if decision.say == "cancel" or decision.content is not None:
            raise InvalidParameter(
                f"Step {step.number} asks for no form.", param="say", hint="Say `yes`, `no` or `done`."
            )
        return
    if decision.say == "done" or decision.arguments is not None:
        raise InvalidParameter(
            f"Step {step.number} waits for an answer to {asked.question.server}.", param="say",
            hint="Say `yes` with the `content` of its form, `no` or `cancel`.",
        )  # fmt: skip
    if decision.say != "yes":
        decision.content = None
    elif asked.question.schema is not None:
        content = with_defaults(asked.question.schema, decision.content or {})
        unknown = [f"{name!r} is no field." for name in content if name not in asked.question.schema["properties"]]
        if wrong := problems(asked.question.schema, content) + unknown:
            raise InvalidParameter(" ".join(wrong), param="content", hint="Correct the form, or decline it.")
        decision.content = content


def changed(agent: Agent, changes: JSON) -> Agent:
    """The agent with other settings. Raises `InvalidParameter`."""
    if "name" in changes:
        raise InvalidParameter("A run cannot give its agent another name.", param="name", hint="Leave it out.")
    try:
        made = msgspec.convert(msgspec.to_builtins(agent) | changes, Agent)
    except msgspec.ValidationError as error:
        raise InvalidParameter(f"The agent cannot be changed so: {error}.", hint="Correct it.") from None
    made.check()
    return made
