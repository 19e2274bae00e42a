"""Lets workflows meet what their tasks ask for, as whoever began the run: tools, models over the road, documents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

import msgspec

from guru.agents.removing import forget_seen
from guru.agents.removing import remove_run as remove_agent_run
from guru.agents.retention import Retention
from guru.agents.tools.base import ToolContext, ToolResult, ToolSpec
from guru.agents.tools.toolbox import Toolbox
from guru.agents.workflows.engine import Limits
from guru.agents.workflows.removing import remove_run as remove_workflow_run
from guru.agents.workflows.work import Note, Place, Work
from guru.agents.workflows.workflows import Workflows
from guru.config import Settings, WorkflowSettings
from guru.gateway.identity import Caller, Directory
from guru.gateway.pipeline import Road
from guru.server.ask_api import to_answer
from guru.server.endpoint import door_name
from guru.server.road import last_started
from guru.store.database import Database
from guru.store.ids import new_id
from guru.store.jobs import Jobs
from guru.store.scope import Scope
from guru.store.tables import agent_runs, workflow_runs
from guru.types import JSON, ChatRequest, Completed, Delta, Event, Grounding, Message

ROUTE = door_name("/api/v1/workflows/{name}/runs")
Tools = Callable[[Scope], Awaitable[Toolbox]]
"""The tools that may be used within a scope."""


class AgentRunner(Protocol):
    """Agents, as workflows run them."""

    async def names(self, caller: Caller) -> Collection[str]: ...

    async def begin(self, caller: Caller, agent: str, prompt: str, place: Place, note: Note) -> str:
        """The id of its run, which `note` keeps in the transaction that begins it."""
        ...

    async def take_up(self, caller: Caller, run_id: str) -> None:
        """Have a run go on that was cancelled together with what waited for it."""
        ...

    async def follow(self, caller: Caller, run_id: str) -> JSON | None:
        """What it comes to, with `text`; None as soon as it waits for a person. Raises `StepFailed`."""
        ...


class RoadWork:
    """Implements `guru.agents.workflows.work.Work`."""

    def __init__(
        self, road: Road, directory: Directory, caller: Caller, *, tools: Toolbox, runner: AgentRunner,
        agents: Collection[str],
    ) -> None:  # fmt: skip
        self._road = road
        self._directory = directory
        self._caller = caller
        self._tools = tools
        self._runner = runner
        self.agents = agents

    @property
    def tools(self) -> Collection[str]:
        return [spec.name for spec in self._tools.specs]

    def spec(self, tool: str) -> ToolSpec:
        return self._tools.get(tool).spec

    async def call(self, tool: str, arguments: JSON, place: Place) -> ToolResult:
        asked = self._asked()
        context = ToolContext(scope=asked.visible, caller=asked, run=place.run, call=place.call)
        return await self._tools.call(tool, arguments, context)

    async def ask(
        self, prompt: str, *, system: str | None, model: str, schema: JSON | None, max_tokens: int | None,
        temperature: float | None,
    ) -> JSON:  # fmt: skip
        messages = [Message(role="user", content=prompt)]
        if system is not None:
            messages.insert(0, Message(role="system", content=system))
        wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
        events = await self._answer(
            ChatRequest(
                model=model,
                messages=messages,
                max_tokens=max_tokens,
                temperature=temperature,
                response_format=None if schema is None else wanted,
            )
        )
        started, completed = last_started(events), next(event for event in events if isinstance(event, Completed))
        return {
            "text": "".join(event.text for event in events if isinstance(event, Delta) and event.index == 0),
            "model": started.model, "cost": completed.cost, "trace_id": started.trace_id,
            "tokens": completed.usage.total_tokens,
        }  # fmt: skip

    async def begin(self, agent: str, prompt: str, place: Place, note: Note) -> str:
        return await self._runner.begin(self._asked(), agent, prompt, place, note)

    async def take_up(self, run: str) -> None:
        await self._runner.take_up(self._asked(), run)

    async def follow(self, run: str) -> JSON | None:
        return await self._runner.follow(self._asked(), run)

    async def answer(self, question: str, collection: str, model: str) -> JSON:
        messages = [Message(role="user", content=question)]
        events = await self._answer(ChatRequest(model=model, messages=messages, guru=Grounding(collection)))
        found: JSON = msgspec.to_builtins(to_answer(events))
        return found

    async def _answer(self, request: ChatRequest) -> list[Event]:
        return await self._road.answer(request, self._asked())

    def _asked(self) -> Caller:
        """Whoever began the run, as they are now. Raises `Unauthorized` and `Forbidden`."""
        asked = msgspec.structs.replace(self._directory.renewed(self._caller), trace_id=new_id("tr"), headers={})
        self._directory.check(asked, ROUTE)
        return asked


def open_retention(database: Database, settings: Settings) -> Retention:
    """What removes runs that ended long ago. Those of workflows go first: they may need those of agents."""
    tables = {workflow_runs: remove_workflow_run, agent_runs: remove_agent_run}
    return Retention(database, settings.runs.days, tables, then=forget_seen)


def open_workflows(
    database: Database,
    jobs: Jobs,
    settings: WorkflowSettings,
    *,
    road: Road,
    directory: Directory,
    tools: Tools,
    agents: AgentRunner,
) -> Workflows:
    """The workflows of a server."""

    async def work_as(caller: JSON) -> Work:
        whole = msgspec.convert(caller | {"route": ROUTE, "trace_id": ""}, Caller)
        names = await agents.names(whole)
        return RoadWork(road, directory, whole, tools=await tools(whole.visible), runner=agents, agents=names)

    limits = Limits(
        steps=settings.max_steps, data=settings.max_data_kb * 1000, total=settings.max_run_mb * 1_000_000,
        concurrency=settings.concurrency,
    )  # fmt: skip
    return Workflows(database, jobs, work_as, limits=limits, at_once=settings.at_once)
