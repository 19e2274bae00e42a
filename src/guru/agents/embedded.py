"""Agents in a program of one's own, without a server: an agent declared in Python, a model, functions as tools.

@tool
def add(a: int, b: int) -> int: ...

answer = await ask(Agent(name="adder", tools=["add"]), "What is 2 + 3?", model=model, tools=[add])
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from guru.agents import loop
from guru.agents.agent import Agent
from guru.agents.approvals import Approvals
from guru.agents.checkpoints import Checkpoints
from guru.agents.limits import Limits
from guru.agents.members import members_of
from guru.agents.performing import Performer, Span, no_span
from guru.agents.records import Definition
from guru.agents.strategies import STRATEGIES
from guru.agents.strategies.talk import Work
from guru.agents.tools.base import Tool
from guru.agents.tools.toolbox import Toolbox
from guru.errors import ConfigurationError
from guru.protocols import ChatModel, Embedder
from guru.store.scope import Scope
from guru.types import ChatRequest, Event, Message

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ModelHost:
    """Implements `guru.agents.performing.Host` with one model and no road."""

    def __init__(self, model: ChatModel, embedder: Embedder | None = None) -> None:
        self.scope = Scope("local")
        self.content = True
        self.caller = None
        self._model = model
        self._embedder = embedder

    def ask(self, request: ChatRequest) -> AsyncIterator[Event]:
        return self._model.chat(request)

    async def vectors(self, texts: Sequence[str]) -> NDArray[Any]:
        if self._embedder is None:
            raise ConfigurationError(
                "A small model is led to its tools by an embedding model.", hint="Give one: embedder=..."
            )
        return await self._embedder.embed(texts)

    def span(self, name: str) -> AbstractContextManager[Span]:
        return no_span()


class Told:
    """Implements `guru.agents.performing.Draft` for a function that is told of it."""

    def __init__(self, on_text: Callable[[str], None]) -> None:
        self.texts: list[str] = []
        self._on_text = on_text

    def begin(self, before: str) -> None:
        pass

    def add(self, text: str) -> None:
        self.texts.append(text)
        self._on_text(text)


async def ask(
    agent: Agent, request: str | Sequence[Message], *, model: ChatModel, tools: Iterable[Tool] = (),
    team: Sequence[Agent] = (), embedder: Embedder | None = None, on_text: Callable[[str], None] | None = None,
) -> str:  # fmt: skip
    """The agent's answer. Nothing is kept: a run that survives a crash needs a server.

    `on_text` is told it piece by piece, as soon as it is certain of each that it is in the answer.

    Raises `ConfigurationError` for an agent with a `prompt`, `Waiting` where a person must say something first,
    `LimitReached`, and what the model raises.
    """
    agent.check()
    if agent.prompt is not None:
        raise ConfigurationError(
            f"The agent {agent.name!r} needs the library of a server.", hint="Give `instructions`."
        )
    messages = [Message("user", request)] if isinstance(request, str) else list(request)
    box = tools if isinstance(tools, Toolbox) else Toolbox(tools)
    host, limits = ModelHost(model, embedder), Limits(agent)
    definition = Definition(agent=agent, team={other.name: other for other in team})
    members = members_of(definition, box, lambda name: getattr(model, "small", False))
    approvals = Approvals(definition, {spec.name: spec for spec in box.specs})
    checkpoints = Checkpoints(None, "local", "", approvals=approvals, limits=limits)
    draft = Told(on_text or (lambda text: None))
    performer = Performer(
        "", host, members, box, checkpoints=checkpoints, approvals=approvals, limits=limits, draft=draft
    )
    others = {name: member for name, member in members.items() if name != agent.name}
    work = Work(me=members[agent.name], messages=messages, team=others)
    answer = await loop.run(STRATEGIES[agent.strategy](work), checkpoints, performer, limits)
    if rest := answer.removeprefix("".join(draft.texts)):
        draft.add(rest)
    return answer
