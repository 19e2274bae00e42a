"""The servers of the configuration: connected to when they are needed, again when they were gone, each by itself."""

from __future__ import annotations

import asyncio
import fnmatch
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Literal

from msgspec import Struct

from guru.agents.mcp.client.channel import NeverSent, ServerGone
from guru.agents.mcp.client.client import Changed, McpClient
from guru.agents.mcp.client.pins import MOST_BYTES, Pin, Pins, differences, fingerprint
from guru.agents.mcp.client.remote import RemoteTool, to_tool_result
from guru.agents.mcp.client.suspicion import findings
from guru.agents.mcp.messages import encode
from guru.agents.mcp.protocol import INVALID_PARAMS, METHOD_NOT_FOUND, MISSING_CAPABILITY, McpError
from guru.agents.tools.asking import Person
from guru.agents.tools.base import ToolContext, ToolResult
from guru.config import McpServerSettings
from guru.errors import Conflict, GuruError, InvalidParameter, NotFound
from guru.store.scope import Scope
from guru.types import JSON

log = logging.getLogger(__name__)
FRESH: Final = 60.0
"""Seconds for which a list of tools is not asked for again."""
WAIT: Final = 60.0
"""The longest wait before a server that was gone is tried again; it begins with one second."""
Status = Literal["accepted", "new", "changed", "excluded"]
Open = Callable[[str, McpServerSettings, Changed], Awaitable[McpClient]]
"""A client for a server, not yet connected. Raises `GuruError`."""


class ListedTool(Struct, kw_only=True):
    """A tool as the server describes it now."""

    name: str
    status: Status
    """`new` and `changed` wait for a person; `excluded`: the configuration does not name it."""
    definition: JSON
    findings: list[str]
    """What in it looks as if it were meant to lead a model astray."""
    changed: list[str] = []
    """The fields that differ from what was accepted."""
    before: JSON | None = None
    """What was accepted, where it has changed."""


class ServerStatus(Struct, kw_only=True):
    name: str
    transport: Literal["http", "stdio"]
    state: Literal["connected", "idle", "failed"]
    revision: str | None
    error: str | None


class ServerRefused(GuruError):
    """The server answered with an error."""

    status = 502
    code = "mcp_server_refused"


