"""The questions of other people's MCP servers, passed on to the client of ours that calls their tool.

Their words are a stranger's, and the client is told whose they are; `guru.agents.mcp.client.elicitation` has looked
through them. Where the server can be gone on from later, the call ends with its question. Else it is kept open.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, NoReturn

from guru.agents.mcp.protocol import McpError
from guru.agents.mcp.serving.peer import Peer, Question, check_answer, modes_of
from guru.agents.tools.asking import Elicitation, Elicited, Mode, Suspended, answered
from guru.agents.tools.base import ToolResult
from guru.errors import GuruError
from guru.types import JSON

MOST_QUESTIONS: Final = 10
"""Of one call."""
MODES: Final[dict[Mode, str]] = {"form": "fill in a form", "url": "open an address"}
Call = Callable[["ClientPerson", JSON | None], Awaitable[ToolResult]]
"""A call of a tool, with who can be asked, and what it goes on from."""


async def forward(call: Call, peer: Peer) -> ToolResult:
    """The result of a call whose server may ask the client. What breaks it off is a failed result.

    Raises `Question` where the client has to answer first, and `McpError` for an answer that is none.
    """
    kept = peer.kept
    given = None if kept is None else taken_up(kept, peer.answer)
    try:
        async with asyncio.timeout(None) as limit:
            person = ClientPerson(peer, limit, asked=kept["number"] if kept is not None else 0)
            result = await call(person, given)
    except Suspended:
        assert person.question is not None
        raise person.question from None
    except TimeoutError:
        if person.ended is None:
            raise
        return ToolResult(text=person.ended, failed=True)
    if person.notes:
        result.text = "\n".join(filter(None, [result.text, *person.notes]))
    return result


def taken_up(kept: JSON, answer: Any) -> JSON:
    """What a call goes on from. Raises `McpError`, and `Question` once more where there is no answer."""
    if answer is None:
        raise Question({kept["name"]: kept["request"]}, kept)
    return answered(kept["state"], to_elicited(kept["request"], answer))


class ClientPerson:
    """`guru.agents.tools.asking.Person`: whoever is at the client, during one call."""

    def __init__(self, peer: Peer, limit: asyncio.Timeout, *, asked: int) -> None:
        """The call ends when `limit` does. `asked` are the questions before."""
        self.modes = modes_of(peer.capabilities)
        self.notes: list[str] = []
        """What the client should know besides the result."""
        self.question: Question | None = None
        """That a call was suspended with."""
        self.ended: str | None = None
        """Why the call was broken off."""
        self._peer = peer
        self._limit = limit
        self._asked = asked
        self._one = asyncio.Lock()

    async def ask(self, question: Elicitation, state: JSON | None) -> Elicited:
        server, mode = question.server, mode_of(question)
        if mode not in self.modes:
            note = (
                f"[The MCP server {server} wanted you to {MODES[mode]}. It was declined: "
                f"this client has not said that it can be asked so (capability elicitation.{mode}).]"
            )
            self.notes += [] if note in self.notes else [note]
            return Elicited(action="decline")
        async with self._one:
            self._asked += 1
            if self._asked > MOST_QUESTIONS:
                return await self._end(f"{server} asked more than {MOST_QUESTIONS} questions. Its call was cancelled.")
            name, request = f"{server}-{self._asked}", to_request(question)
            if state is not None and self._peer.suspends:
                kept = {"name": name, "request": request, "state": state, "number": self._asked}
                self.question = Question({name: request}, kept | {"seconds": question.seconds})
                raise Suspended
            return await self._wait(question, name, request)

    async def _wait(self, question: Elicitation, name: str, request: JSON) -> Elicited:
        """The answer, while the call is kept open."""
        try:
            async with asyncio.timeout(question.seconds):
                answers = await self._peer.ask({name: request}, seconds=question.seconds)
            return to_elicited(request, answers[name])
        except TimeoutError:
            why = f"Nobody answered within {question.seconds:g} seconds."
        except (McpError, GuruError) as error:
            why = error.message
        return await self._end(f"{question.server} asked something, and its call was cancelled. {why}")

    async def _end(self, why: str) -> NoReturn:
        """Break off the call: what waits in it is cancelled, here and at the server."""
        self.ended = self.ended or why
        loop = asyncio.get_running_loop()
        with contextlib.suppress(RuntimeError):  # where it has ended meanwhile
            self._limit.reschedule(loop.time())
        await loop.create_future()
        raise AssertionError("unreachable")


def mode_of(question: Elicitation) -> Mode:
    return "form" if question.url is None else "url"


def to_request(question: Elicitation) -> JSON:
    """A question as the client is asked it: first who wants to know, and what speaks against answering."""
    head = [f"The MCP server {question.server!r} asks you this, in its own words."]
    head += [f"Warning: {warning}." for warning in question.warnings]
    params: JSON = {"mode": mode_of(question), "message": "\n".join([*head, "", question.message])}
    if question.url is not None:
        params["url"] = question.url
    else:
        params["requestedSchema"] = question.schema
    return {"method": "elicitation/create", "params": params}


def to_elicited(request: JSON, answer: Any) -> Elicited:
    """An answer that holds to what was asked. Raises `McpError`."""
    said = check_answer(request, answer)
    if said["action"] != "accept" or "requestedSchema" not in request["params"]:
        return Elicited(action=said["action"])
    return Elicited(action="accept", content=said.get("content", {}))
