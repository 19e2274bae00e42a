"""What one server knows of a legacy client's session while it works for it: requests, streams, questions.

What has to outlast that is in the store: see `session_rows.py`, `mail.py` and `left.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from guru.agents.mcp import messages
from guru.agents.mcp.messages import Answer, Id, Request
from guru.agents.mcp.protocol import McpError
from guru.agents.mcp.serving.changes import METHODS, UPDATED, Changes, Listener
from guru.agents.mcp.serving.mail import Mail, Mailbox
from guru.agents.mcp.serving.modern import progress_params
from guru.agents.mcp.serving.peer import ANSWER_SECONDS, Held, check_answer, check_asked, loud_enough
from guru.agents.mcp.serving.provider import Access
from guru.agents.mcp.serving.server import McpServer
from guru.agents.mcp.serving.session_rows import SessionRow
from guru.agents.mcp.serving.stream import Stream
from guru.errors import GuruError
from guru.types import JSON

STREAMS: Final = 32
"""Answers that a session remembers, for a client that lost its connection."""
AT_ONCE: Final = 32
"""Requests of one session that are worked on at a time."""
GENERAL: Final = "general"
"""How the names of streams begin that belong to no request."""


class Work(NamedTuple):
    task: asyncio.Task[Any]
    stream: Stream


class Session:
    def __init__(self, row: SessionRow, access: Access, server: McpServer, mail: Mailbox) -> None:
        self.row = row
        self.streams: OrderedDict[str, Stream] = OrderedDict()
        self.running: dict[Id, Work] = {}
        self.left: dict[str, Id] = {}
        """Streams whose reader went away before their end, and the requests that they answer."""
        self.general = Stream(f"{GENERAL}{secrets.token_hex(8)}", resumable=True)
        """What belongs to no request: changes. Other servers have others, of other names."""
        self.readers = 0
        """Of the general stream."""
        self._questions: dict[str, asyncio.Future[JSON]] = {}
        self._server = server
        self._mail = mail
        self._watch: asyncio.Task[None] | None = None
        self.listener = Listener(access, frozenset(("tools", "prompts", "resources")), set(row.uris), self._tell)

    @property
    def busy(self) -> bool:
        return bool(self.running or self.left or self.readers)

    def update(self, row: SessionRow) -> None:
        """What another server may have changed."""
        self.row = row
        self.listener.uris = set(row.uris)

    # ---------------------------------------------------------------------- streams

    def open_stream(self, left: Callable[[Stream], None]) -> Stream:
        """A new one. `left` is told when its reader goes away before its end."""
        stream = Stream(f"s{secrets.token_hex(8)}", resumable=True, left=lambda: left(stream))
        self.streams[stream.name] = stream
        for old in [key for key, item in self.streams.items() if item.ended][: max(0, len(self.streams) - STREAMS)]:
            del self.streams[old]
        return stream

    def _tell(self, method: str, params: JSON) -> None:
        self.general.write(messages.notification(method, params))

    def tell_all(self) -> None:
        """Say that everything has changed, to a client that may have missed anything."""
        self._tell(METHODS["resources"], {})
        for uri in sorted(self.listener.uris):
            self._tell(UPDATED, {"uri": uri})

    @contextmanager
    def listening(self, changes: Changes, access: Access) -> Iterator[None]:
        """Tell of changes for as long as the client reads. It may come back before it is noticed that it was gone."""
        self.readers += 1
        self.listener.access = access
        if self.readers == 1:
            changes.listeners.append(self.listener)
            self._watch = asyncio.create_task(self._server.watch(self.listener))
        try:
            yield
        finally:
            self.readers -= 1
            if self.readers == 0 and self._watch is not None:
                changes.listeners.remove(self.listener)
                self._watch.cancel()

    # -------------------------------------------------------------------- questions

    async def question(self, stream: Stream, request: JSON, seconds: float) -> JSON:
        """Ask the client on a stream; its answer, which may come to another server. Raises `McpError`."""
        number = await self._mail.ask(self.row)
        waiting = self._questions[number] = asyncio.get_running_loop().create_future()
        params = request.get("params") or {}
        if params.get("mode") == "url":
            params = {"elicitationId": number} | params  # which this revision wants
        try:
            stream.write(messages.request(number, request["method"], params))
            async with asyncio.timeout(seconds):
                answer = await waiting
        except TimeoutError:
            raise McpError(-32603, "The client did not answer in time.") from None
        finally:
            del self._questions[number]
            with contextlib.suppress(GuruError):  # it goes with the session
                await self._mail.take([Mail(self.row.id, "question", number, None)])
        return check_answer(request, answer)

    @property
    def asked(self) -> list[str]:
        """The questions that wait for an answer here."""
        return list(self._questions)

    def answered(self, answer: Answer) -> bool:
        """The client's answer to a question; False for one that was not asked here."""
        waiting = self._questions.get(answer.id) if isinstance(answer.id, str) else None
        if waiting is None:
            return False
        if waiting.done():
            return True
        if answer.result is not None:
            waiting.set_result(answer.result)
        else:
            error = answer.error or {}
            message = f"The client refused: {error.get('message', 'it did not say why')}"
            waiting.set_exception(McpError(-32603, message))
        return True

    def cancel(self, request: Any) -> bool:
        """Stop the work on a request; False for one that is not worked on here."""
        work = self.running.get(request) if isinstance(request, str | int) else None
        if work is None:
            return False
        work.task.cancel()
        return True

    async def aclose(self) -> None:
        """Cancel what is worked on, and end the streams."""
        tasks = [work.task for work in self.running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for stream in (*self.streams.values(), self.general):
            stream.end()


class LegacyPeer:
    """A client that answers questions while the work waits."""

    suspends = False
    kept = None
    answer = None

    def __init__(self, session: Session, stream: Stream, request: Request) -> None:
        self._session = session
        self._stream = stream
        meta = request.params.get("_meta")
        self._token = meta.get("progressToken") if isinstance(meta, dict) else None

    @property
    def capabilities(self) -> JSON:
        return self._session.row.capabilities

    async def notify(self, method: str, params: JSON) -> None:
        self._stream.write(messages.notification(method, params))
        await asyncio.sleep(0)

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        if self._token is not None:
            await self.notify("notifications/progress", progress_params(self._token, progress, total, message))

    async def log(self, level: str, data: Any) -> None:
        if loud_enough(level, self._session.row.level):
            await self.notify("notifications/message", {"level": level, "logger": "guru", "data": data})

    async def ask(self, requests: dict[str, JSON], *, seconds: float = ANSWER_SECONDS) -> dict[str, JSON]:
        check_asked(self.capabilities, requests)
        return {
            name: await self._session.question(self._stream, request, seconds) for name, request in requests.items()
        }

    async def hold(self, work: Held) -> JSON:
        return await work(self)

    def hang_up(self) -> None:
        self._stream.hang_up()