class RemoteServer:
    """One of them."""

    def __init__(self, name: str, settings: McpServerSettings, pins: Pins, opener: Open) -> None:
        self.name = name
        self.settings = settings
        self._pins = pins
        self._open = opener
        self._client: McpClient | None = None
        self._lock = asyncio.Lock()
        self._tools: list[JSON] | None = None
        self._listed_at = 0.0
        self._failures = 0
        self._not_before = 0.0
        self._working = 0
        self._idle = asyncio.Event()
        self._gone = False
        self.error: str | None = None

    def status(self) -> ServerStatus:
        state: Literal["connected", "idle", "failed"] = "failed" if self.error else "idle"
        return ServerStatus(
            name=self.name, transport="stdio" if self.settings.command else "http",
            state="connected" if self._client else state,
            revision=self._client.revision if self._client else None, error=self.error,
        )  # fmt: skip

    async def listed(self, *, fresh: bool = False) -> list[ListedTool]:
        """Its tools, each with what is to be known before it is used; `fresh`: as they are now. Raises `GuruError`."""
        if fresh:
            self._tools = None
        with self._at_work():
            pins = await self._pins.of(self.name)
            found = []
            for definition in await self._definitions():
                tool = judge(definition, pins.get(definition["name"]))
                if not any(fnmatch.fnmatchcase(tool.name, pattern) for pattern in self.settings.tools):
                    tool.status = "excluded"
                elif tool.status == "new" and not tool.findings:
                    await self._pins.accept(self.name, definition)
                    tool.status = "accepted"
                found.append(tool)
            return found

    async def accept(self, tool: str, seen: str, *, by: str) -> ListedTool:
        """Accept a tool as it is described now, if that is what was seen. Raises `NotFound`, `Conflict`, and others."""
        found = await self.find(tool, fresh=True)
        if fingerprint(found.definition) != seen:
            raise Conflict(f"{tool} has changed since it was shown.", hint="Look at it again before you accept it.")
        await self._pins.accept(self.name, found.definition, by=by)
        found.status, found.changed, found.before = "accepted", [], None
        return found

    async def find(self, tool: str, *, fresh: bool = False) -> ListedTool:
        """Raises `NotFound`."""
        found = next((item for item in await self.listed(fresh=fresh) if item.name == tool), None)
        if found is None:
            raise NotFound(f"{self.name} has no tool {tool!r}.", hint=f"See `guru mcp tools {self.name}`.")
        return found

    async def call(
        self, definition: JSON, arguments: JSON, *, person: Person | None = None, answered: JSON | None = None
    ) -> JSON:
        """A `CallToolResult`; see `McpClient.call`. Raises `GuruError` and `Suspended`."""
        with self._at_work():
            result: JSON = await self._with_client(
                lambda client: client.call(definition, arguments, person=person, answered=answered)
            )
            return result

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """What `retire` waits for. Raises `NotFound` where that is over."""
        if self._gone:
            raise NotFound(f"The MCP server {self.name} is not configured any more.", hint="Do without it.")
        self._working += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._working -= 1
            if not self._working:
                self._idle.set()

    async def _definitions(self) -> list[JSON]:
        if self._tools is None or self._client is None or time.monotonic() - self._listed_at > FRESH:
            found = await self._with_client(lambda client: client.tools())
            self._tools = [tool for tool in found if len(encode(tool)) <= MOST_BYTES]
            if len(found) > len(self._tools):
                log.warning("tools of the MCP server %s are left out: their definitions are too large", self.name)
            self._listed_at = time.monotonic()
        return self._tools

    async def _with_client(self, work: Callable[[McpClient], Awaitable[Any]]) -> Any:
        """Connects first, where there is no connection, and once more when the server did not know the last one."""
        for last in (False, True):
            client = await self._connected()
            try:
                return await work(client)
            except NeverSent:
                await self._drop(client)
                if last:
                    raise
            except ServerGone:
                await self._drop(client)
                raise
            except McpError as error:
                raise as_guru(self.name, error) from error
        raise AssertionError("unreachable")

    async def _connected(self) -> McpClient:
        async with self._lock:
            if self._client is not None:
                return self._client
            if (wait := self._not_before - time.monotonic()) > 0:
                raise ServerGone(
                    f"The MCP server {self.name} cannot be used: {self.error}",
                    hint=f"It is tried again in {wait:.0f} seconds.",
                )
            try:
                client = await self._open(self.name, self.settings, self._heard)
                try:
                    await client.connect()
                except BaseException:
                    await client.aclose()
                    raise
            except McpError as error:
                raise self._failed(as_guru(self.name, error)) from error
            except GuruError as error:
                raise self._failed(error) from None
            self._client, self.error, self._failures = client, None, 0
            return client

    def _failed(self, error: GuruError) -> GuruError:
        self.error = str(error)
        self._not_before = time.monotonic() + min(WAIT, 2.0**self._failures)
        self._failures = min(self._failures + 1, 10)
        return error

    async def _heard(self, method: str, params: JSON) -> None:
        if method == "notifications/tools/list_changed":
            self._tools = None

    async def _drop(self, client: McpClient) -> None:
        if self._client is client:
            self._client = None
        await client.aclose()

    async def retire(self) -> None:
        """It is not configured any more: what is under way ends as it began, then the connection is closed."""
        while self._working:
            await self._idle.wait()
        self._gone = True
        await self.aclose()

    async def aclose(self) -> None:
        if self._client is not None:
            await self._drop(self._client)


