"""What a server serves, and from where: protocols that the tools, the knowledge base and the prompts fill."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

from msgspec import Struct

from guru.agents.mcp.serving.peer import Peer
from guru.store.scope import Scope
from guru.types import JSON


class Access(Struct, frozen=True, kw_only=True):
    """Who asks."""

    scope: Scope
    """What they may see."""
    caller: Any = None
    """As the gateway knows them; handed on, not looked into."""
    person: str = ""
    """Their name within the tenant: what is theirs is nobody else's."""
    key: str = ""
    """The id of the key that they came with; empty without one."""
    client: str = ""
    """What their program calls itself, which nobody has checked."""
    trace: str = ""
    """The id of the trace of their request."""
    may_change: bool = True
    """Whether they may use tools that change something."""


Background = Literal["never", "optional", "required"]
"""Whether a call may, or must, go on behind the request, for clients that know how to ask about it."""


class ServedTool(Protocol):
    @property
    def task(self) -> Background: ...

    async def prepare(self, arguments: JSON, access: Access, peer: Peer) -> None:
        """Ask what is to be asked before a call goes on behind the request; its answers come with `peer` then."""
        ...

    @property
    def definition(self) -> JSON:
        """As `tools/list` shows it."""
        ...

    async def call(self, arguments: JSON, access: Access, peer: Peer) -> JSON:
        """A `CallToolResult`. Raises `McpError` for what is wrong with the request itself."""
        ...


class ToolSource(Protocol):
    def tools(self, access: Access) -> Awaitable[Sequence[ServedTool]]:
        """What the caller may use, always in the same order."""
        ...


class ResourceSource(Protocol):
    async def resources(self, access: Access, cursor: str | None) -> tuple[list[JSON], str | None]:
        """One page of what can be read, and where the next one begins. Raises `McpError` for a cursor of no page."""
        ...

    async def templates(self, access: Access) -> list[JSON]: ...

    async def read(self, access: Access, uri: str) -> list[JSON] | None:
        """The contents; None for what is not there, or not for this caller."""
        ...

    async def marks(self, access: Access, uris: Sequence[str]) -> dict[str, str]:
        """For each, and for `""`, the list as a whole: a text that differs when it has changed."""
        ...

    async def complete(self, access: Access, name: str, argument: str, value: str) -> list[str]:
        """What a variable of a template may be that begins with `value`."""
        ...


class PromptSource(Protocol):
    async def prompts(self, access: Access) -> Sequence[JSON]: ...

    async def get(self, access: Access, name: str, arguments: JSON, peer: Peer) -> JSON | None:
        """A `GetPromptResult`; None for a prompt that is not there. Raises `McpError` for arguments it lacks."""
        ...

    async def complete(self, access: Access, name: str, argument: str, value: str) -> list[str]: ...


class Asked(Struct, frozen=True, kw_only=True):
    """What a client wants, of that which is written down."""

    method: str
    kind: Literal["tool", "resource", "prompt"]
    name: str
    """Of the tool or the prompt, or the address of the resource, as the client says it."""
    arguments: JSON


class Record(Protocol):
    """One request, while it is worked on."""

    @property
    def access(self) -> Access:
        """Who asks: for the work that is done for this request."""
        ...

    def questions(self, asked: Sequence[str]) -> None:
        """The client has to answer these before it gets a result."""
        ...

    def result(self, result: JSON) -> None: ...


class Recorder(Protocol):
    """Writes down what clients do."""

    def record(self, asked: Asked, access: Access) -> AbstractContextManager[Record]: ...
