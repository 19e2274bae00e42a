"""Streamable HTTP as of 2025-11-25: a handshake, a session, and streams that can be resumed.

A client that goes away does not cancel its request: it comes back for the rest, or cancels by a notification. Sessions
are in the store, and each message of a client may come to another server.
Specification: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from typing import Final

import msgspec
from msgspec import structs

from guru.agents.mcp import messages
from guru.agents.mcp.messages import Answer, Id, Message, Notification, Request
from guru.agents.mcp.protocol import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    LEGACY,
    LEVELS,
    SESSION_NOT_FOUND,
    McpError,
    client_name,
    invalid_params,
)
from guru.agents.mcp.serving.legacy_sessions import LegacySessions
from guru.agents.mcp.serving.provider import Access
from guru.agents.mcp.serving.reply import Reply
from guru.agents.mcp.serving.server import INSTRUCTIONS, McpServer, legacy_error, legacy_result
from guru.agents.mcp.serving.session import AT_ONCE, GENERAL, LegacyPeer, Session, Work
from guru.agents.mcp.serving.stream import Stream, place
from guru.errors import GuruError
from guru.store.database import Database
from guru.types import JSON

RETRY: Final = 1000
"""Milliseconds after which a client comes back for the rest of a stream."""
PRIMED: Final = "2025-11-25"
"""From this revision on, a stream begins with an event that says where it can be resumed."""
MOST_NAME: Final = 200
"""Characters of the id of a request that another server is told to cancel."""
STREAM: Final = re.compile(r"s[0-9a-f]{16}")
"""How the streams of requests are called."""


class LegacyDoor:
    def __init__(self, server: McpServer, closing: asyncio.Event, database: Database) -> None:
        self._server = server
        self._closing = closing
        self._sessions = LegacySessions(database, server)

    async def post(self, message: Message, headers: Mapping[str, str], access: Access, *, streams: bool) -> Reply:
        number = message.id if isinstance(message, Request) else None
        try:
            if isinstance(message, Request) and message.method == "initialize":
                return await self._initialize(message, access)
            session = await self._session(headers, access)
            access = structs.replace(access, client=session.row.client)
            if isinstance(message, Request):
                return await self._request(message, session, access, streams=streams)
        except McpError as error:
            return refused(error, number)
        if isinstance(message, Answer):
            if not session.answered(message):
                await self._sessions.mail.answer(session.row, message)
        else:
            await self._notified(message, session)
        return Reply(status=202)

    async def get(self, headers: Mapping[str, str], access: Access) -> Reply:
        """The stream of what belongs to no request, or the rest of the one that `last-event-id` names."""
        try:
            session = await self._session(headers, access)
            last = headers.get("last-event-id")
            name, after = place(last) or ("", 0) if last is not None else (session.general.name, session.general.count)
            return Reply(events=await self._rest(session, access, name, after))
        except McpError as error:
            return refused(error, None)

    async def _rest(self, session: Session, access: Access, name: str, after: int) -> AsyncIterator[bytes]:
        """What came on a stream of a session after a message. Raises `McpError` for one that nobody knows."""
        if name == session.general.name:
            return self._general(session, access, after)
        if name.startswith(GENERAL):  # of another server, or of one that has stopped
            after = session.general.count
            session.tell_all()
            return self._general(session, access, after)
        stream = session.streams.get(name)
        if stream is not None:
            return stream.read(after)
        if STREAM.fullmatch(name) and await self._sessions.elsewhere(session.row, name):
            return self._sessions.left.read(session.row, name, after)
        raise McpError(INVALID_REQUEST, "There is nothing to resume after that event.")

    async def _general(self, session: Session, access: Access, after: int) -> AsyncIterator[bytes]:
        """What belongs to no request, for as long as somebody reads it and the server runs."""

        async def end_with_server() -> None:
            await self._closing.wait()
            session.general.end()

        with session.listening(self._server.changes, access):
            self._sessions.wake(session)
            ending = asyncio.create_task(end_with_server())
            try:
                async for event in session.general.read(after):
                    yield event
            finally:
                ending.cancel()

    async def delete(self, headers: Mapping[str, str], access: Access) -> Reply:
        try:
            await self._sessions.end(await self._session(headers, access))
        except McpError as error:
            return refused(error, None)
        return Reply(status=204)

    async def aclose(self) -> None:
        await self._sessions.aclose()

    # ---------------------------------------------------------------------- sessions

    async def _initialize(self, request: Request, access: Access) -> Reply:
        asked, capabilities = request.params.get("protocolVersion"), request.params.get("capabilities", {})
        if not isinstance(asked, str) or not isinstance(capabilities, dict):
            raise invalid_params("`protocolVersion` must be a string, and `capabilities` an object.")
        revision = asked if asked in LEGACY else LEGACY[0]
        client = client_name(request.params.get("clientInfo"))
        session = await self._sessions.rows.add(access, revision, capabilities, client)
        result: JSON = {
            "protocolVersion": revision, "capabilities": self._server.capabilities,
            "serverInfo": self._server.identity, "instructions": INSTRUCTIONS,
        }  # fmt: skip
        return Reply(message=messages.result(request.id, result), headers={"mcp-session-id": session.id})

    async def _session(self, headers: Mapping[str, str], access: Access) -> Session:
        said = headers.get("mcp-protocol-version")
        if said is not None and said not in LEGACY:
            raise McpError(INVALID_REQUEST, f"MCP-Protocol-Version {said!r} is none of {', '.join(LEGACY)}.")
        name = headers.get("mcp-session-id")
        if name is None:
            raise McpError(INVALID_REQUEST, "Mcp-Session-Id is missing: initialize a session first.")
        return await self._sessions.get(name, access)

    async def _notified(self, message: Notification, session: Session) -> None:
        request = message.params.get("requestId")
        if message.method != "notifications/cancelled" or not messages.is_id(request) or session.cancel(request):
            return
        if len(name := msgspec.json.encode(request).decode()) <= MOST_NAME:
            await self._sessions.mail.send(session.row, "cancel", name)

    # ---------------------------------------------------------------------- requests

    async def _request(self, request: Request, session: Session, access: Access, *, streams: bool) -> Reply:
        if request.id in session.running:
            raise McpError(INVALID_REQUEST, f"A request with the id {request.id!r} is being worked on.")
        if len(session.running) >= AT_ONCE:
            raise McpError(INVALID_REQUEST, f"A session may have {AT_ONCE} requests at a time.")
        stream = session.open_stream(lambda stream: self._sessions.leave(session, request.id, stream))
        task = asyncio.create_task(self._work(request, session, access, stream))
        session.running[request.id] = Work(task, stream)
        self._sessions.wake(session)

        def finish(_: object) -> None:  # also when it is cancelled before it has begun
            del session.running[request.id]
            self._sessions.ended(session, stream)

        task.add_done_callback(finish)
        if streams:
            prime = session.row.revision >= PRIMED
            return Reply(events=stream.read(prime=prime, retry=RETRY if prime else None))
        await asyncio.wait({task})  # which goes on when this client leaves
        return Reply(status=202) if task.cancelled() else Reply(message=task.result())

    async def _work(self, request: Request, session: Session, access: Access, stream: Stream) -> JSON:
        try:
            message = messages.result(request.id, await self._result(request, session, access, stream))
        except McpError as error:
            message = messages.failure(request.id, legacy_error(error))
        except GuruError as error:  # of the store
            message = messages.failure(request.id, McpError(INTERNAL_ERROR, str(error)))
        stream.write(message)  # which a request that its client cancelled does not come to
        stream.end()
        return message

    async def _result(self, request: Request, session: Session, access: Access, stream: Stream) -> JSON:
        params = request.params
        match request.method:
            case "ping":
                return {}
            case "logging/setLevel":
                if params.get("level") not in LEVELS:
                    raise invalid_params(f"`level` must be one of {', '.join(LEVELS)}.")
                await self._sessions.rows.set_level(session.row, params["level"])
                return {}
            case "resources/subscribe" | "resources/unsubscribe":
                if not isinstance(params.get("uri"), str):
                    raise invalid_params("`uri` is not a string.")
                on = request.method == "resources/subscribe"
                session.update(await self._sessions.rows.subscribe(session.row, params["uri"], on=on))
                return {}
        peer = LegacyPeer(session, stream, request)
        result = await self._server.handle(request.method, params, access, peer)
        return legacy_result(request.method, result)


def refused(error: McpError, number: Id | None) -> Reply:
    status = 404 if error.code == SESSION_NOT_FOUND else 400
    return Reply(status=status, message=messages.failure(number, error))
