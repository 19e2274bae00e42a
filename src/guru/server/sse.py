"""Server-sent events, and answers that end when the client goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

import msgspec
from starlette.types import Receive, Scope, Send

from guru.server.exchange import Exchange, exchange_of, header_lines

Result = TypeVar("Result")
KEEP_ALIVE = 10.0
"""Seconds of silence after which a comment is sent, so that proxies do not cut a stream whose model thinks."""
PATIENCE = 8.0
"""Seconds that a stream waits for its first event, so that an early error can still be an HTTP status."""
encode = msgspec.json.Encoder().encode


def sse(event: str, data: Any) -> bytes:
    """One event with JSON data."""
    return b"event: " + event.encode() + b"\ndata: " + encode(data) + b"\n\n"


class ClientGone(Exception):
    """The client closed the connection; there is nobody to answer."""


async def while_connected(receive: Receive, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, which is cancelled when the client goes away. Raises `ClientGone`.

    No task is made for either: the exchange calls back when the connection is lost.
    """
    exchange = exchange_of(receive)
    task = asyncio.current_task()
    assert task is not None
    if exchange.disconnected:
        work.close()
        raise ClientGone
    left = False

    def leave() -> None:
        nonlocal left
        left = True
        task.cancel()

    exchange.on_gone = leave
    try:
        return await work
    except asyncio.CancelledError:
        if left and not task.uncancel():
            raise ClientGone from None
        raise
    finally:
        exchange.on_gone = None


class EventStream:
    """An ASGI response that sends `chunks` as they come and closes them when the client goes away."""

    def __init__(
        self, chunks: AsyncIterator[bytes] | None, headers: dict[str, str], media_type: str = "text/event-stream"
    ) -> None:
        self.chunks = chunks
        """May be set later than the head is sent."""
        self._comments = media_type == "text/event-stream"
        kind = media_type if media_type.startswith("audio/") else f"{media_type}; charset=utf-8"
        head = {"content-type": kind, "cache-control": "no-store", "x-accel-buffering": "no"}
        self._lines = header_lines(head | headers)
        self._sent = False
        self._timer: asyncio.TimerHandle | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await while_connected(receive, self._pump(exchange_of(receive)))
        except ClientGone:
            pass
        finally:
            self.stop()

    def begin(self, exchange: Exchange) -> None:
        """Send the head, unless it has been sent, and comments while nothing else comes."""
        if not exchange.response_started:
            exchange.open(self._lines)
        if self._comments and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(KEEP_ALIVE, self._keep_alive, exchange)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    async def _pump(self, exchange: Exchange) -> None:
        assert self.chunks is not None
        self.begin(exchange)
        async with aclosing(self.chunks) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                self._sent = True
                if exchange.stuck:
                    await exchange.drain()
                exchange.write(chunk, more=True)
        exchange.write(b"", more=False)

    def _keep_alive(self, exchange: Exchange) -> None:
        if not self._sent and not exchange.response_complete:
            exchange.write(b": keep-alive\n\n", more=True)
        self._sent = False
        self._timer = asyncio.get_running_loop().call_later(KEEP_ALIVE, self._keep_alive, exchange)
