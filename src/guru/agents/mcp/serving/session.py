"""A legacy client's session: what the handshake agreed on, what is being worked on, and what was sent."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from guru.agents.mcp import messages
from guru.agents.mcp.messages import Answer, Id, Request
from guru.agents.mcp.protocol import SESSION_NOT_FOUND, McpError, invalid_params
from guru.agents.mcp.serving.changes import Changes, Listener
from guru.agents.mcp.serving.modern import progress_params
from guru.agents.mcp.serving.peer import check_answer, check_asked, loud_enough
from guru.agents.mcp.serving.provider import Access
from guru.agents.mcp.serving.server import McpServer
from guru.agents.mcp.serving.stream import Stream
from guru.store.ids import new_id
from guru.types import JSON

STREAMS: Final = 32
"""Answers that a session remembers, for a client that lost its connection."""
AT_ONCE: Final = 32
"""Requests of one session that are worked on at a time."""
ANSWER_SECONDS: Final = 600.0
"""How long a client may take to answer a question."""
IDLE_SECONDS: Final = 3600.0
MOST: Final = 1000
"""Sessions at a time; of one person, a tenth of it."""
URIS: Final = 256


class Session:
    def __init__(self, access: Access, revision: str, capabilities: JSON, server: McpServer) -> None:
        self.id = new_id("mcp")
        self.access = access
        self.revision = revision
        self.capabilities = capabilities
        self.level = "debug"
        """Of the log messages that it is sent."""
        self.last_used = time.monotonic()
        self.streams: OrderedDict[str, Stream] = OrderedDict()
        self.running: dict[Id, asyncio.Task[Any]] = {}
        self.general = self.open_stream("general")
        """What belongs to no request: changes."""
        self._questions: dict[Id, asyncio.Future[JSON]] = {}
        self._asked = 0
        self._opened = 0
        self._readers = 0
        self._server = server
        self._watch: asyncio.Task[None] | None = None
        self.listener = Listener(access, frozenset(("tools", "prompts", "resources")), set(), self._tell)

    # ---------------------------------------------------------------------- streams

    def open_stream(self, name: str | None = None) -> Stream:
        if name is None:
            self._opened += 1
            name = f"s{self._opened}"
        stream = self.streams[name] = Stream(name, resumable=True)
        for old in [key for key, item in self.streams.items() if item.ended][: max(0, len(self.streams) - STREAMS)]:
            del self.streams[old]
        return stream

    def _tell(self, method: str, params: JSON) -> None:
        self.general.write(messages.notification(method, params))

    @contextmanager
    def listening(self, changes: Changes) -> Iterator[None]:
        """Tell of changes for as long as the client reads. It may come back before it is noticed that it was gone."""
        self._readers += 1
        if self._readers == 1:
            changes.listeners.append(self.listener)
            self._watch = asyncio.create_task(self._server.watch(self.listener))
        try:
            yield
        finally:
            self._readers -= 1
            if self._readers == 0 and self._watch is not None:
                changes.listeners.remove(self.listener)
                self._watch.cancel()

    def subscribe(self, uri: Any, *, on: bool) -> None:
        """Raises `McpError`."""
        if not isinstance(uri, str):
            raise invalid_params("`uri` is not a string.")
        if not on:
            self.listener.uris.discard(uri)
        elif len(self.listener.uris) >= URIS:
            raise invalid_params(f"A session has at most {URIS} subscriptions.")
        else:
            self.listener.uris.add(uri)

    # -------------------------------------------------------------------- questions

    async def question(self, stream: Stream, request: JSON) -> JSON:
        """Ask the client on a stream; its answer. Raises `McpError`."""
        self._asked += 1
        number = f"guru-{self._asked}"
        waiting = self._questions[number] = asyncio.get_running_loop().create_future()
        stream.write(messages.request(number, request["method"], request.get("params")))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await waiting
        except TimeoutError:
            raise McpError(-32603, "The client did not answer in time.") from None
        finally:
            del self._questions[number]
        return check_answer(request, answer)

    def answered(self, answer: Answer) -> None:
        """The client's answer to a question of ours; one to no question is read over."""
        waiting = self._questions.get(answer.id) if answer.id is not None else None
        if waiting is None or waiting.done():
            return
        if answer.result is not None:
            waiting.set_result(answer.result)
        else:
            error = answer.error or {}
            message = f"The client refused: {error.get('message', 'it did not say why')}"
            waiting.set_exception(McpError(-32603, message))

    async def aclose(self) -> None:
        """Cancel what is worked on, and end the streams."""
        tasks = list(self.running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for stream in self.streams.values():
            stream.end()


class LegacyPeer:
    """A client that answers questions while the work waits."""

    def __init__(self, session: Session, stream: Stream, request: Request) -> None:
        self._session = session
        self._stream = stream
        meta = request.params.get("_meta")
        self._token = meta.get("progressToken") if isinstance(meta, dict) else None

    @property
    def capabilities(self) -> JSON:
        return self._session.capabilities

    async def notify(self, method: str, params: JSON) -> None:
        self._stream.write(messages.notification(method, params))
        await asyncio.sleep(0)

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        if self._token is not None:
            await self.notify("notifications/progress", progress_params(self._token, progress, total, message))

    async def log(self, level: str, data: Any) -> None:
        if loud_enough(level, self._session.level):
            await self.notify("notifications/message", {"level": level, "logger": "guru", "data": data})

    async def ask(self, requests: dict[str, JSON]) -> dict[str, JSON]:
        check_asked(self.capabilities, requests)
        return {name: await self._session.question(self._stream, request) for name, request in requests.items()}

    def hang_up(self) -> None:
        self._stream.hang_up()


class Sessions:
    """Those of one server. They are in its memory: another server, or a restart, does not know them."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def add(self, session: Session) -> None:
        """Raises `McpError` when there are too many."""
        now = time.monotonic()
        for old in [
            item for item in self._sessions.values() if now - item.last_used > IDLE_SECONDS and not item.running
        ]:
            self._drop(old)
        mine = [item for item in self._sessions.values() if owns(item, session.access)]
        if len(mine) >= MOST // 10:
            self._drop(min(mine, key=lambda item: item.last_used))
        elif len(self._sessions) >= MOST:
            raise McpError(-32603, "There are too many sessions. Try again later.")
        self._sessions[session.id] = session

    def get(self, id: str, access: Access) -> Session:
        """Raises `McpError` for one that is not there, or is somebody else's."""
        session = self._sessions.get(id)
        if session is None or not owns(session, access):
            raise McpError(SESSION_NOT_FOUND, "Session not found: initialize a new one.")
        session.last_used = time.monotonic()
        return session

    async def end(self, session: Session) -> None:
        self._sessions.pop(session.id, None)
        await session.aclose()

    def _drop(self, session: Session) -> None:
        del self._sessions[session.id]
        task = asyncio.create_task(session.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        for session in list(self._sessions.values()):
            await self.end(session)
        await asyncio.gather(*self._closing)


def owns(session: Session, access: Access) -> bool:
    mine = session.access
    return (mine.scope.tenant, mine.person) == (access.scope.tenant, access.person)
