"""Lets steps of workflows be runs of agents. The place of a step is kept with its run: it is begun once."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import aclosing
from typing import Final

from sqlalchemy import select

from guru.agents.removing import WORKFLOW
from guru.agents.workflows.errors import StepFailed
from guru.agents.workflows.work import Place
from guru.gateway.identity import Caller
from guru.server.evaluations_api import kept_caller
from guru.server.running_agents import Agents
from guru.store.database import Database
from guru.store.scope import Scope
from guru.store.tables import agent_runs
from guru.types import JSON, Message

AGENT_FAILED: Final = "AgentFailed"


class RoadAgents:
    """Implements `guru.server.workflowing.AgentRunner`."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database = database
        self._agents = agents

    async def names(self, caller: Caller) -> Collection[str]:
        return [known.agent.name for known in await self._agents.registry.all(caller.tenant)]

    async def begin(self, caller: Caller, agent: str, prompt: str, place: Place) -> str:
        cause, runs = f"{WORKFLOW}{place.call}", self._agents.runs
        had = await self._begun(caller.tenant, agent, cause)
        if had is None:
            begun = await runs.begin(
                agent, [Message(role="user", content=prompt)], tenant=caller.tenant, owner=caller.person,
                caller=kept_caller(caller), cause=cause,
            )  # fmt: skip
            return begun.id
        run_id, status = had
        if status == "cancelled":  # with the run of the workflow, which goes on now
            await runs.resume(own(caller), run_id)
        return run_id

    async def follow(self, caller: Caller, run_id: str) -> JSON | None:
        runs, scope = self._agents.runs, own(caller)
        while (run := await runs.get(scope, run_id)).working:
            async with aclosing(runs.watch(scope, run_id)) as events:
                async for _ in events:
                    pass
        if run.status == "done":
            return {"text": run.answer or "", "run": run.id, "tokens": run.tokens, "cost": run.cost}
        if run.status in ("failed", "cancelled"):
            raise StepFailed(AGENT_FAILED, run.error or f"The run {run.id} of {run.agent} was {run.status}.")
        return None

    async def _begun(self, tenant: str, agent: str, cause: str) -> tuple[str, str] | None:
        """The run of a place that was begun before, and its status."""
        mine = (agent_runs.c.tenant == tenant, agent_runs.c.agent == agent, agent_runs.c.cause == cause)
        query = select(agent_runs.c.id, agent_runs.c.status).where(*mine).limit(1)
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else (row.id, row.status)


def own(caller: Caller) -> Scope:
    """The runs of whoever began the workflow."""
    return Scope(caller.tenant, (caller.person,))
