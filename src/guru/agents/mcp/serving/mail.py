"""What one server has for another one that works for the same session of a legacy client.

The client sends each message to whichever server the balancer chooses. An answer to a question, a cancellation, or the
wish to read on where a stream broke off may come to one that knows nothing of the work: it leaves a row for the other.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import msgspec
from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update

from guru.agents.mcp.messages import Answer
from guru.agents.mcp.serving.session_rows import SessionRow
from guru.store.database import Database
from guru.store.tables import mcp_mail
from guru.types import JSON

Kind = Literal["question", "cancel", "resume"]
QUESTION: Final = re.compile(r"guru-[0-9a-f]{16}")
MOST: Final = 128
"""Rows of one session."""
WISH_SECONDS: Final = 60.0
"""Wishes are of no use later: what they are about has ended."""


class Mail(NamedTuple):
    session: str
    kind: Kind
    name: str
    """Of the question or the stream, or the id of the request as JSON."""
    body: str | None


class Mailbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def ask(self, session: SessionRow) -> str:
        """Note that the client is asked something, so that its answer finds us; what to call the question."""
        name = f"guru-{secrets.token_hex(8)}"
        values = row(session, "question", name)
        await self._database.write(lambda connection: connection.execute(insert(mcp_mail).values(values)), beside=True)
        return name

    async def answer(self, session: SessionRow, answer: Answer) -> None:
        """Leave an answer for who asked; one to no question is read over, and so is a second one."""
        if not QUESTION.fullmatch(str(answer.id)):
            return
        body: JSON = {"result": answer.result} if answer.error is None else {"error": answer.error}
        asked = (
            mcp_mail.c.session == session.id, mcp_mail.c.tenant == session.tenant, mcp_mail.c.kind == "question",
            mcp_mail.c.name == str(answer.id), mcp_mail.c.body.is_(None),
        )  # fmt: skip
        values = {"body": msgspec.json.encode(body).decode()}
        await self._database.write(
            lambda connection: connection.execute(update(mcp_mail).where(*asked).values(values)), beside=True
        )

    async def send(self, session: SessionRow, kind: Kind, name: str) -> None:
        """Leave a wish; nothing where it has been left before, or there is no room for more."""
        values = row(session, kind, name)

        def write(connection: Connection) -> None:
            mine = mcp_mail.c.session == session.id
            old = mcp_mail.c.sent_at < time.time() - WISH_SECONDS
            connection.execute(delete(mcp_mail).where(mine, mcp_mail.c.kind != "question", old))
            same = and_(mine, mcp_mail.c.kind == kind, mcp_mail.c.name == name)
            count = select(func.count()).select_from(mcp_mail)
            if connection.scalar(count.where(same)) or (connection.scalar(count.where(mine)) or 0) >= MOST:
                return
            connection.execute(insert(mcp_mail).values(values))

        await self._database.write(write)

    async def look(self, sessions: Sequence[str], asked: Sequence[str]) -> list[Mail]:
        """What has come for these sessions, and answers to these questions. It stays until it is taken."""
        table = mcp_mail.c
        answered = and_(table.name.in_(asked), table.body.is_not(None))
        query = select(table.session, table.kind, table.name, table.body).where(
            table.session.in_(sessions), or_(table.kind != "question", answered)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [Mail(*found) for found in rows]

    async def take(self, mails: Sequence[Mail]) -> None:
        """Remove what was looked at, or is wanted no more."""
        table = mcp_mail.c
        which = or_(*(and_(table.session == it.session, table.kind == it.kind, table.name == it.name) for it in mails))
        await self._database.write(lambda connection: connection.execute(delete(mcp_mail).where(which)), beside=True)


def row(session: SessionRow, kind: Kind, name: str) -> JSON:
    return {
        "session": session.id, "tenant": session.tenant, "kind": kind, "name": name, "body": None,
        "sent_at": time.time(),
    }  # fmt: skip


def read_answer(mail: Mail) -> Answer:
    """What `Mailbox.answer` left."""
    body: JSON = msgspec.json.decode(mail.body or "{}")
    return Answer(mail.name, result=body.get("result"), error=body.get("error"))
