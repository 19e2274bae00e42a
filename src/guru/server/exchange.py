"""One request and its answer.

To an application an `Exchange` is ASGI's `receive` and `send`; to our own doors it also tells when the client goes
away, without a task that waits for it, and takes bytes without one.
Specification: https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import Callable, Iterable, Mapping

from starlette.types import ASGIApp, Message, Receive, Scope
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

log = logging.getLogger(__name__)

HIGH_WATER = 64 << 10
"""Bytes of a body that nobody has read, from which on no more are taken from the socket."""
NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
BREAKS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
CHECKED: set[bytes] = set()
"""Names of headers that were found to be right, in lower case."""
UNTIL_CLOSED = math.inf
"""Bytes that a body may still have, where only the end of the connection ends it."""
Headers = Iterable[tuple[bytes, bytes]]


class Exchange:
    """One request and its answer."""

    __slots__ = (
        "_chunked", "_chunks", "_expect_continue", "_finished", "_flow", "_head", "_left", "_size", "_told",
        "_transport", "_waiter", "always", "disconnected", "extra", "keep_alive", "method", "more_body", "on_gone",
        "response_complete", "response_started", "scope",
    )  # fmt: skip

    def __init__(
        self,
        scope: Scope,
        transport: asyncio.Transport,
        flow: FlowControl,
        finished: Callable[[], None],
        *,
        keep_alive: bool,
        expect_continue: bool,
    ) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.keep_alive = keep_alive
        self.extra: list[tuple[bytes, bytes]] = []
        """Headers that the answer carries too, unless it says something else itself."""
        self.always = NOTHING
        """More of them, which every answer of the server has."""
        self.on_gone: Callable[[], None] | None = None
        """Called when the client goes away before the answer is complete."""
        self.disconnected = False
        self.response_started = False
        self.response_complete = False
        self.more_body = True
        self._transport = transport
        self._flow = flow
        self._finished = finished
        self._expect_continue = expect_continue
        self._chunks: list[bytes] = []
        self._size = 0
        self._told = False
        self._waiter: asyncio.Future[None] | None = None
        self._chunked = False
        self._left: float = 0
        self._head = b""
        """Of an answer of known length, until the body comes."""

    # ------------------------------------------------------------------ the request

    def take(self, limit: int) -> bytes | None:
        """The whole body, if it has come, has no more bytes than `limit`, and nobody has read any of it."""
        if self.more_body or self._told or self._size > limit:
            return None
        self._told = True
        return self._take()

    async def receive(self) -> Message:
        """ASGI's. After the body it waits for the client to go."""
        if self._expect_continue and not self._transport.is_closing():
            self._expect_continue = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not self.disconnected and not self.response_complete:
            if self._chunks or not (self.more_body or self._told):
                self._told = not self.more_body
                return {"type": "http.request", "body": self._take(), "more_body": self.more_body}
            if self.more_body:
                self._flow.resume_reading()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return {"type": "http.disconnect"}

    def _take(self) -> bytes:
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._size = 0
        return data

    def feed(self, data: bytes) -> None:
        self._chunks.append(data)
        self._size += len(data)
        if self._size > HIGH_WATER:
            self._flow.pause_reading()
        self.wake()

    def complete_body(self) -> None:
        self.more_body = False
        self.wake()

    def wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def lost(self) -> None:
        """The client is gone."""
        if not self.response_complete:
            self.disconnected = True
            if self.on_gone is not None:
                self.on_gone()
        self.wake()

    # ------------------------------------------------------------------- the answer

    async def send(self, message: Message) -> None:
        """ASGI's. It waits only for a client that does not read."""
        if self.stuck:
            await self.drain()
        kind = message["type"]
        if kind == "http.response.body":
            self.write(message.get("body", b""), more=message.get("more_body", False))
        elif kind == "http.response.start":
            self.start(message["status"], message.get("headers", ()))
        else:
            raise RuntimeError(f"{kind} cannot be sent here.")

    def start(self, status: int, headers: Headers) -> None:
        """Send the head, at once. Raises `RuntimeError` for what is not a header."""
        if self.disconnected:
            return
        if self.response_started:
            raise RuntimeError("The answer has begun already.")
        lines = [STATUS_LINE[status]]
        given = set()
        framed = False
        for name, value in headers:
            lowered = name.lower()
            given.add(lowered)
            if lowered == b"content-length":
                framed, self._left = True, int(value)
            elif lowered == b"transfer-encoding":
                continue  # decided here
            elif lowered == b"connection" and b"close" in value.lower():
                self.keep_alive = False
                continue
            lines.append(line(name, value))
        lines += [line(name, value) for name, value in self.extra if name not in given]
        lines += self.always.lines_without(given)
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        if not framed and self.method != "HEAD" and status not in (204, 304):
            lines.append(self._frame())
        lines.append(b"\r\n")
        self.response_started, self._expect_continue = True, False
        if framed and self._left and self.method != "HEAD":
            self._head = b"".join(lines)  # its body follows at once: one packet, one system call
        else:
            self._transport.write(b"".join(lines))

    async def respond(self, lines: bytes, body: bytes) -> None:
        """Send a whole answer with the status 200 in one packet. `lines` are headers as `header_lines` makes them."""
        if self.stuck:
            await self.drain()
        if not self.disconnected:
            self._transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (self._begin(lines), len(body), body))
            self._complete()

    def open(self, lines: bytes) -> None:
        """Send the head of a stream with the status 200, at once. `write` sends the rest."""
        if not self.disconnected:
            self._transport.write(b"%b%b\r\n" % (self._begin(lines), self._frame()))

    def _frame(self) -> bytes:
        """The header for a body of any length: it comes in chunks, or, with HTTP/1.0, ends with the connection."""
        if self.scope["http_version"] == "1.0":
            self._left = UNTIL_CLOSED
            return b""
        self._chunked = True
        return b"transfer-encoding: chunked\r\n"

    def _begin(self, lines: bytes) -> bytes:
        if self.response_started:
            raise RuntimeError("The answer has begun already.")
        self.response_started, self._expect_continue = True, False
        extra = b"\r\n".join(map(b": ".join, self.extra)) + b"\r\n" if self.extra else b""
        close = b"" if self.keep_alive else b"connection: close\r\n"
        return b"HTTP/1.1 200 OK\r\n%b%b%b%b" % (lines, extra, self.always.lines, close)

    @property
    def stuck(self) -> bool:
        """Whether the client does not read what is sent."""
        return self._flow.write_paused and not self.disconnected

    async def drain(self) -> None:
        """Wait until the client reads."""
        await self._flow.drain()

    def write(self, data: bytes, *, more: bool) -> None:
        """Send some of the body, at once. Raises `RuntimeError` when it does not fit its announced length."""
        if self.disconnected:
            return
        if not self.response_started or self.response_complete:
            raise RuntimeError("The answer has not begun, or is complete already.")
        if self.method == "HEAD":
            self._left = 0
        elif self._chunked:
            if data:
                end = b"" if more else b"0\r\n\r\n"
                self._transport.write(b"%x\r\n%b\r\n%b" % (len(data), data, end))
            elif not more:
                self._transport.write(b"0\r\n\r\n")
        elif data:
            self._left -= len(data)
            if self._left < 0:
                raise RuntimeError("The body is longer than announced.")
            self._transport.write(self._head + data if self._head else data)
            self._head = b""
        if not more:
            if self._left and self._left != UNTIL_CLOSED:
                raise RuntimeError("The body is shorter than announced.")
            self._complete()

    def _complete(self) -> None:
        self.response_complete = True
        self.on_gone = None
        self.wake()
        if not self.keep_alive:
            self._transport.close()
        self._finished()

    async def run_asgi(self, app: ASGIApp) -> None:
        """Let `app` answer. Whatever it leaves undone ends the connection."""
        try:
            await app(self.scope, self.receive, self.send)
        except BaseException as error:
            if not (isinstance(error, asyncio.CancelledError) and self.disconnected):
                log.error("a request failed", exc_info=error)
            self._give_up()
            if not isinstance(error, Exception):
                raise
        else:
            if not self.response_complete and not self.disconnected:
                log.error("%s %s was not answered", self.method, self.scope["path"])
                self._give_up()

    def _give_up(self) -> None:
        if self.disconnected:
            return
        if self.response_started:
            self._transport.close()
        else:
            self.start(500, [(b"content-length", b"0"), (b"connection", b"close")])
            self.write(b"", more=False)


