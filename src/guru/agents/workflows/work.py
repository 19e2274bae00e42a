"""What tasks reach outside through: handed in, as each caller has it, by whoever builds the application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

from msgspec import Struct
from sqlalchemy import Connection

from guru.agents.tools.base import ToolResult, ToolSpec
from guru.types import JSON

Note = Callable[[Connection, str], None]
"""Keeps the id of a run that is begun."""


class Place(Struct, frozen=True):
    """Which call of which run this is: the same when it is made again after a crash."""

    run: str
    call: str


class Work(Protocol):
    """What one caller may do. Everything is asked as theirs: keys, limits, budgets and traces hold."""

    @property
    def tools(self) -> Collection[str]:
        """The names of the tools that there are."""
        ...

    @property
    def agents(self) -> Collection[str]:
        """The names of the agents that there are."""
        ...

    def spec(self, tool: str) -> ToolSpec:
        """Raises `NotFound`."""
        ...

    async def call(self, tool: str, arguments: JSON, place: Place) -> ToolResult: ...

    async def ask(
        self, prompt: str, *, system: str | None, model: str, schema: JSON | None, max_tokens: int | None,
        temperature: float | None,
    ) -> JSON:  # fmt: skip
        """What a model says: `text`, `model`, `usage`, `cost`, `trace_id`. Raises `GuruError`."""
        ...

    async def begin(self, agent: str, prompt: str, place: Place, note: Note) -> str:
        """Begin a run of an agent, and `note` its id in the same transaction. Raises `GuruError`, and as `note`."""
        ...

    async def take_up(self, run: str) -> None:
        """Have a run of an agent go on that was cancelled together with what waited for it."""
        ...

    async def follow(self, run: str) -> JSON | None:
        """What a run of an agent comes to, in the end: `text` and more. None as soon as it waits for a person.

        Raises `StepFailed` and `GuruError`.
        """
        ...

    async def answer(self, question: str, collection: str, model: str) -> JSON:
        """An answer from documents, as `/api/v1/ask` gives it. Raises `GuruError`."""
        ...


WorkAs = Callable[[JSON], Awaitable[Work]]
"""The work of a caller, as a run keeps them."""
