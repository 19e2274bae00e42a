"""The carrying of runs by the job store: leg by leg, from where the last one stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from hashlib import sha256
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, select, update

from guru.agents import loop
from guru.agents.agent import Agent
from guru.agents.approvals import OUTSIDE, Approvals
from guru.agents.asking import Open, RunPerson
from guru.agents.checkpoints import Checkpoints, Stopped
from guru.agents.limits import Limits
from guru.agents.live import Live
from guru.agents.members import members_of
from guru.agents.performing import Host, Performer
from guru.agents.records import (
    Definition,
    RunRecord,
    StepRecord,
    find_run,
    mine,
    mine_step,
    read_messages,
    read_steps,
    storable,
)
from guru.agents.strategies import STRATEGIES
from guru.agents.strategies.talk import Work
from guru.agents.tools.toolbox import Toolbox
from guru.errors import GuruError
from guru.store.database import Database
from guru.store.jobs import JobRun
from guru.store.scope import Scope
from guru.store.tables import agent_runs, agent_steps
from guru.types import JSON


class ServerHost(Host, Protocol):
    trace_id: str
    tools: Toolbox

    def small(self, model: str) -> bool:
        """Whether the model is too weak to call tools by itself. Raises `ModelNotFound`."""
        ...


class Hosts(Protocol):
    """What the server lends to runs."""

    def open(self, run: RunRecord) -> AbstractAsyncContextManager[ServerHost]:
        """For one leg of a run, which is one trace. Raises `Unauthorized` where who began it is no longer let in."""
        ...

    async def check(self, definition: Definition, caller: JSON) -> None:
        """Raises `InvalidParameter` for tools and `ModelNotFound` for models that are not there."""
        ...

    async def prompt(self, agent: Agent, tenant: str) -> tuple[str, str]:
        """The version of the prompt that an agent names, such as `clerk@3`, and its text, filled in.

        Raises `NotFound` and `InvalidParameter`.
        """
        ...

    async def ended(self, run: RunRecord, steps: Sequence[StepRecord]) -> None:
        """A run is done or has failed. Called again where a process was killed meanwhile."""
        ...


class Carrier:
    """Does what runs are to do. A run is carried by one job at a time, which a leg ends with."""

    def __init__(self, database: Database, hosts: Hosts, live: Live) -> None:
        self._database = database
        self._hosts = hosts
        self._live = live
        self._open = Open()

    async def carry(self, job: JobRun) -> JSON:
        """The handler of the job: one leg of a run. Called again after a kill, it goes on where that one stopped."""
        tenant, run_id = job.job.tenant, job.job.arguments["run"]
        while True:
            run = await self._take(tenant, run_id, job.job.id)
            if run is None:
                break
            steps = await self._database.read(lambda connection: read_steps(connection, tenant, run_id))
            again = await self._leg(run, steps)
            if not again:
                break
        self._live.changed(run_id)

        def read(connection: Connection) -> tuple[RunRecord, list[StepRecord]]:
            return find_run(connection, Scope(tenant), run_id), read_steps(connection, tenant, run_id)

        now, steps = await self._database.read(read)
        if now.job_id == job.job.id and now.status in ("done", "failed"):
            await self._hosts.ended(now, steps)
        return {"run": run_id, "status": now.status}

    async def _take(self, tenant: str, run_id: str, job_id: str) -> RunRecord | None:
        """The run, where it is to be worked on, and by this job."""

        def take(connection: Connection) -> RunRecord | None:
            run = find_run(connection, Scope(tenant), run_id)
            if run.job_id == job_id and leave_open(connection, tenant, run_id) and run.status == "waiting":
                run.status = "running"
            if run.job_id != job_id or run.status not in ("queued", "running"):
                if run.job_id == job_id and run.status == "pausing":
                    values = {"status": "paused"}
                    connection.execute(update(agent_runs).where(mine(tenant, run_id)).values(values))
                return None
            connection.execute(update(agent_runs).where(mine(tenant, run_id)).values(status="running"))
            return run

        return await self._database.write(take)

    async def _leg(self, run: RunRecord, steps: Sequence[StepRecord]) -> bool:
        """Whether a person has said something meanwhile, so that there is more to do."""
        definition = msgspec.convert(run.definition, Definition)
        limits = Limits(definition.agent, seconds=run.seconds)
        ending: JSON = {}
        try:
            async with self._hosts.open(run) as host:
                await self._change(run.tenant, run.id, traces=[*run.traces, host.trace_id])
                await self._instruct(definition, run.tenant)
                answer = await self._work(run, steps, definition, host, limits)
            ending = {"status": "done", "answer": answer}
        except loop.Waiting:
            ending = {"status": "waiting"}
        except Stopped:
            ending = {"status": "paused"}
        except GuruError as error:
            ending = {"status": "failed", "error": error.message, "hint": error.hint}
        except Exception as error:
            ending = {"status": "failed", "error": f"{type(error).__name__}: {error}"}
            raise
        finally:
            used = {"tokens": limits.tokens, "cost": limits.cost, "seconds": limits.seconds}
            again = await asyncio.shield(self.end(run.tenant, run.id, **used, **ending))
        return again

    async def _instruct(self, definition: Definition, tenant: str) -> None:
        for agent in (definition.agent, *definition.team.values()):
            if agent.prompt is not None:
                _, text = await self._hosts.prompt(agent, tenant)
                agent.instructions = "\n\n".join(filter(None, (text, agent.instructions)))

    async def _work(
        self, run: RunRecord, steps: Sequence[StepRecord], definition: Definition, host: ServerHost, limits: Limits
    ) -> str:
        members = members_of(definition, host.tools, host.small)
        approvals = Approvals(definition, {spec.name: spec for spec in host.tools.specs}, run.cause)
        checkpoints = Checkpoints(
            self._database, run.tenant, run.id, approvals=approvals, limits=limits, steps=steps,
            changed=lambda: self._live.changed(run.id),
        )  # fmt: skip
        agent = definition.agent
        team = {name: members[name] for name in definition.team}
        work = Work(
            me=members[agent.name], messages=read_messages(run.messages), team=team,
            word=sha256(run.id.encode()).hexdigest()[:12], outside=run.cause.startswith(OUTSIDE),
        )  # fmt: skip
        with self._live.drafting(run.id) as draft:
            performer = Performer(
                run.id, host, members, host.tools, checkpoints=checkpoints, approvals=approvals, limits=limits,
                tell=lambda event, data: self._live.tell(run.id, event, data), draft=draft,
                person=lambda number, part: RunPerson(
                    checkpoints, number, part, limits=limits, open=self._open,
                    watching=lambda: self._live.watching(run.id),
                ),
            )  # fmt: skip
            return await loop.run(STRATEGIES[agent.strategy](work), checkpoints, performer, limits)

    async def end(self, tenant: str, run_id: str, **values: Any) -> bool:
        """How a leg has ended. Whether there is more to do, as a person was quicker than this."""

        def end(connection: Connection) -> bool:
            status = connection.scalar(select(agent_runs.c.status).where(mine(tenant, run_id)))
            again = False
            if values.get("status") == "waiting":
                waiting = [step for step in read_steps(connection, tenant, run_id) if step.status == "waiting"]
                again = status == "running" and all(step.decision is not None for step in waiting)
            for name in ("answer", "error"):
                if values.get(name):
                    values[name] = storable(values[name])
            if again or status == "cancelled":
                values.pop("status", None)
            elif status == "pausing" and values.get("status") == "waiting":
                values["status"] = "paused"
            if values.get("status") in ("done", "failed", "cancelled"):
                values["finished_at"] = time.time()
            connection.execute(update(agent_runs).where(mine(tenant, run_id)).values(values))
            return again

        again = await self._database.write(end)
        self._live.changed(run_id)
        return again

    async def _change(self, tenant: str, run_id: str, **values: Any) -> None:
        change = update(agent_runs).where(mine(tenant, run_id)).values(values)
        await self._database.write(lambda connection: connection.execute(change), beside=True)


def leave_open(connection: Connection, tenant: str, run_id: str) -> bool:
    """Whether a process that is gone had kept calls open for a person: nobody can answer them any more."""
    asking = (mine_step(tenant, run_id), agent_steps.c.status == "asking")
    found = connection.execute(select(agent_steps.c.part).where(*asking).limit(1)).first() is not None
    if found:
        values = {"status": "begun", "decision": None, "asked": None}
        connection.execute(update(agent_steps).where(*asking).values(values))
    return found
