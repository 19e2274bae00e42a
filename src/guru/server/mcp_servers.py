"""MCP servers of the configuration, put together: what carries the messages, what they may ask, who they know."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from guru.agents.mcp.client.channel import Channel
from guru.agents.mcp.client.client import Changed, McpClient
from guru.agents.mcp.client.host import Host
from guru.agents.mcp.client.oauth import Grant, OAuth
from guru.agents.mcp.client.pins import Pins
from guru.agents.mcp.client.servers import McpServers
from guru.agents.mcp.client.stdio import StdioChannel
from guru.agents.mcp.client.streamable import StreamableChannel
from guru.config import McpServerSettings, McpSettings, Settings
from guru.errors import ConfigurationError
from guru.gateway.identity import LOCAL_TENANT, Caller
from guru.gateway.pipeline import Road
from guru.models.http import HttpClient, Reach, Response, Timeouts
from guru.server.mcp_sampling import RoadSampler
from guru.store.database import Database


def open_servers(
    stack: AsyncExitStack, settings: McpSettings, database: Database, road: Road, *, home: Path
) -> ConfiguredServers:
    """All of them; none is connected to before it is needed."""
    http = HttpClient()
    stack.push_async_callback(http.aclose)
    servers = ConfiguredServers(settings, Pins(database, LOCAL_TENANT), http, road, home)
    stack.push_async_callback(servers.aclose)
    return servers


class ConfiguredServers(McpServers):
    """The servers of the configuration as it is now."""

    def __init__(self, settings: McpSettings, pins: Pins, http: HttpClient, road: Road, home: Path) -> None:
        self._http, self._road, self._home = http, road, home
        self._allow_stdio = settings.allow_stdio
        super().__init__(settings.servers, pins, self._client)

    def reload(self, settings: Settings) -> None:
        new = settings.mcp
        if new.allow_stdio != self._allow_stdio:
            self._allow_stdio = new.allow_stdio
            self.configure({name: server for name, server in new.servers.items() if not server.command})
        self.configure(new.servers)

    async def _client(self, name: str, server: McpServerSettings, changed: Changed) -> McpClient:
        channel = await open_channel(name, server, self._http, home=self._home, stdio=self._allow_stdio)
        sampler = None
        if server.sampling_model is not None:
            caller = Caller(tenant=LOCAL_TENANT, route="mcp", trace_id="", user=f"mcp:{name}")
            sampler = RoadSampler(self._road, server.sampling_model, caller)
        host = Host(
            name, roots=server.roots, sampler=sampler, tokens=server.sampling_tokens, calls=server.sampling_calls,
            asks=server.elicitation, patience=server.elicitation_seconds,
        )  # fmt: skip
        return McpClient(channel, host, timeout=server.timeout, changed=changed)


async def open_channel(name: str, server: McpServerSettings, http: HttpClient, *, home: Path, stdio: bool) -> Channel:
    """What carries the messages. Raises `ConfigurationError`."""
    if bool(server.command) == (server.url is not None):
        raise ConfigurationError(
            f"[mcp.servers.{name}] has neither a url nor a command, or both.", hint="Give it one of the two."
        )
    if server.url is None:
        if not stdio:
            raise ConfigurationError(
                f"The MCP server {name} is a program, and programs are not started.",
                hint="If you trust it with all that you can do on this machine, set [mcp] allow_stdio = true.",
            )
        return StdioChannel(server.command, server.env, server.cwd)
    reached = ReachedHttp(http, private=server.private)
    oauth = OAuth(
        reached, server.url, HomeGrants(home, name), scopes=server.scopes, client_id=server.client_id,
        client_secret=server.client_secret,
    )  # fmt: skip
    await oauth.open()
    idle = server.timeout + (server.elicitation_seconds if server.elicitation else 0)
    return StreamableChannel(reached, server.url, server.headers, authorization=oauth, idle=idle)


class ReachedHttp:
    """`guru.agents.mcp.client.http.Http` by the client that knows which addresses are private."""

    def __init__(self, http: HttpClient, *, private: bool) -> None:
        self._http = http
        self._reach = Reach("mcp", public=not private)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", *, idle: float
    ) -> ReachedAnswer:
        response = await self._http.request(
            method, url, headers=headers, body=body, timeouts=Timeouts(first_byte=idle, idle=idle),
            reach=self._reach, redirects=True,
        )  # fmt: skip
        return ReachedAnswer(response)


class ReachedAnswer:
    def __init__(self, response: Response) -> None:
        self._response = response
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers.items()}

    def iter(self) -> AsyncIterator[bytes]:
        return self._response.iter()

    async def aclose(self) -> None:
        await self._response.aclose()


class HomeGrants:
    """Tokens in a file of the home that only its owner can read."""

    def __init__(self, home: Path, server: str) -> None:
        self._path = home / "mcp" / f"{server.encode().hex()}.json"

    async def load(self) -> Grant | None:
        return await asyncio.to_thread(self._read)

    async def save(self, grant: Grant) -> None:
        await asyncio.to_thread(self._write, msgspec.json.encode(grant))

    def _read(self) -> Grant | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Grant)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None  # never logged in, or half of a file: the person logs in again

    def _write(self, data: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = self._path.with_suffix(f".{os.getpid()}.part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
        part.replace(self._path)
