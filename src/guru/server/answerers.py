"""Models and agents behind one face: a door asks, and need not know which of the two answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final, Protocol

from guru.gateway.identity import Caller
from guru.gateway.steps import Request
from guru.types import Event

AGENT: Final = "agent/"
"""Before an agent's name, where it is asked as a model."""


class ChatRoad(Protocol):
    def run(self, request: Request, caller: Caller) -> AsyncGenerator[Event]:
        """The events of an answer as they come; closing it stops the work. Raises `GuruError`."""
        ...

    async def answer(self, request: Request, caller: Caller) -> list[Event]:
        """All of them. Cancelling it stops the work."""
        ...


class Answerers:
    """A `ChatRoad` that is the road for models, and the agents for `agent/NAME`."""

    def __init__(self, road: ChatRoad, agents: ChatRoad) -> None:
        self._road = road
        self._agents = agents

    def of(self, model: str) -> ChatRoad:
        return self._agents if model.startswith(AGENT) else self._road

    def run(self, request: Request, caller: Caller) -> AsyncGenerator[Event]:
        return self.of(request.model).run(request, caller)

    async def answer(self, request: Request, caller: Caller) -> list[Event]:
        return await self.of(request.model).answer(request, caller)
