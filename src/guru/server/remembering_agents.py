"""Memory in runs of agents: shown to the model, kept and found as it asks, and what came of it in the end.

It is that of the person who began the run and of nobody else; a run that a schedule, a document or a webhook began has
none, as nobody knows whose words it works on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from guru.agents.memory.base import Episode, Recalled, Said
from guru.agents.memory.memories import Memories
from guru.agents.memory.own_words import own_text
from guru.agents.memory.tools import Forget, Recall, Remember
from guru.agents.records import Definition, RunRecord, StepRecord, find_run, read_messages
from guru.agents.tools.base import ToolContext
from guru.agents.tools.toolbox import Toolbox
from guru.errors import NotFound
from guru.gateway.identity import Caller
from guru.gateway.remembering import is_somebody
from guru.store.database import Database
from guru.store.scope import Scope

REPLAY: Final = "run_"
"""What the cause of a run begins with that replays another."""


class AgentMemory:
    def __init__(self, memories: Memories, database: Database) -> None:
        self._memories = memories
        self._database = database
        self._tools = (
            Remember(memories, self._heard, own_scope), Recall(memories, own_scope), Forget(memories, own_scope),
        )  # fmt: skip

    async def lent(self, run: RunRecord, caller: Caller, tools: Toolbox) -> tuple[Toolbox, list[Recalled]]:
        """For one leg of a run: the tools with those of memory, and what is remembered and has to do with the request.

        What is remembered is not written down with the run: others may see that, and it would outlive being forgotten.
        """
        if not has_memory(run) or not of_somebody(caller) or not await self._personal(run):
            return tools, []
        request = own_text(read_messages(run.messages)[-1]) or ""
        return Toolbox([*tools, *self._tools], shown=tools.shown), await self._memories.recall(caller.private, request)

    async def ended(self, run: RunRecord, steps: Sequence[StepRecord], caller: Caller) -> None:
        """Keep what came of a run: the request and the names of tools, nothing that a tool or the model said."""
        asked = own_text(read_messages(run.messages)[-1])
        if not has_memory(run) or asked is None or not of_somebody(caller) or not await self._personal(run):
            return
        calls = [step.name for step in steps if step.kind == "tool" and step.result and not step.result.get("failed")]
        episode = Episode(
            asked=asked, done=list(dict.fromkeys(calls)), ended="answered" if run.status == "done" else "failed",
            run=run.id,
        )  # fmt: skip
        await self._memories.close_run(caller.private, episode)

    async def _personal(self, run: RunRecord) -> bool:
        """Whether its person began it, or what it replays."""
        owner = run.owner
        try:
            while run.cause.startswith(REPLAY):
                run = await self._find(Scope(run.tenant), run.cause)
        except NotFound:
            return False
        return run.cause == "person" and run.owner == owner

    async def _heard(self, context: ToolContext) -> list[Said]:
        """What the person wrote in the run of a call."""
        if context.run is None:
            return []
        run = await self._find(own_scope(context), context.run)
        texts = [own_text(message) for message in read_messages(run.messages)]
        return [Said(text=text) for text in texts if text]

    async def _find(self, scope: Scope, run_id: str) -> RunRecord:
        return await self._database.read(lambda connection: find_run(connection, scope, run_id))


def has_memory(run: RunRecord) -> bool:
    definition = msgspec.convert(run.definition, Definition)
    return any(agent.memory for agent in (definition.agent, *definition.team.values()))


def of_somebody(caller: Caller) -> bool:
    return is_somebody(caller) and not caller.shared_only


def own_scope(context: ToolContext) -> Scope:
    """Whose memory a call reaches. An administrator sees the runs of others, but not what is remembered of them."""
    caller: Caller = context.caller
    return caller.private
