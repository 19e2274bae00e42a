"""Streamable HTTP: one address, both eras. What a client sends says which one it is of."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from guru.agents.mcp import messages
from guru.agents.mcp.messages import Message, Request
from guru.agents.mcp.protocol import LEGACY, VERSION_KEY, McpError
from guru.agents.mcp.serving.legacy import LegacyDoor
from guru.agents.mcp.serving.modern import ModernDoor
from guru.agents.mcp.serving.provider import Access
from guru.agents.mcp.serving.reply import Reply
from guru.agents.mcp.serving.seal import Seal
from guru.agents.mcp.serving.server import McpServer
from guru.store.database import Database

MOST_BYTES = 4 << 20
"""Of one message."""


class Streamable:
    """The whole server, over HTTP. `headers` have lower-case names."""

    def __init__(self, server: McpServer, seal: Seal, closing: asyncio.Event, database: Database) -> None:
        self.server = server
        self._modern = ModernDoor(server, seal, closing, database)
        self._legacy = LegacyDoor(server, closing, database)

    async def post(self, body: bytes, headers: Mapping[str, str], access: Access) -> Reply:
        kinds = accepted(headers.get("accept", "*/*"))
        if not kinds:
            error = McpError(-32600, "Accept must allow application/json and text/event-stream.")
            return Reply(status=406, message=messages.failure(None, error))
        streams = "text/event-stream" in kinds
        try:
            message = messages.decode(body)
        except McpError as error:
            return Reply(status=400, message=messages.failure(None, error))
        if is_legacy(message, headers):
            return await self._legacy.post(message, headers, access, streams=streams)
        if isinstance(message, Request):
            return await self._modern.post(message, headers, access, streams=streams)
        return Reply(status=202)  # a modern client cancels by closing; it has nothing else to notify of

    async def get(self, headers: Mapping[str, str], access: Access) -> Reply:
        return await self._legacy.get(headers, access)

    async def delete(self, headers: Mapping[str, str], access: Access) -> Reply:
        return await self._legacy.delete(headers, access)

    async def aclose(self) -> None:
        await self._legacy.aclose()
        await self._modern.aclose()


def is_legacy(message: Message, headers: Mapping[str, str]) -> bool:
    """Modern clients say so in `_meta` and in a header; whoever says it in one place only has made a mistake there."""
    meta = message.params.get("_meta") if isinstance(message, Request) else None
    if isinstance(meta, dict) and VERSION_KEY in meta:
        return False
    said = headers.get("mcp-protocol-version")
    return said is None or said in LEGACY


def accepted(accept: str) -> set[str]:
    """Which of the two kinds of answers a client takes. JSON must be among them."""
    ranges = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    found = {
        kind
        for kind in ("application/json", "text/event-stream")
        if ranges & {kind, "*/*", kind.partition("/")[0] + "/*"}
    }
    return found if "application/json" in found else set()
