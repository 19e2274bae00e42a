"""How a tool of the conformance suite is written: one function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from guru.agents.mcp.serving.peer import Peer
from guru.agents.mcp.serving.provider import Access, Background
from guru.types import JSON

Work = Callable[[JSON, Peer], Awaitable[JSON]]
Prepare = Callable[[JSON, Peer], Awaitable[None]]
NOTHING: Final[JSON] = {"type": "object", "properties": {}}


class Fixture:
    """A tool that is one function."""

    def __init__(
        self,
        name: str,
        description: str,
        work: Work,
        schema: JSON = NOTHING,
        *,
        task: Background = "never",
        prepare: Prepare | None = None,
    ) -> None:
        self._definition: JSON = {"name": name, "description": description, "inputSchema": schema}
        self._work = work
        self._prepare = prepare
        self.task: Background = task

    @property
    def definition(self) -> JSON:
        return self._definition

    async def prepare(self, arguments: JSON, access: Access, peer: Peer) -> None:
        if self._prepare is not None:
            await self._prepare(arguments, peer)

    async def call(self, arguments: JSON, access: Access, peer: Peer) -> JSON:
        return await self._work(arguments, peer)


def question(message: str, fields: JSON) -> JSON:
    schema = {"type": "object", "properties": fields, "required": list(fields)}
    params = {"mode": "form", "message": message, "requestedSchema": schema}
    return {"method": "elicitation/create", "params": params}


def sampling(prompt: str, tokens: int) -> JSON:
    messages = [{"role": "user", "content": text_part(prompt)}]
    return {"method": "sampling/createMessage", "params": {"messages": messages, "maxTokens": tokens}}


def filled(answer: JSON, field: str) -> Any:
    """What a person wrote into a field of a form."""
    return (answer.get("content") or {}).get(field, "unknown")


def said_in(answer: JSON) -> str:
    """What a model said."""
    content = answer.get("content")
    return str(content.get("text", "")) if isinstance(content, dict) else ""


def text_part(value: str) -> JSON:
    return {"type": "text", "text": value}
