"""MCP over standard input and output, by way of `/mcp`: each line is a message, and goes as a request of its own.

There is one server, over HTTP; this carries its messages. A client of either era may be at the other end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import TYPE_CHECKING

from guru.agents.mcp import messages
from guru.agents.mcp.client.http import MOST_BYTES
from guru.agents.mcp.client.streamable import StreamableChannel
from guru.agents.mcp.headers import parameter_headers, standard_headers
from guru.agents.mcp.messages import Answer, Id, Message, Notification, Request
from guru.agents.mcp.protocol import INTERNAL_ERROR, MODERN, VERSION_KEY, McpError
from guru.cli.mcp_http import SessionHttp
from guru.errors import GuruError
from guru.types import JSON

if TYPE_CHECKING:
    from guru.cli.client import Client


async def bridge(client: Client) -> None:
    """Carry messages until standard input ends."""
    channel = StreamableChannel(SessionHttp(client.session), f"{client.url}/mcp", {}, idle=3600.0)
    await Bridge(channel).run(await open_input())
    await channel.aclose()


async def open_input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=MOST_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


class Bridge:
    def __init__(self, channel: StreamableChannel) -> None:
        self._channel = channel
        self._output = os.dup(sys.stdout.fileno())
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever else prints does not get among the messages
        self._tasks: dict[Id, asyncio.Task[None]] = {}
        self._others: set[asyncio.Task[None]] = set()
        self._writing = asyncio.Lock()
        self._schemas: dict[str, JSON] = {}
        """Of tools that the client was told of: a modern call repeats some parameters in headers."""

    async def run(self, reader: asyncio.StreamReader) -> None:
        """Read lines until there are no more."""
        try:
            while line := await reader.readline():
                await self._carry(line)
        except ValueError:
            await self._write(messages.failure(None, McpError(-32600, "A line is too long.")))
        finally:
            tasks = [*self._tasks.values(), *self._others]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            os.close(self._output)

    async def _carry(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            message = messages.decode(line)
        except McpError as error:
            await self._write(messages.failure(None, error))
            return
        if isinstance(message, Request):
            task = self._tasks[message.id] = asyncio.create_task(self._ask(message))
            task.add_done_callback(lambda _: self._tasks.pop(message.id, None))
            if message.method == "initialize":
                await asyncio.wait({task})  # what follows belongs to the session that this begins
        else:
            await self._tell(message)

    async def _ask(self, request: Request) -> None:
        modern = VERSION_KEY in (request.params.get("_meta") or {})
        headers = standard_headers(MODERN, request.method, request.params) if modern else {}
        if modern and request.method == "tools/call":
            schema = self._schemas.get(str(request.params.get("name")), {})
            headers |= parameter_headers(schema, request.params.get("arguments") or {})
        if modern:
            headers["mcp-protocol-version"] = str(request.params["_meta"][VERSION_KEY])
        sent = messages.request(request.id, request.method, request.params)
        try:
            answer = await self._channel.request(sent, headers, self._hear)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            said = error.message if isinstance(error, GuruError) else str(error)
            answer = Answer(request.id, error=McpError(INTERNAL_ERROR, said).body())
        if request.method == "tools/list" and answer.result:
            self._schemas |= {tool["name"]: tool["inputSchema"] for tool in answer.result.get("tools", ())}
        if request.method == "initialize" and answer.result:
            self._channel.agreed(answer.result["protocolVersion"])
        await self._write(as_json(answer, request.id))

    async def _tell(self, message: Notification | Answer) -> None:
        if isinstance(message, Notification) and message.method == "notifications/cancelled":
            task = self._tasks.get(message.params.get("requestId", ""))
            if task is not None and self._channel.revision is None:
                task.cancel()  # the end of the connection tells a modern server
                return
        sent = as_json(message, None)
        with contextlib.suppress(GuruError):
            await self._channel.send(sent, {})
        if isinstance(message, Notification) and message.method == "notifications/initialized":
            task = asyncio.create_task(self._listen())
            self._others.add(task)
            task.add_done_callback(self._others.discard)

    async def _listen(self) -> None:
        with contextlib.suppress(GuruError):
            await self._channel.listen(self._hear, asyncio.Event())

    async def _hear(self, message: Request | Notification) -> None:
        await self._write(as_json(message, None))

    async def _write(self, message: JSON) -> None:
        data = messages.encode(message) + b"\n"
        async with self._writing:
            await asyncio.to_thread(write_all, self._output, data)


def write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def as_json(message: Message, number: Id | None) -> JSON:
    if isinstance(message, Request):
        return messages.request(message.id, message.method, message.params)
    if isinstance(message, Notification):
        return messages.notification(message.method, message.params)
    if message.error is not None:
        return {"jsonrpc": "2.0", "id": message.id if message.id is not None else number, "error": message.error}
    return {"jsonrpc": "2.0", "id": message.id, "result": message.result}
