"""The library of prompts as MCP prompts: the version labelled `prod`, or the newest where there is no such label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET

from guru.agents.mcp.protocol import invalid_params
from guru.agents.mcp.serving.peer import Peer
from guru.agents.mcp.serving.provider import Access
from guru.errors import InvalidParameter, NotFound
from guru.prompts.definition import PromptDefinition, Variable
from guru.prompts.library import Library
from guru.types import JSON, Message

SERVED: Final = "prod"


class LibraryPrompts:
    """Implements `guru.agents.mcp.serving.provider.PromptSource`."""

    def __init__(self, library: Library) -> None:
        self._library = library

    async def prompts(self, access: Access) -> Sequence[JSON]:
        served = await self._library.of(access.scope.tenant).labelled(SERVED)
        return [described(name, version.definition) for name, version in served]

    async def get(self, access: Access, name: str, arguments: JSON, peer: Peer) -> JSON | None:
        prompts = self._library.of(access.scope.tenant)
        try:
            reference, version = await prompts.serving(name, SERVED)
            variables = version.definition.variables
            values = {key: value_of(variables.get(key), value) for key, value in arguments.items()}
            rendered = await prompts.render(reference, values)
        except NotFound:
            return None
        except InvalidParameter as error:
            raise invalid_params(str(error)) from None
        return {
            "description": version.definition.description,
            "messages": [message_of(message) for message in rendered.messages],
        }

    async def complete(self, access: Access, name: str, argument: str, value: str) -> list[str]:
        """Those of the values that a variable may have which begin with `value`."""
        try:
            _, version = await self._library.of(access.scope.tenant).serving(name, SERVED)
        except (NotFound, InvalidParameter):
            return []
        variable = version.definition.variables.get(argument, Variable())
        texts = [choice if isinstance(choice, str) else as_json(choice) for choice in variable.choices]
        return [text for text in texts if text.startswith(value)]


def described(name: str, definition: PromptDefinition) -> JSON:
    """As `prompts/list` shows it."""
    arguments = [
        {
            "name": key,
            "description": variable.description or f"A {variable.type}",
            "required": variable.required and variable.default is UNSET,
        }
        for key, variable in definition.variables.items()
    ]
    return {"name": name, "description": definition.description, "arguments": arguments}


def value_of(variable: Variable | None, value: Any) -> Any:
    """An argument of MCP is a string: of a variable that is none, it holds JSON. What is no JSON stays as it is, and is
    refused for its type."""
    if variable is None or variable.type == "string" or not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return value


def message_of(message: Message) -> JSON:
    """MCP knows only the user and the assistant: what a system would say is said by the user, in its place."""
    role = "assistant" if message.role == "assistant" else "user"
    return {"role": role, "content": {"type": "text", "text": message.text}}


def as_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
