"""Sessions of legacy clients as the store keeps them: any server on the database goes on with them, also a new one.

A session belongs to the person and the key that made it, ends when it was not used for an hour, and is gone, with all
that belongs to it, when its client deletes it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct, structs
from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from guru.agents.mcp.protocol import SESSION_NOT_FOUND, McpError, invalid_params
from guru.agents.mcp.serving.provider import Access
from guru.store.database import Database
from guru.store.ids import new_id
from guru.store.tables import mcp_mail, mcp_sessions, mcp_streams
from guru.types import JSON

IDLE_SECONDS: Final = 3600.0
"""A session that nobody used for that long has ended."""
TOUCH_SECONDS: Final = 60.0
"""How exactly it is known when one was used last."""
MOST: Final = 10_000
"""Sessions at a time; of one person, a hundredth of it."""
URIS: Final = 256
"""Resources whose changes a session is told of."""
MOST_URI: Final = 4096
MOST_CAPABILITIES: Final = 64 << 10


class SessionRow(Struct, frozen=True, kw_only=True):
    id: str
    tenant: str
    revision: str
    client: str
    """What it calls itself."""
    capabilities: JSON
    level: str
    """Of the log messages that it is sent."""
    uris: list[str]
    """The resources whose changes it is told of."""
    used_at: float


class SessionRows:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, access: Access, revision: str, capabilities: JSON, client: str) -> SessionRow:
        """A new session; the one of this person that was not used for longest makes room for it.

        Raises `McpError` when there are too many of all, and for what is too long.
        """
        if len(msgspec.json.encode(capabilities)) > MOST_CAPABILITIES:
            raise invalid_params(f"`capabilities` have at most {MOST_CAPABILITIES:,} bytes.")
        now = time.time()
        made = SessionRow(
            id=new_id("mcp"), tenant=access.scope.tenant, revision=revision, client=client, capabilities=capabilities,
            level="debug", uris=[], used_at=now,
        )  # fmt: skip
        values = {name: getattr(made, name) for name in SessionRow.__struct_fields__}
        values |= {"person": access.person, "key": access.key, "created_at": now}

        def write(connection: Connection) -> None:
            forget(connection, mcp_sessions.c.used_at < now - IDLE_SECONDS)
            connection.execute(delete(mcp_mail).where(mcp_mail.c.sent_at < now - 2 * IDLE_SECONDS))  # of ended ones
            of_person = (mcp_sessions.c.tenant == made.tenant, mcp_sessions.c.person == access.person)
            mine = select(mcp_sessions.c.id).where(*of_person).order_by(mcp_sessions.c.used_at)
            ids = list(connection.scalars(mine))
            for old in ids[: max(0, len(ids) - MOST // 100 + 1)]:
                forget(connection, mcp_sessions.c.id == old)
            if (connection.scalar(select(func.count()).select_from(mcp_sessions)) or 0) >= MOST:
                raise McpError(-32603, "There are too many sessions. Try again later.")
            connection.execute(insert(mcp_sessions).values(values))

        await self._database.write(write)
        return made

    async def get(self, id: str, access: Access) -> SessionRow:
        """Raises `McpError` for one that has ended, or is of somebody else or of another key."""
        now = time.time()
        query = select(mcp_sessions).where(
            mcp_sessions.c.id == id, mcp_sessions.c.tenant == access.scope.tenant,
            mcp_sessions.c.person == access.person, mcp_sessions.c.key == access.key,
            mcp_sessions.c.used_at >= now - IDLE_SECONDS,
        )  # fmt: skip
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            raise McpError(SESSION_NOT_FOUND, "Session not found: initialize a new one.")
        if row.used_at < now - TOUCH_SECONDS:
            await self.touch([id])
        return to_session(row)

    async def known(self, ids: Sequence[str]) -> dict[str, SessionRow]:
        """Those of these that have not ended."""
        since = time.time() - IDLE_SECONDS
        query = select(mcp_sessions).where(mcp_sessions.c.id.in_(ids), mcp_sessions.c.used_at >= since)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {row.id: to_session(row) for row in rows}

    async def touch(self, ids: Sequence[str]) -> None:
        """They are in use."""
        await self._change(mcp_sessions.c.id.in_(ids), used_at=time.time())

    async def set_level(self, session: SessionRow, level: str) -> None:
        await self._change((mcp_sessions.c.id == session.id) & (mcp_sessions.c.tenant == session.tenant), level=level)

    async def subscribe(self, session: SessionRow, uri: str, *, on: bool) -> SessionRow:
        """The session as it is then. Raises `McpError` when there are too many resources, or the session has ended."""
        which = (mcp_sessions.c.id == session.id, mcp_sessions.c.tenant == session.tenant)
        if len(uri) > MOST_URI:
            raise invalid_params(f"An address has at most {MOST_URI:,} characters.")

        def write(connection: Connection) -> SessionRow:
            row = connection.execute(select(mcp_sessions).where(*which)).one_or_none()
            if row is None:
                raise McpError(SESSION_NOT_FOUND, "Session not found: initialize a new one.")
            uris = sorted({*row.uris, uri} if on else {*row.uris} - {uri})
            if len(uris) > URIS:
                raise invalid_params(f"A session has at most {URIS} subscriptions.")
            connection.execute(update(mcp_sessions).where(*which).values(uris=uris))
            return structs.replace(to_session(row), uris=uris)

        return await self._database.write(write)

    async def delete(self, session: SessionRow) -> None:
        ended = (mcp_sessions.c.id == session.id) & (mcp_sessions.c.tenant == session.tenant)
        await self._database.write(lambda connection: forget(connection, ended))

    async def _change(self, which: ColumnElement[bool], **values: Any) -> None:
        await self._database.write(
            lambda connection: connection.execute(update(mcp_sessions).where(which).values(values)), beside=True
        )


def forget(connection: Connection, which: ColumnElement[bool]) -> None:
    """Delete sessions with all that belongs to them, what is being written down of them at this moment included."""
    ids = list(connection.scalars(select(mcp_sessions.c.id).where(which).order_by(mcp_sessions.c.id).with_for_update()))
    for table in (mcp_mail, mcp_streams):
        connection.execute(delete(table).where(table.c.session.in_(ids)))
    connection.execute(delete(mcp_sessions).where(mcp_sessions.c.id.in_(ids)))


def to_session(row: Row[Any]) -> SessionRow:
    return SessionRow(**{name: getattr(row, name) for name in SessionRow.__struct_fields__})