def exchange_of(receive: Receive) -> Exchange:
    """The exchange behind ASGI's `receive`."""
    found = getattr(receive, "__self__", None) or getattr(receive, "exchange", None)
    assert isinstance(found, Exchange)  # the application is run by `guru.server.serve`, on `Protocol`
    return found


class Constant:
    """Headers that never change, encoded once."""

    def __init__(self, headers: Headers) -> None:
        self._each = {name: line(name, value) for name, value in headers}
        self.lines = b"".join(self._each.values())

    def lines_without(self, names: set[bytes]) -> list[bytes]:
        """Those whose names are others."""
        if names.isdisjoint(self._each):
            return [self.lines]
        return [line for name, line in self._each.items() if name not in names]


def header_lines(headers: Mapping[str, str]) -> bytes:
    """Headers as they are sent. Raises `RuntimeError` for what would be more than one."""
    if not headers:
        return b""
    if not "".join(headers.values()).isprintable():
        return b"".join([line(name.encode(), value.encode()) for name, value in headers.items()])
    return ("\r\n".join(map(": ".join, headers.items())) + "\r\n").encode()


def line(name: bytes, value: bytes) -> bytes:
    """One header. Raises `RuntimeError` for what would be more than one."""
    if name not in CHECKED:
        if not NAME.fullmatch(name):
            raise RuntimeError("The name of a header is not right.")
        if len(CHECKED) < 1000:
            CHECKED.add(name)
    if BREAKS.search(value):
        raise RuntimeError(f"The value of the header {name.decode()} has control characters.")
    return b"%b: %b\r\n" % (name, value)


NOTHING = Constant(())
