"""Lets steps of workflows be runs of agents. A step keeps its run in the transaction that begins it: it begins once."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import aclosing, suppress
from typing import Final

from guru.agents.removing import WORKFLOW
from guru.agents.workflows.errors import StepFailed
from guru.agents.workflows.work import Note, Place
from guru.errors import Conflict
from guru.gateway.identity import Caller
from guru.server.evaluations_api import kept_caller
from guru.server.running_agents import Agents
from guru.store.ids import new_id
from guru.store.scope import Scope
from guru.types import JSON, Message

AGENT_FAILED: Final = "AgentFailed"


class RoadAgents:
    """Implements `guru.server.workflowing.AgentRunner`."""

    def __init__(self, agents: Agents) -> None:
        self._registry = agents.registry
        self._runs = agents.runs

    async def names(self, caller: Caller) -> Collection[str]:
        return [known.agent.name for known in await self._registry.all(caller.tenant)]

    async def begin(self, caller: Caller, agent: str, prompt: str, place: Place, note: Note) -> str:
        run_id = new_id("run")
        await self._runs.begin(
            agent, [Message(role="user", content=prompt)], tenant=caller.tenant, owner=caller.person,
            caller=kept_caller(caller), cause=f"{WORKFLOW}{place.call}", run_id=run_id,
            also=lambda connection: note(connection, run_id),
        )  # fmt: skip
        return run_id

    async def take_up(self, caller: Caller, run_id: str) -> None:
        while (await self._runs.get(own(caller), run_id)).status == "cancelled":
            with suppress(Conflict):  # what it did when it was cancelled takes its time to end
                await self._runs.resume(own(caller), run_id)

    async def follow(self, caller: Caller, run_id: str) -> JSON | None:
        scope = own(caller)
        while (run := await self._runs.get(scope, run_id)).working:
            async with aclosing(self._runs.watch(scope, run_id)) as events:
                async for _ in events:
                    pass
        if run.status == "done":
            return {"text": run.answer or "", "run": run.id, "tokens": run.tokens, "cost": run.cost}
        if run.status in ("failed", "cancelled"):
            raise StepFailed(AGENT_FAILED, run.error or f"The run {run.id} of {run.agent} was {run.status}.")
        return None


def own(caller: Caller) -> Scope:
    """The runs of whoever began the workflow."""
    return Scope(caller.tenant, (caller.person,))
