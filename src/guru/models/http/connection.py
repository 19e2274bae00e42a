"""One connection to a provider: one request at a time, its answer as it comes.

Nothing here waits in a task of its own: bytes, timers and the end of the connection are callbacks.
Specification: https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import httptools

from guru.errors import GuruError, ModelError, ModelTimeout, ModelUnavailable, StreamCut
from guru.models.http.decode import Decoder
from guru.models.http.response import Response, closed

if TYPE_CHECKING:
    from guru.models.http.headers import Raw
    from guru.models.http.timeouts import Timeouts

MAX_HEAD = 64 << 10
"""Bytes of the head of an answer."""
MAX_FRAMING = 1 << 20
"""Bytes of chunk sizes, extensions and trailers that an answer may have before they must be in proportion."""
HIGH_WATER = 512 << 10
"""Bytes of the body that nobody has read, from which on no more are taken from the socket."""
MANY_CHUNKS = 8192
PIECE = 128 << 10
"""Bytes of a large request that are written at once."""
KEEP = 55.0
"""Seconds that a connection stays open without a request. Many servers and load balancers close theirs after 60."""
AGAIN = "Send the request again; if it happens often, the provider has trouble."


class StaleConnection(Exception):
    """The server had closed the connection while it was idle: the request was not taken."""


class Connection(asyncio.Protocol):
    """Give it back by reading the answer to its end; anything else ends it."""

    def __init__(
        self, host: str, on_idle: Callable[[Connection], None], on_closed: Callable[[Connection], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._host = host
        self._on_idle = on_idle
        self._on_closed = on_closed
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self.used = False
        """Whether it has carried a request before the one under way."""
        self.lost = False
        """Whether the transport is closed for good."""
        self.counted = False
        """The pool's: whether it is one of its connections."""
        self._closed = False
        # time
        self._timeouts: Timeouts | None = None
        self._deadline = math.inf
        self._armed = math.inf
        self._timer: asyncio.TimerHandle | None = None
        # the request
        self._drained: asyncio.Future[None] | None = None
        self._write_paused = False
        self._sending = False
        # the answer
        self._response: Response | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._raw: Raw = []
        self._encoding: bytes | None = None
        self._bodiless = False
        self._received = 0
        self._body = 0
        self._begun = False
        self._complete = False
        self._until_end = False
        self._keep = False
        self._read_paused = False

    # ------------------------------------------------------------------ the request

    async def exchange(self, head: bytes, body: bytes, timeouts: Timeouts, *, bodiless: bool = False) -> Response:
        """Send a request and wait for the head of the answer. `bodiless`: the answer to HEAD.

        Raises `StaleConnection`, `ModelUnavailable`, `ModelTimeout` and `StreamCut`. Cancel it to drop the connection.
        """
        response = self._response = Response(self)
        self._timeouts = timeouts
        self._raw = []
        self._encoding = None
        self._bodiless = bodiless
        self._received = self._body = 0
        self._begun = self._complete = self._until_end = False
        self._expect(timeouts.first_byte)
        waiter = self._waiter = self._loop.create_future()
        try:
            assert self._transport is not None
            if len(body) <= PIECE:
                self._transport.write(head + body)
            else:
                await self._send(self._transport, head, body, timeouts)
            await waiter
        except BaseException:
            if self._response is response:  # otherwise it may be at work for somebody else already
                self.abort()
            raise
        return response

    async def _send(self, transport: asyncio.Transport, head: bytes, body: bytes, timeouts: Timeouts) -> None:
        """Write a large body no faster than the server takes it. An early answer, such as 413, ends it."""
        response = self._response
        view = memoryview(body)
        self._sending = True
        transport.write(head)
        for start in range(0, len(view), PIECE):
            if self._response is not response or self._begun:
                return
            transport.write(view[start : start + PIECE])
            if self._write_paused:
                self._expect(timeouts.idle)
                self._drained = self._loop.create_future()
                await self._drained
        if self._response is response:
            self._sending = False
            self._expect(timeouts.first_byte)

    # --------------------------------------------------------------------- the end

    def abort(self) -> None:
        """Drop the connection now, with whatever it carries."""
        self._end(closed())

    @property
    def usable(self) -> bool:
        transport = self._transport
        return not self._closed and transport is not None and not transport.is_closing()

    def _end(self, failure: GuruError | StaleConnection) -> None:
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
        self._finish(failure)
        self._on_closed(self)

    def _finish(self, failure: GuruError | StaleConnection | None) -> None:
        """Tell whoever waits for the head or for the body."""
        response, self._response = self._response, None
        waiter, self._waiter = self._waiter, None
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)
        if response is not None:
            response.finish(failure if isinstance(failure, GuruError) else None)
        if waiter is not None and not waiter.done():
            if failure is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(failure)
                waiter.exception()  # whoever waited may be gone: that is no reason for a warning

    def unanswered(self) -> ModelUnavailable:
        return ModelUnavailable(f"{self._host} ended the connection without an answer.", hint=AGAIN)

    def _cut(self, what: str) -> None:
        self._end(StreamCut(f"{self._host} {what}.", hint=AGAIN))

    # ------------------------------------------------------------------------ time

    def _expect(self, seconds: float) -> None:
        """Something must happen within `seconds`.

        This is called for every piece: a timer that rings too early is set anew only when it rings.
        """
        deadline = self._deadline = self._loop.time() + seconds
        if deadline < self._armed:
            if self._timer is not None:
                self._timer.cancel()
            self._armed = deadline
            self._timer = self._loop.call_at(deadline, self._ring)

    def _ring(self) -> None:
        self._timer, self._armed = None, math.inf
        if self._deadline - self._loop.time() > 0.001:
            if self._deadline != math.inf:
                self._armed = self._deadline
                self._timer = self._loop.call_at(self._deadline, self._ring)
        elif self._response is None or self._timeouts is None:
            self.abort()  # idle long enough
        elif self._begun:
            what = f"sent nothing for {self._timeouts.idle:g} s in the middle of an answer"
            self._end(ModelTimeout(f"{self._host} {what}.", hint=AGAIN))
        else:
            what, seconds = "did not begin to answer", self._timeouts.first_byte
            if self._sending:
                what, seconds = "did not take the request", self._timeouts.idle
            self._end(ModelTimeout(f"{self._host} {what} within {seconds:g} s.", hint="Raise the timeout, or " + TRY))

    # ------------------------------------------------------- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not say that it is one

    def data_received(self, data: bytes) -> None:
        response = self._response
        if response is None:
            self.abort()  # nobody asked
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self._complete:
                self._cut("sent something that is not HTTP/1.1")
                return
            self._keep = False
        if self._complete:
            self._completed()
            return
        if self._begun:
            self._went_on(response)
        elif self._received > MAX_HEAD:
            self._cut("sent headers without end")

    def _went_on(self, response: Response) -> None:
        """The head is there, and perhaps some of the body."""
        framing = self._received - self._body
        if framing > MAX_FRAMING and framing > 16 * self._body:
            self._cut("sent framing without content")
            return
        if self._waiter is None:
            response.wake()
        else:
            self._head_arrived(response)
            if self._response is None:
                return
        assert self._timeouts is not None
        if response.size > HIGH_WATER or len(response.chunks) > MANY_CHUNKS:
            self._read_paused = True
            self._deadline = math.inf  # it is not the server that is slow
            assert self._transport is not None
            self._transport.pause_reading()
        else:
            self._expect(self._timeouts.idle)

    def _head_arrived(self, response: Response) -> None:
        waiter, self._waiter = self._waiter, None
        try:
            response.begin(self._parser.get_status_code(), self._raw, self._decoder())
        except ModelError as error:
            self._waiter = waiter
            self._end(error)
            return
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def _completed(self) -> None:
        """The answer is whole: the connection is free for the next request, before anybody has read this one."""
        response, timeouts = self._response, self._timeouts
        assert response is not None and timeouts is not None
        if self._waiter is not None:
            self._head_arrived(response)
        if self._response is None:
            return
        self._finish(None)
        if self._keep and not self._sending and self.usable:
            self.used = True
            self.resume_reading()
            self._expect(KEEP)
            self._on_idle(self)
        else:
            self.abort()

    def resume_reading(self) -> None:
        if self._read_paused:
            self._read_paused = False
            assert self._transport is not None
            self._transport.resume_reading()
            if self._timeouts is not None:
                self._expect(self._timeouts.idle)

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        response = self._response
        if response is None:
            self.abort()
        elif self._until_end and error is None:
            self._complete, self._keep = True, False
            self._completed()
        elif self._received:
            self._cut("ended the connection in the middle of an answer")
        elif self.used:
            self._end(StaleConnection())
        else:
            self._end(self.unanswered())
        self._on_closed(self)

    # ---------------------------------------------------------- called by the parser

    def on_message_begin(self) -> None:
        if self._complete:
            self._keep = False  # more than was asked for

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._begun:
            return  # a trailer: no API says anything there, and its size is counted as framing
        self._raw.append((name, value))
        if len(name) == 16 and name.lower() == b"content-encoding":
            self._encoding = value

    def on_headers_complete(self) -> None:
        if self._complete:
            return
        if self._parser.get_status_code() < 200:
            self._raw = []  # 100 Continue, 103 Early Hints: the answer follows
            self._encoding = None
            return
        if self._received > MAX_HEAD and sum(len(name) + len(value) for name, value in self._raw) > MAX_HEAD:
            raise httptools.HttpParserError("headers too large")
        self._begun = True
        self._keep = self._parser.should_keep_alive()
        if self._bodiless:
            self._complete, self._keep = True, False  # the parser would wait for a body
        elif not self._keep:
            self._until_end = not any(framed(name.lower(), value.lower()) for name, value in self._raw)

    def on_body(self, data: bytes) -> None:
        response = self._response
        if response is not None and not self._complete:
            response.chunks.append(data)
            response.size += len(data)
            self._body += len(data)

    def on_message_complete(self) -> None:
        if self._begun:
            self._complete = True

    def _decoder(self) -> Decoder | None:
        if self._encoding is None or self._bodiless:
            return None
        encoding = self._encoding.decode("latin-1").strip().lower()
        return None if encoding in ("", "identity") else Decoder(encoding, self._host)


TRY = "try another model."


def framed(name: bytes, value: bytes) -> bool:
    """Whether a header says where the body ends."""
    return name == b"content-length" or (name == b"transfer-encoding" and value.endswith(b"chunked"))
