"""What somebody else's server asks a person during the call of a tool, and who can be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal, Protocol

from msgspec import Struct

from guru.types import JSON

Mode = Literal["form", "url"]
"""A form to fill in, or an address to open."""
MODES: Final[frozenset[Mode]] = frozenset(("form", "url"))


class Elicitation(Struct, kw_only=True):
    """A question of a server: a form, or an address to open. All texts of it are a stranger's."""

    server: str
    message: str
    schema: JSON | None = None
    """Of the form: flat, of plain values, as `guru.agents.mcp.forms` checks them."""
    url: str | None = None
    """In place of a form."""
    warnings: list[str] = []
    """What a person should know before answering."""
    seconds: float = 900.0
    """How long a call is kept open for the answer."""


class Elicited(Struct, kw_only=True):
    """What a person said, as MCP names it."""

    action: Literal["accept", "decline", "cancel"]
    content: JSON = {}
    """The form, filled in."""


class Suspended(Exception):
    """A call ends here, and is made again when the person has answered: nothing has gone wrong."""


class Person(Protocol):
    """Somebody who can be asked."""

    @property
    def modes(self) -> frozenset[Mode]:
        """In which ways they can be; what is asked otherwise they decline."""
        ...

    async def ask(self, question: Elicitation, state: JSON | None) -> Elicited:
        """The answer, while the call is kept open. With `state`, the call can also be gone on from later, and from
        there: it may raise `Suspended`, and the next call is given `state` with the answer (`answered`)."""
        ...


def answered(state: JSON, answer: Elicited) -> JSON:
    """What a call goes on from: `state`, and what the person has said."""
    return {"state": state, "action": answer.action, "content": answer.content}


class Unhurried:
    """A person, while whose answer is waited for a limit of time stands still."""

    def __init__(self, person: Person, limit: asyncio.Timeout) -> None:
        self._person = person
        self._limit = limit
        self._asking = 0
        self._left = 0.0

    @property
    def modes(self) -> frozenset[Mode]:
        return self._person.modes

    async def ask(self, question: Elicitation, state: JSON | None) -> Elicited:
        with self._stopped():
            return await self._person.ask(question, state)

    @contextmanager
    def _stopped(self) -> Iterator[None]:
        clock = asyncio.get_running_loop().time
        if not self._asking and (when := self._limit.when()) is not None:
            self._left = max(0.0, when - clock())
            self._move(None)
        self._asking += 1
        try:
            yield
        finally:
            self._asking -= 1
            if not self._asking:
                self._move(clock() + self._left)

    def _move(self, when: float | None) -> None:
        try:
            self._limit.reschedule(when)
        except RuntimeError:
            pass  # what it limited has ended meanwhile
