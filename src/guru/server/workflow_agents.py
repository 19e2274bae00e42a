"""Lets steps of workflows be runs of agents. The place of a step is kept with its run: it is begun once."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final

from sqlalchemy import select

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
LOOK_EVERY: Final = 1.0
"""Seconds between two looks at a run that waits for a person."""


class RoadAgents:
    """Implements `guru.server.workflowing.AgentRunner`."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database = database
        self._agents = agents

    async def names(self, caller: Caller) -> Collection[str]:
        return [known.agent.name for known in await self._agents.registry.all(caller.tenant)]

    async def run(self, caller: Caller, agent: str, prompt: str, place: Place) -> JSON:
        cause, runs = f"workflow:{place.call}", self._agents.runs
        scope = Scope(caller.tenant, (caller.person,))
        run_id = await self._begun(scope, cause)
        if run_id is None:
            begun = await runs.begin(
                agent, [Message(role="user", content=prompt)], tenant=caller.tenant, owner=caller.person,
                caller=kept_caller(caller), cause=cause,
            )  # fmt: skip
            run_id = begun.id
        while True:
            async for _ in runs.watch(scope, run_id):
                pass
            run = await runs.get(scope, run_id)
            if run.status == "done":
                return {"text": run.answer or "", "run": run.id, "tokens": run.tokens, "cost": run.cost}
            if run.status in ("failed", "cancelled"):
                raise StepFailed(AGENT_FAILED, run.error or f"The run {run.id} of {agent} was {run.status}.")
            await asyncio.sleep(LOOK_EVERY)  # it waits for a person

    async def _begun(self, scope: Scope, cause: str) -> str | None:
        """The run of a place that was begun before."""
        query = select(agent_runs.c.id).where(scope.of(agent_runs), agent_runs.c.cause == cause).limit(1)
        return await self._database.read(lambda connection: connection.scalar(query))
