"""Lets runs of agents meet the road, as whoever began them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec

from guru.agents.agent import Agent
from guru.agents.members import members_of
from guru.agents.memory.base import Recalled
from guru.agents.memory.memories import Memories
from guru.agents.performing import Span
from guru.agents.records import Definition, RunRecord, StepRecord
from guru.agents.registry import Registry
from guru.agents.runs import Runs
from guru.agents.tools.toolbox import Toolbox
from guru.agents.triggers import Triggers
from guru.config import Settings
from guru.errors import Conflict, GuruError, InvalidParameter, StreamCut
from guru.gateway.identity import LOCAL_TENANT, Caller, Directory
from guru.gateway.pipeline import Road
from guru.gateway.remembering import with_memories
from guru.gateway.routing import Router
from guru.gateway.steps import Request
from guru.gateway.whole import collect
from guru.observe.spans import Trace
from guru.protocols import Embedder, PromptLibrary
from guru.server.answerers import AGENT
from guru.server.endpoint import door_name
from guru.server.evaluations_api import kept_caller
from guru.server.remembering_agents import AgentMemory
from guru.store.database import Database
from guru.store.ids import new_id
from guru.store.jobs import Jobs
from guru.store.scope import Scope
from guru.types import JSON, ChatRequest, Completed, Delta, Event, Finished, Grounding, Message, Started, Usage

if TYPE_CHECKING:
    from numpy.typing import NDArray

TAKEN: Final = {"model", "messages", "stream", "temperature", "max_tokens", "user", "metadata", "betas"}
"""What of a request for chat an agent goes by, and what says nothing to it."""
ROUTE = door_name("/api/v1/agents/{name}/runs")
log = logging.getLogger(__name__)
Tools = Callable[[Scope], Awaitable[Toolbox]]
"""The tools that may be used within a scope."""


class RoadHost:
    """Implements `guru.agents.carrying.ServerHost`: each call of a model is a request, limited, traced and paid for."""

    def __init__(
        self, road: Road, router: Router, directory: Directory, embedder: Embedder, *, caller: Caller,
        tools: Toolbox, trace: Trace, recalled: Sequence[Recalled] = (),
    ) -> None:  # fmt: skip
        """`recalled` is shown to the model with every call."""
        self._recalled = recalled
        self._caller = caller
        self.scope = caller.visible
        self.tools = tools
        self.trace_id = trace.id
        self._road = road
        self._router = router
        self._directory = directory
        self._embedder = embedder
        self._trace = trace

    @property
    def content(self) -> bool:
        return self._road.keeps_content

    @property
    def caller(self) -> Caller:
        """Who asks, for one request: it has a trace of its own."""
        return msgspec.structs.replace(self._caller, trace_id=new_id("tr"), headers={})

    def small(self, model: str) -> bool:
        return is_small(self._router, self._caller, model)

    def ask(self, request: ChatRequest) -> AsyncIterator[Event]:
        asked = self.caller
        self._directory.check(asked, ROUTE)
        if self._recalled:
            told = with_memories(request.messages, self._recalled, dated=not self.small(request.model))
            request = msgspec.structs.replace(request, messages=told)
        return self._road.run(request, asked)

    async def vectors(self, texts: Sequence[str]) -> NDArray[Any]:
        return await self._embedder.embed(texts)

    def span(self, name: str) -> AbstractContextManager[Span]:
        return self._trace.call(name)


class RoadHosts:
    """Implements `guru.agents.carrying.Hosts`."""

    def __init__(
        self, road: Road, router: Router, directory: Directory, embedder: Embedder, tools: Tools, *,
        memory: AgentMemory, prompts: PromptLibrary,
    ) -> None:  # fmt: skip
        self._road = road
        self._router = router
        self._directory = directory
        self._embedder = embedder
        self.tools = tools
        self.memory = memory
        self._prompts = prompts

    @asynccontextmanager
    async def open(self, run: RunRecord) -> AsyncIterator[RoadHost]:
        first = {} if run.traces else {"trace_id": run.caller.get("trace_id") or new_id("tr")}
        asked = self._caller(run.caller, **first)
        trace = self._road.begin(AGENT + run.agent, asked)
        trace.attributes["guru.run"] = run.id
        try:
            with trace.span(ROUTE):
                self._directory.check(asked, ROUTE)
                tools, recalled = await self.memory.lent(run, asked, await self.tools(asked.visible))
                yield RoadHost(
                    self._road, self._router, self._directory, self._embedder,
                    caller=asked, tools=tools, trace=trace, recalled=recalled,
                )  # fmt: skip
        except BaseException as error:
            trace.failed(error)
            raise
        finally:
            self._road.end(trace)

    async def check(self, definition: Definition, caller: JSON) -> None:
        asked = self._caller(caller)
        members_of(definition, await self.tools(asked.visible), lambda model: is_small(self._router, asked, model))

    async def prompt(self, agent: Agent, tenant: str) -> tuple[str, str]:
        rendered = await self._prompts.of(tenant).render(agent.prompt or "", agent.variables)
        return rendered.id, "\n\n".join(message.text for message in rendered.messages)

    async def ended(self, run: RunRecord, steps: Sequence[StepRecord]) -> None:
        try:
            await self.memory.ended(run, steps, self._caller(run.caller))
        except GuruError as error:  # such as a key that is no longer let in
            log.warning("the run %s is not remembered: %s", run.id, error)

    def _caller(self, kept: JSON, **more: str) -> Caller:
        whole = msgspec.convert(kept | {"route": ROUTE, "trace_id": new_id("tr")} | more, Caller)
        return msgspec.structs.replace(self._directory.renewed(whole), headers={})


def is_small(router: Router, caller: Caller, model: str) -> bool:
    asked = ChatRequest(model=model, messages=[])
    return router.model(model, asked, caller, lambda found, deployment: found).small


def asked_of_agent(request: Request) -> tuple[list[Message], JSON]:
    """What an agent is asked by a request for chat. Raises `InvalidParameter` for what is the agent's own affair."""
    if not isinstance(request, ChatRequest):
        raise InvalidParameter("An agent does not continue texts.", param="model", hint="Ask it as a chat.")
    usual = ChatRequest(model="", messages=[])
    for name in ChatRequest.__struct_fields__:
        if name not in TAKEN and getattr(request, name) != getattr(usual, name):
            shown = next(iter(request.extra)) if name == "extra" else name
            if name == "guru" and request.guru is not None:
                shown = of_guru(request.guru)
            raise InvalidParameter(
                f"An agent takes no `{shown}`: it has its own.", param=shown, hint="Leave it out, or ask a model."
            )
    changes = {"temperature": request.temperature, "max_tokens": request.max_tokens}
    return request.messages, {name: value for name, value in changes.items() if value is not None}