class McpServers:
    """All of them."""

    def __init__(self, settings: Mapping[str, McpServerSettings], pins: Pins, opener: Open) -> None:
        self._pins = pins
        self._open = opener
        self._servers: dict[str, RemoteServer] = {}
        self._retiring: dict[asyncio.Task[None], RemoteServer] = {}
        self.configure(settings)

    def configure(self, settings: Mapping[str, McpServerSettings]) -> None:
        """Have these from now on. One that is as it was keeps its connection; of one that is another now, or gone,
        the calls under way end as they began."""
        before = self._servers
        self._servers = {
            name: old
            if (old := before.get(name)) is not None and old.settings == each
            else RemoteServer(name, each, self._pins, self._open)
            for name, each in settings.items()
        }
        for name, server in before.items():
            if self._servers.get(name) is not server:
                task = asyncio.create_task(server.retire())
                self._retiring[task] = server
                task.add_done_callback(self._retiring.pop)

    def __iter__(self) -> Iterator[RemoteServer]:
        return iter(self._servers.values())

    def get(self, name: str) -> RemoteServer:
        """Raises `NotFound`."""
        if name not in self._servers:
            known = ", ".join(self._servers) or "none"
            raise NotFound(f"There is no MCP server {name!r}.", hint=f"The configuration names: {known}.")
        return self._servers[name]

    async def tools(self, wanted: Callable[[McpServerSettings], bool] = lambda settings: True) -> list[RemoteTool]:
        """The tools of all servers that are wanted and can be used now. A server that cannot be reached has none, and
        is logged."""
        asked = [self._tools_of(server) for server in self if wanted(server.settings)]
        return [tool for found in await asyncio.gather(*asked) for tool in found]

    async def _tools_of(self, server: RemoteServer) -> list[RemoteTool]:
        try:
            listed = await server.listed()
        except GuruError as error:
            log.warning("the MCP server %s has no tools now: %s", server.name, error)
            return []
        accepted = [tool.definition for tool in listed if tool.status == "accepted"]
        return [RemoteTool(server.name, definition, server.settings, self._call) for definition in accepted]

    async def _call(self, server: str, definition: JSON, arguments: JSON, context: ToolContext) -> JSON:
        """Raises `Conflict` when the tool has changed since it was given out."""
        remote = self.get(server)
        found = await remote.find(definition["name"])
        check_usable(server, found)
        if fingerprint(found.definition) != fingerprint(definition):
            raise Conflict(f"{found.name} was changed.", hint="Look at its new description before you call it.")
        result: JSON = await remote.call(definition, arguments, person=context.person, answered=context.answered)
        return result

    async def call(self, server: str, tool: str, arguments: JSON) -> ToolResult:
        """What a tool gives, by the names that the server uses. Raises `GuruError`."""
        remote = self.get(server)
        found = await remote.find(tool)
        check_usable(server, found)
        return to_tool_result(await remote.call(found.definition, arguments))

    async def aclose(self) -> None:
        retiring = dict(self._retiring)
        await asyncio.gather(*(server.aclose() for server in (*self, *retiring.values())))
        await asyncio.gather(*retiring, return_exceptions=True)


class ServersTools:
    """`guru.agents.tools.catalogue.ToolSource`: the tools of the servers, for whom the configuration allows them."""

    def __init__(self, servers: McpServers, tenant: str, *, served: bool = False) -> None:
        """`tenant` is the organisation whose servers they are; `served`: only of those that `/mcp` passes on."""
        self._servers = servers
        self._tenant = tenant
        self._served = served

    async def tools(self, scope: Scope) -> list[RemoteTool]:
        if scope.tenant != self._tenant:
            return []
        names = scope.names

        def wanted(settings: McpServerSettings) -> bool:
            allow = settings.allow
            allowed = names is None or not allow or not set(allow).isdisjoint(names)
            return allowed and (settings.serve or not self._served)

        return await self._servers.tools(wanted)


def judge(definition: JSON, pin: Pin | None) -> ListedTool:
    """A tool beside what was accepted of it."""
    name = definition["name"]
    if pin is None:
        return ListedTool(name=name, status="new", definition=definition, findings=findings(definition))
    if pin.hash == fingerprint(definition):
        return ListedTool(name=name, status="accepted", definition=definition, findings=[])
    return ListedTool(
        name=name, status="changed", definition=definition, findings=findings(definition),
        changed=differences(pin.definition, definition), before=pin.definition,
    )  # fmt: skip


def check_usable(server: str, tool: ListedTool) -> None:
    """Raises `Conflict` for a tool that nobody has accepted as it is."""
    if tool.status == "accepted":
        return
    why = {
        "new": f"looks suspicious ({'; '.join(tool.findings)})",
        "changed": f"has changed since it was accepted ({', '.join(tool.changed)})",
        "excluded": "is not among those that the configuration names",
    }[tool.status]
    hint = "Name it in [mcp.servers.NAME] tools."
    if tool.status != "excluded":
        hint = f"See it with `guru mcp tools {server}`, and accept it with `guru mcp approve {server} {tool.name}`."
    raise Conflict(f"{tool.name} of {server} {why}.", hint=hint)


def as_guru(server: str, error: McpError) -> GuruError:
    """An error of a server for whoever called, in words that a model can mend its call by."""
    said = f"{server} answered: {error.message}"
    if error.code in (INVALID_PARAMS, METHOD_NOT_FOUND):
        return InvalidParameter(said, hint="Call it with other arguments.")
    if error.code == MISSING_CAPABILITY:
        return ServerRefused(said, hint="It needs more of its caller than this call offers, such as a person to ask.")
    return ServerRefused(said, hint="Try again, or do without it.")
