"""Server-sent events, and answers that end when the client goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

import msgspec
from starlette.types import Receive, Scope, Send

Result = TypeVar("Result")
KEEP_ALIVE = 10.0
"""Seconds of silence after which a comment is sent, so that proxies do not cut a stream whose model thinks."""
PATIENCE = 1.0
"""Seconds that a stream waits for its first event, so that an early error can still be an HTTP status."""
encode = msgspec.json.Encoder().encode


def sse(event: str, data: Any) -> bytes:
    """One event with JSON data."""
    return b"event: " + event.encode() + b"\ndata: " + encode(data) + b"\n\n"


class ClientGone(Exception):
    """The client closed the connection; there is nobody to answer."""


async def gone(receive: Receive) -> None:
    """Return when the client has closed the connection. The body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def while_connected(receive: Receive, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, which is cancelled when the client goes away. Raises `ClientGone`."""
    task = asyncio.create_task(work)
    watcher = asyncio.create_task(gone(receive))
    try:
        await asyncio.wait((task, watcher), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone
        return task.result()
    finally:
        watcher.cancel()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class EventStream:
    """An ASGI response that sends `chunks` as they come and closes them when the client goes away."""

    def __init__(
        self, chunks: AsyncIterator[bytes], headers: dict[str, str], media_type: str = "text/event-stream"
    ) -> None:
        self._chunks = chunks
        self._comments = media_type == "text/event-stream"
        if media_type.startswith(("text/", "application/")):
            media_type += "; charset=utf-8"
        self._headers = [
            (b"content-type", media_type.encode()),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
            *((name.encode(), value.encode()) for name, value in headers.items()),
        ]
        self._sent = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pump = asyncio.create_task(self._pump(send))
        others = [asyncio.create_task(gone(receive))]
        if self._comments:
            others.append(asyncio.create_task(self._keep_alive(send)))
        try:
            await asyncio.wait((pump, others[0]), return_when=asyncio.FIRST_COMPLETED)
            if pump.done():
                pump.result()
        finally:
            for task in (pump, *others):
                task.cancel()
            await asyncio.gather(pump, *others, return_exceptions=True)

    async def _pump(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        async with aclosing(self._chunks) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                self._sent = True
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _keep_alive(self, send: Send) -> None:
        while True:
            self._sent = False
            await asyncio.sleep(KEEP_ALIVE)
            if not self._sent:
                await send({"type": "http.response.body", "body": b": keep-alive\n\n", "more_body": True})


async def primed(items: AsyncGenerator[Result]) -> tuple[Result | None, AsyncGenerator[Result]]:
    """The first item, if it comes within `PATIENCE` seconds, and all items: an error until then is raised here."""
    first = asyncio.ensure_future(anext(items, None))
    try:
        await asyncio.wait((first,), timeout=PATIENCE)
        item = first.result() if first.done() else None
    except BaseException:
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await items.aclose()
        raise
    return item, resume(first, items)


async def resume(first: asyncio.Future[Result | None], items: AsyncGenerator[Result]) -> AsyncGenerator[Result]:
    try:
        item = await first
        if item is not None:
            yield item
        async for item in items:
            yield item
    finally:
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await items.aclose()
