"""Streamable HTTP as of 2025-11-25: a handshake, a session, and streams that can be resumed.

A client that goes away does not cancel its request: it comes back for the rest, or cancels by a notification.
Specification: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final

from guru.agents.mcp import messages
from guru.agents.mcp.messages import Answer, Message, Notification, Request
from guru.agents.mcp.protocol import (
    INVALID_REQUEST,
    LEGACY,
    LEVELS,
    SESSION_NOT_FOUND,
    McpError,
    invalid_params,
)
from guru.agents.mcp.serving.provider import Access
from guru.agents.mcp.serving.reply import Reply
from guru.agents.mcp.serving.server import INSTRUCTIONS, McpServer, legacy_error, legacy_result
from guru.agents.mcp.serving.session import AT_ONCE, LegacyPeer, Session, Sessions
from guru.agents.mcp.serving.stream import Stream, place
from guru.types import JSON

RETRY: Final = 1000
"""Milliseconds after which a client comes back for the rest of a stream."""
PRIMED: Final = "2025-11-25"
"""From this revision on, a stream begins with an event that says where it can be resumed."""


class LegacyDoor:
    def __init__(self, server: McpServer, closing: asyncio.Event) -> None:
        self._server = server
        self._closing = closing
        self._sessions = Sessions()

    async def post(self, message: Message, headers: Mapping[str, str], access: Access, *, streams: bool) -> Reply:
        number = message.id if isinstance(message, Request) else None
        try:
            if isinstance(message, Request) and message.method == "initialize":
                return self._initialize(message, access)
            session = self._session(headers, access)
            if isinstance(message, Request):
                return await self._request(message, session, streams=streams)
        except McpError as error:
            status = 404 if error.code == SESSION_NOT_FOUND else 400
            return Reply(status=status, message=messages.failure(number, error))
        if isinstance(message, Answer):
            session.answered(message)
        else:
            self._notified(message, session)
        return Reply(status=202)

    async def get(self, headers: Mapping[str, str], access: Access) -> Reply:
        """The stream of what belongs to no request, or the rest of the one that `last-event-id` names."""
        try:
            session = self._session(headers, access)
            last = headers.get("last-event-id")
            if last is None:
                return Reply(events=self._general(session, session.general.count))
            found = place(last)
            stream = session.streams.get(found[0]) if found else None
            if found is None or stream is None:
                raise McpError(INVALID_REQUEST, "There is nothing to resume after that event.")
            if stream is session.general:
                return Reply(events=self._general(session, found[1]))
            return Reply(events=stream.read(found[1]))
        except McpError as error:
            status = 404 if error.code == SESSION_NOT_FOUND else 400
            return Reply(status=status, message=messages.failure(None, error))

    async def _general(self, session: Session, after: int) -> AsyncIterator[bytes]:
        """What belongs to no request, for as long as somebody reads it and the server runs."""

        async def end_with_server() -> None:
            await self._closing.wait()
            session.general.end()

        with session.listening(self._server.changes):
            ending = asyncio.create_task(end_with_server())
            try:
                async for event in session.general.read(after):
                    yield event
            finally:
                ending.cancel()

    async def delete(self, headers: Mapping[str, str], access: Access) -> Reply:
        try:
            await self._sessions.end(self._session(headers, access))
        except McpError as error:
            status = 404 if error.code == SESSION_NOT_FOUND else 400
            return Reply(status=status, message=messages.failure(None, error))
        return Reply(status=204)

    async def aclose(self) -> None:
        await self._sessions.aclose()

    # ---------------------------------------------------------------------- sessions

    def _initialize(self, request: Request, access: Access) -> Reply:
        asked, capabilities = request.params.get("protocolVersion"), request.params.get("capabilities", {})
        if not isinstance(asked, str) or not isinstance(capabilities, dict):
            raise invalid_params("`protocolVersion` must be a string, and `capabilities` an object.")
        revision = asked if asked in LEGACY else LEGACY[0]
        session = Session(access, revision, capabilities, self._server)
        self._sessions.add(session)
        result: JSON = {
            "protocolVersion": revision, "capabilities": self._server.capabilities,
            "serverInfo": self._server.identity, "instructions": INSTRUCTIONS,
        }  # fmt: skip
        return Reply(message=messages.result(request.id, result), headers={"mcp-session-id": session.id})

    def _session(self, headers: Mapping[str, str], access: Access) -> Session:
        said = headers.get("mcp-protocol-version")
        if said is not None and said not in LEGACY:
            raise McpError(INVALID_REQUEST, f"MCP-Protocol-Version {said!r} is none of {', '.join(LEGACY)}.")
        name = headers.get("mcp-session-id")
        if name is None:
            raise McpError(INVALID_REQUEST, "Mcp-Session-Id is missing: initialize a session first.")
        return self._sessions.get(name, access)

    def _notified(self, message: Notification, session: Session) -> None:
        if message.method == "notifications/cancelled":
            task = session.running.get(message.params.get("requestId", ""))
            if task is not None:
                task.cancel()

    # ---------------------------------------------------------------------- requests

    async def _request(self, request: Request, session: Session, *, streams: bool) -> Reply:
        if request.id in session.running:
            raise McpError(INVALID_REQUEST, f"A request with the id {request.id!r} is being worked on.")
        if len(session.running) >= AT_ONCE:
            raise McpError(INVALID_REQUEST, f"A session may have {AT_ONCE} requests at a time.")
        stream = session.open_stream()
        task = session.running[request.id] = asyncio.create_task(self._work(request, session, stream))

        def finish(_: object) -> None:  # also when it is cancelled before it has begun
            del session.running[request.id]
            stream.end()

        task.add_done_callback(finish)
        if streams:
            prime = session.revision >= PRIMED
            return Reply(events=stream.read(prime=prime, retry=RETRY if prime else None))
        await asyncio.wait({task})  # which goes on when this client leaves
        return Reply(status=202) if task.cancelled() else Reply(message=task.result())

    async def _work(self, request: Request, session: Session, stream: Stream) -> JSON:
        try:
            message = messages.result(request.id, await self._result(request, session, stream))
        except McpError as error:
            message = messages.failure(request.id, legacy_error(error))
        stream.write(message)  # which a request that its client cancelled does not come to
        stream.end()
        return message

    async def _result(self, request: Request, session: Session, stream: Stream) -> JSON:
        params = request.params
        match request.method:
            case "ping":
                return {}
            case "logging/setLevel":
                if params.get("level") not in LEVELS:
                    raise invalid_params(f"`level` must be one of {', '.join(LEVELS)}.")
                session.level = params["level"]
                return {}
            case "resources/subscribe" | "resources/unsubscribe":
                session.subscribe(params.get("uri"), on=request.method == "resources/subscribe")
                return {}
        peer = LegacyPeer(session, stream, request)
        result = await self._server.handle(request.method, params, session.access, peer)
        return legacy_result(request.method, result)