def of_guru(asked: Grounding) -> str:
    """The member of it that says most of what was asked for."""
    return "collection" if asked.collection else "prompt" if asked.prompt is not None else "memory"


def ended_without(run: RunRecord) -> GuruError:
    """Why a run has no answer. Clients ask again after such errors by themselves, and here each time is a new run."""
    verb = "approve" if run.status == "waiting" else "resume"
    waits = Conflict(f"The run {run.id} is {run.status}.", hint=f"Go on with it: guru agent {verb} {run.id}")
    error = GuruError(run.error, hint=run.hint) if run.error else waits
    error.headers["x-should-retry"] = "false"
    return error


class Said:
    """What a caller has been told of an answer. It cannot be taken back."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._begun_anew = False
        self.length = 0

    def more(self, start: int, text: str) -> str:
        """What to tell now of a draft that has `text` from `start` on. Of one that was begun anew, nothing: what it
        will be is not known yet."""
        if self._begun_anew or start != self.length:
            self._begun_anew = True
            return ""
        self._texts.append(text)
        self.length += len(text)
        return text

    def rest(self, run: RunRecord) -> str:
        """What is left to tell when the run is done. Raises `StreamCut` where the caller was told something else."""
        answer, told = run.answer or "", "".join(self._texts)
        if not answer.startswith(told):
            error = StreamCut(
                f"The answer of the run {run.id} was begun anew and has become another one.",
                hint=f"What came so far is not it. See it: guru agent runs {run.id}",
            )
            error.headers["x-should-retry"] = "false"
            raise error
        return answer[self.length :]


class Agents:
    """Everything of agents that doors work with. To doors for chat it is a road, whose models are `agent/NAME`."""

    def __init__(
        self, registry: Registry, runs: Runs, triggers: Triggers, hosts: RoadHosts, directory: Directory
    ) -> None:
        self.registry = registry
        self.hosts = hosts
        self.runs = runs
        self.triggers = triggers
        self._directory = directory

    async def begin(self, name: str, messages: list[Message], caller: Caller, changes: JSON) -> RunRecord:
        """A run of whoever asks. Raises `NotFound`, `InvalidParameter` and `Forbidden`."""
        self._directory.check(caller, ROUTE)
        kept = kept_caller(caller) | {"trace_id": caller.trace_id}
        return await self.runs.begin(
            name, messages, tenant=caller.tenant, owner=caller.person, caller=kept, changes=changes
        )

    async def usable(self, caller: Caller) -> list[Agent]:
        """The agents that somebody may ask."""
        try:
            self._directory.check(caller, ROUTE)
        except GuruError:
            return []
        return [known.agent for known in await self.registry.all(caller.tenant)]

    async def names(self, caller: Caller) -> list[str]:
        """The same, as models are named."""
        return [AGENT + agent.name for agent in await self.usable(caller)]

    async def run(self, request: Request, caller: Caller) -> AsyncGenerator[Event]:
        """An agent's answer, as a model would give it. Closing it cancels the run, of which nobody else knows.

        Raises as `begin`, `Conflict` where it waits for a person, and what it failed for.
        """
        messages, changes = asked_of_agent(request)
        run = await self.begin(request.model.removeprefix(AGENT), messages, caller, changes)
        heard, said = False, Said()
        try:
            yield Started(model=request.model, trace_id=caller.trace_id)
            async with aclosing(self.runs.watch(caller.private, run.id)) as events:
                async for event, data in events:
                    if event == "answer" and (text := said.more(**data)):
                        yield Delta(text=text)
            heard = True
        finally:
            if not heard:
                await asyncio.shield(self._leave(caller, run.id))
        run, steps = await self.runs.show(caller.private, run.id)
        if run.answer is None:
            raise ended_without(run)
        replies = [step.result for step in steps if step.kind == "model" and step.result]
        usage = Usage(**{
            name: sum(reply.get(name, 0) for reply in replies) for name in ("prompt_tokens", "completion_tokens")
        })  # fmt: skip
        unknown = any(reply.get("cost") is None for reply in replies)
        if (rest := said.rest(run)) or not said.length:
            yield Delta(text=rest)
        yield Finished("stop")
        yield Completed(
            model=request.model, usage=usage, cost=None if unknown else run.cost, timings={"total": run.seconds}
        )

    async def answer(self, request: Request, caller: Caller) -> list[Event]:
        """All events of `run`."""
        return await collect(self.run(request, caller))

    async def _leave(self, caller: Caller, run_id: str) -> None:
        """Cancel a run for whose answer nobody waits any more."""
        try:
            await self.runs.cancel(caller.private, run_id)
        except GuruError as error:  # it was quicker
            log.info("the run %s was not cancelled: %s", run_id, error)

    def reload(self, settings: Settings) -> None:
        self.registry.configure(settings.agents)


def open_agents(
    database: Database, jobs: Jobs, settings: Settings, *, road: Road, router: Router, directory: Directory,
    embedder: Embedder, tools: Tools, memories: Memories, prompts: PromptLibrary,
) -> Agents:  # fmt: skip
    registry = Registry(database, settings.agents, tenant=LOCAL_TENANT)
    hosts = RoadHosts(road, router, directory, embedder, tools, memory=AgentMemory(memories, database), prompts=prompts)
    runs = Runs(database, jobs, registry, hosts)
    return Agents(registry, runs, Triggers(database, registry, runs), hosts, directory)
