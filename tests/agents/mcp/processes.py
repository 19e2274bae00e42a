"""What server processes have of MCP, on one database; their clients speak to them without HTTP."""

import asyncio
import json

from guru.agents.mcp.protocol import LEGACY, MODERN
from guru.agents.mcp.serving.provider import Access
from guru.agents.mcp.serving.seal import Seal
from guru.agents.mcp.serving.server import McpServer
from guru.agents.mcp.serving.streamable import Streamable
from guru.store.scope import Scope

ANN = Access(scope=Scope("local"), person="user:ann", key="key_1")
STRANGERS = [
    Access(scope=Scope("local"), person="user:ann", key="key_2"),
    Access(scope=Scope("local"), person="user:ben", key="key_1"),
    Access(scope=Scope("acme"), person="user:ann", key="key_1"),
]
ABLE = {"elicitation": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}}


class Process:
    """What one server process has of MCP."""

    def __init__(self, database, source):
        self.database = database
        self.source = source
        self.closing = asyncio.Event()
        server = McpServer(tools=source, resources=source, prompts=source, watch_seconds=0.02)
        self.served = Streamable(server, Seal(b"k" * 32), self.closing, database)

    async def post(self, message, session=None, access=ANN, **headers):
        sent = {"mcp-session-id": session} if session else {}
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        return await self.served.post(body, sent | headers, access)

    async def call(self, number, method, session, **params):
        """The messages of an answer."""
        reply = await self.post({"id": number, "method": method, "params": params}, session)
        return [event async for event in Events(reply)]

    async def open(self, capabilities=None):
        params = {"protocolVersion": LEGACY[0], "capabilities": capabilities or {}, "clientInfo": {"name": "tester"}}
        reply = await self.post({"id": 0, "method": "initialize", "params": params})
        return reply.headers["mcp-session-id"]

    async def get(self, session, last=None):
        headers = {"mcp-session-id": session} | ({"last-event-id": last} if last else {})
        return await self.served.get(headers, ANN)

    async def modern(self, method, access=ANN, able=ABLE, **params):
        meta = {"protocolVersion": MODERN, "clientCapabilities": able}
        params["_meta"] = {f"io.modelcontextprotocol/{name}": value for name, value in meta.items()}
        named = params.get("name") or params.get("taskId")
        headers = {
            "mcp-protocol-version": MODERN,
            "mcp-method": method,
            "mcp-name": named,
            "accept": "application/json",
        }
        reply = await self.post({"id": 1, "method": method, "params": params}, access=access, **headers)
        return [event async for event in Events(reply)][-1]

    async def task(self, id, status):
        """A task, once it has that status."""
        while (found := (await self.modern("tasks/get", taskId=id))["result"])["status"] != status:
            await asyncio.sleep(0.01)
        return found


class Events:
    """The messages of a reply as they come; `last` is the id of the last event."""

    def __init__(self, reply):
        self.reply = reply
        self.last = None

    async def __aiter__(self):
        if self.reply.events is None:
            yield self.reply.message
            return
        async for event in self.reply.events:
            lines = dict(line.split(": ", 1) for line in event.decode().splitlines() if ": " in line)
            self.last = lines.get("id", self.last)
            if lines.get("data"):
                yield json.loads(lines["data"])

    async def leave(self):
        await self.reply.events.aclose()
