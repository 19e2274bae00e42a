"""Answers whose client went away before they were whole: kept in the store, so that it may come back to any server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select, update

from guru.agents.mcp import messages
from guru.agents.mcp.messages import Id
from guru.agents.mcp.protocol import INTERNAL_ERROR, McpError
from guru.agents.mcp.serving.session_rows import SessionRow
from guru.agents.mcp.serving.stream import Stream, as_event
from guru.store.database import Database
from guru.store.tables import mcp_sessions, mcp_streams

STREAMS: Final = 32
"""Of one session; the oldest make room."""
LOOK_SECONDS: Final = 0.5
"""Between two looks at what another server has written."""
LEASE_SECONDS: Final = 20.0
"""A server that has not said for that long that it works on something has died."""
STOPPED: Final = McpError(INTERNAL_ERROR, "The server that worked on it has stopped: how far it came is not known.")


class LeftStreams:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, session: SessionRow, request: Id, stream: Stream) -> None:
        """Keep what a stream holds now, and that somebody still works on it if it has not ended."""
        key = {"session": session.id, "name": stream.name}
        values: dict[str, Any] = {
            "messages": [[number, data.decode()] for number, data in stream.kept], "ended": stream.ended,
            "alive_at": time.time(),
        }  # fmt: skip
        first = {"tenant": session.tenant, "request": msgspec.json.encode(request).decode()}

        def write(connection: Connection) -> None:
            mine = (mcp_streams.c.session == session.id, mcp_streams.c.name == stream.name)
            if connection.execute(update(mcp_streams).where(*mine).values(values)).rowcount:
                return
            there = select(mcp_sessions.c.id).where(mcp_sessions.c.id == session.id)
            if not connection.scalar(there.with_for_update(read=True)):  # who ends it now deletes the stream, too
                return  # it has ended
            of_session = mcp_streams.c.session == session.id
            newest = select(mcp_streams.c.name).where(of_session).order_by(mcp_streams.c.alive_at.desc())
            for old in connection.scalars(newest).all()[STREAMS - 1 :]:
                connection.execute(delete(mcp_streams).where(of_session, mcp_streams.c.name == old))
            connection.execute(insert(mcp_streams).values(key | first | values))

        await self._database.write(write, beside=True)

    async def find(self, session: SessionRow, name: str) -> Row[Any] | None:
        query = select(mcp_streams).where(
            mcp_streams.c.session == session.id, mcp_streams.c.name == name, mcp_streams.c.tenant == session.tenant
        )
        return await self._database.read(lambda connection: connection.execute(query).one_or_none())

    async def read(self, session: SessionRow, name: str, after: int) -> AsyncIterator[bytes]:
        """The rest of an answer as server-sent events, as it comes. It ends with an error where its server died."""
        while (row := await self.find(session, name)) is not None:
            for number, text in row.messages:
                if number > after:
                    yield as_event(text.encode(), f"{name}-{number}")
                    after = number
            if row.ended:
                return
            if row.alive_at < time.time() - LEASE_SECONDS:
                answer = messages.failure(msgspec.json.decode(row.request), STOPPED)
                yield as_event(messages.encode(answer), f"{name}-{after + 1}")
                return
            await asyncio.sleep(LOOK_SECONDS)
