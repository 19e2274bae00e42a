"""`guru mcp login`: a person allows Guru to use a server, in a browser that comes back to this machine."""

from __future__ import annotations

import asyncio
import sys
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click

from guru.errors import ConfigurationError, Forbidden, NotFound

WAIT = 600.0
"""Seconds that the person has."""
HEAD = b"HTTP/1.1 %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
DONE = b"Guru has its answer. You can close this window."


class Browser:
    """`guru.agents.mcp.client.oauth.Consent` by the person's browser and a port of this machine."""

    def __init__(self, port: int, came: asyncio.Future[str]) -> None:
        self.redirect_uri = f"http://127.0.0.1:{port}/callback"
        self._came = came

    async def ask(self, url: str) -> str:
        click.echo(f"Allow it here:\n{url}", err=True)
        if sys.stdin.isatty():
            await asyncio.to_thread(webbrowser.open, url)
        try:
            async with asyncio.timeout(WAIT):
                return await self._came
        except TimeoutError:
            raise Forbidden("Nobody allowed it in time.", hint="Log in again.") from None


@asynccontextmanager
async def listening() -> AsyncIterator[Browser]:
    """A browser, and a port for it to come back to. The first address that it comes back with counts."""
    came: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(10):
                line = await reader.readline()
            path = line.decode("latin-1").split(" ")[1] if line.count(b" ") == 2 else ""
            found = path.startswith("/callback?")
            if found and not came.done():
                came.set_result(f"http://127.0.0.1{path}")
            status = b"200 OK" if found else b"404 Not Found"
            writer.write(
                b"HTTP/1.1 %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (status, len(DONE), DONE)
            )
            await writer.drain()
        except (TimeoutError, ValueError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Browser(server.sockets[0].getsockname()[1], came)
    finally:
        server.close()
        await server.wait_closed()


async def log_in(name: str, home: Path, config: Path | None) -> None:
    """Get a token for a server, and keep it in the home. Raises `GuruError`."""
    from guru.agents.mcp.client.client import McpClient
    from guru.agents.mcp.client.host import Host
    from guru.agents.mcp.client.oauth import OAuth
    from guru.agents.mcp.client.streamable import StreamableChannel
    from guru.agents.mcp.protocol import McpError
    from guru.config import load_settings
    from guru.models.http import HttpClient
    from guru.server.mcp_servers import HomeGrants, ReachedHttp

    settings = load_settings(config, home=home).mcp
    server = settings.servers.get(name)
    if server is None:
        raise NotFound(f"There is no MCP server {name!r}.", hint="Name it in guru.toml, as [mcp.servers.NAME].")
    if server.url is None:
        raise ConfigurationError(f"{name} is a program: it needs no login.", hint="Give it what it needs by `env`.")
    http = HttpClient()
    try:
        async with listening() as browser:
            reached = ReachedHttp(http, private=server.private)
            oauth = OAuth(
                reached, server.url, HomeGrants(home, name), consent=browser, scopes=server.scopes,
                client_id=server.client_id, client_secret=server.client_secret,
            )  # fmt: skip
            channel = StreamableChannel(reached, server.url, server.headers, authorization=oauth, idle=WAIT)
            client = McpClient(channel, Host(name), timeout=WAIT)
            try:
                await client.connect()
                await client.tools()
            except McpError as error:
                raise Forbidden(f"{name} answered: {error.message}", hint="Ask those who run it.") from error
            finally:
                await client.aclose()
    finally:
        await http.aclose()
