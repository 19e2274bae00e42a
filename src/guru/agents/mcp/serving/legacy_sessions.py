"""The sessions that one server works for, and what it has to do for them meanwhile.

Several servers may serve one session, as it is in the store. While something goes on here, it is looked there for what
has come to the others: answers, cancellations, readers of streams, the end of the session.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Coroutine, Sequence
from typing import Any, Final

import msgspec

from guru.agents.mcp import messages
from guru.agents.mcp.messages import Id
from guru.agents.mcp.serving.keeper import Keeper
from guru.agents.mcp.serving.left import LOOK_SECONDS, STOPPED, LeftStreams
from guru.agents.mcp.serving.mail import Mail, Mailbox, read_answer
from guru.agents.mcp.serving.provider import Access
from guru.agents.mcp.serving.server import McpServer
from guru.agents.mcp.serving.session import Session
from guru.agents.mcp.serving.session_rows import TOUCH_SECONDS, SessionRow, SessionRows
from guru.agents.mcp.serving.stream import Stream
from guru.errors import GuruError
from guru.store.database import Database

log = logging.getLogger(__name__)
REMEMBERED: Final = 1000
"""Sessions whose last answers are remembered here."""
LISTEN_SECONDS: Final = 2.0
"""Between two looks for sessions that only listen."""
ALIVE_SECONDS: Final = 5.0
"""After which it is said again that a stream is being worked on."""
RESUME_LOOKS: Final = 10
"""How often it is looked whether another server has let go of a stream."""


class LegacySessions:
    def __init__(self, database: Database, server: McpServer) -> None:
        self.rows = SessionRows(database)
        self.mail = Mailbox(database)
        self.left = LeftStreams(database)
        self._server = server
        self._here: OrderedDict[str, Session] = OrderedDict()
        self._saved: dict[str, tuple[int, float]] = {}
        """By the name of a stream that was left: how many messages were kept, and when."""
        self._doing: set[asyncio.Task[None]] = set()
        self._keeper = Keeper(self._look)
        self._looked = self._touched = 0.0

    async def get(self, id: str, access: Access) -> Session:
        """Raises `McpError` for one that has ended, or is somebody else's."""
        row = await self.rows.get(id, access)
        session = self._here.get(id)
        if session is None:
            self._trim()
            session = self._here[id] = Session(row, access, self._server, self.mail)
        session.update(row)
        self._here.move_to_end(id)
        return session

    def _trim(self) -> None:
        spare = len(self._here) + 1 - REMEMBERED
        idle = [session for session in self._here.values() if not session.busy] if spare > 0 else []
        for session in idle[:spare]:
            del self._here[session.row.id]

    async def end(self, session: Session) -> None:
        await self.rows.delete(session.row)
        self._here.pop(session.row.id, None)
        await session.aclose()

    def wake(self, session: Session) -> None:
        """Something goes on for a session from now on."""
        self._here.setdefault(session.row.id, session)
        self._keeper.wake(LOOK_SECONDS)

    # ---------------------------------------------------------------------- streams

    def leave(self, session: Session, request: Id, stream: Stream) -> None:
        """The reader of a stream is gone: from now on it is kept in the store as well."""
        session.left[stream.name] = request
        self._do(self._save(session, stream))
        self.wake(session)

    def ended(self, session: Session, stream: Stream) -> None:
        """Nothing more comes on a stream."""
        stream.end()
        if stream.name in session.left:
            self._do(self._save(session, stream))

    async def elsewhere(self, session: SessionRow, name: str) -> bool:
        """Whether another server has kept a stream of this name, or keeps it when it hears that it is wanted."""
        if await self.left.find(session, name) is not None:
            return True
        await self.mail.send(session, "resume", name)
        for _ in range(RESUME_LOOKS):
            await asyncio.sleep(LOOK_SECONDS)
            if await self.left.find(session, name) is not None:
                return True
        await self.mail.take([Mail(session.id, "resume", name, None)])
        return False

    async def _save(self, session: Session, stream: Stream) -> None:
        ended, request = stream.ended, session.left.get(stream.name)
        if request is None:  # its end was saved meanwhile
            return
        self._saved[stream.name] = (stream.count, time.monotonic())
        try:
            await self.left.save(session.row, request, stream)
        except GuruError as error:
            log.warning("what a client of MCP has not read cannot be kept: %s", error)
        if ended:
            session.left.pop(stream.name, None)
            self._saved.pop(stream.name, None)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)

    # --------------------------------------------------------------- looking after

    async def _look(self) -> float | None:
        busy = [session for session in self._here.values() if session.busy]
        working = any(session.running or session.left for session in busy)
        if working or (busy and time.monotonic() - self._looked >= LISTEN_SECONDS):
            self._looked = time.monotonic()
            await self._look_after(busy)
        return LOOK_SECONDS if any(session.busy for session in self._here.values()) else None

    async def _look_after(self, busy: Sequence[Session]) -> None:
        ids = [session.row.id for session in busy]
        known = await self.rows.known(ids)
        for session in busy:
            if session.row.id in known:
                session.update(known[session.row.id])
            else:
                self._here.pop(session.row.id, None)
                await session.aclose()
        asked = [name for session in busy for name in session.asked]
        taken = [mail for mail in await self.mail.look(ids, asked) if self._deliver(mail)]
        if taken:
            await self.mail.take(taken)
        for session in busy:
            await self._say_alive(session)
        if time.monotonic() - self._touched >= TOUCH_SECONDS:
            await self.rows.touch(ids)
            self._touched = time.monotonic()

    def _deliver(self, mail: Mail) -> bool:
        """Whether it was for something here."""
        session = self._here.get(mail.session)
        if session is None:
            return False
        if mail.kind == "question":
            return session.answered(read_answer(mail))
        if mail.kind == "cancel":
            return session.cancel(msgspec.json.decode(mail.name))
        stream = session.streams.get(mail.name)
        if stream is None:
            return False
        stream.hang_up()
        return True

    async def _say_alive(self, session: Session) -> None:
        for name in list(session.left):
            stream, (count, at) = session.streams.get(name), self._saved.get(name, (0, 0.0))
            if stream is None:
                session.left.pop(name, None)
                self._saved.pop(name, None)
            elif stream.count > count or time.monotonic() - at >= ALIVE_SECONDS:
                await self._save(session, stream)

    async def aclose(self) -> None:
        """End what is worked on. A client that asks another server for the rest is told so."""
        await self._keeper.aclose()
        for session in list(self._here.values()):
            works = list(session.running.items())
            for request, work in works:
                work.stream.write(messages.failure(request, STOPPED))
                session.left[work.stream.name] = request
            await session.aclose()
        await asyncio.gather(*self._doing)
