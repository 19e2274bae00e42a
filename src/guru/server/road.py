"""How an answer leaves by a door: whole or as a stream, from the same events, with the same headers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any, Protocol

from starlette.types import Receive, Scope, Send

from guru.errors import GuruError
from guru.server import sse
from guru.server.endpoint import Call
from guru.server.errors import as_guru_error
from guru.server.protocol import exchange_of, header_lines
from guru.server.sse import ClientGone, EventStream, while_connected
from guru.types import Completed, Event, Started


class AnswerEncoder(Protocol):
    """Events to the bytes of one API."""

    def chunk(self, event: Event) -> bytes:
        """What goes over the wire for one event; nothing for an event that the API cannot show."""
        ...

    def end(self) -> bytes:
        """What follows the last event of a stream that did not fail."""
        ...

    def failed(self, error: GuruError) -> bytes:
        """How a stream ends that failed: never with `end`, so that nobody takes the answer for whole."""
        ...

    def collect(self, events: list[Event]) -> bytes:
        """The whole answer, as one body."""
        ...


async def answer(
    call: Call,
    events: AsyncGenerator[Event],
    encoder: Callable[[Started], AnswerEncoder],
    *,
    stream: bool,
    media_type: str = "text/event-stream",
) -> Whole | EventStream:
    """The answer to a call: `events` take the road, `encoder` is made when it is known who answers."""
    if stream:

        def chunks(started: Started, rest: AsyncGenerator[Event]) -> AsyncGenerator[bytes]:
            return encoded(rest, encoder(started), call.trace_id)

        return await streamed(call, events, chunks, media_type)
    return await whole(call, collect(events), encoder)


async def whole(
    call: Call, work: Coroutine[Any, Any, list[Event]], encoder: Callable[[Started], AnswerEncoder]
) -> Whole:
    """An answer in one piece, from all of its events. Raises what `work` raises, and `ClientGone`."""
    collected = await while_connected(call.receive, work)
    started = last_started(collected)
    costs = [event.cost for event in collected if type(event) is Completed]
    cost = None if costs == [None] else sum(cost or 0.0 for cost in costs)
    headers = road_headers(call.trace_id, started.model, cost, started.cache) | call.headers
    return Whole(encoder(started).collect(collected), headers)


class Whole:
    """An ASGI response: one body of JSON, with nothing left to work out."""

    def __init__(self, body: bytes, headers: dict[str, str]) -> None:
        self.body = body
        self._lines = b"content-type: application/json\r\n" + header_lines(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await exchange_of(receive).respond(self._lines, self.body)


def road_headers(trace_id: str, model: str, cost: float | None = 0.0, cache: str = "miss") -> dict[str, str]:
    """`x-guru-*`. A stream's headers leave before its cost is known: they say what it has cost so far."""
    return {
        "x-guru-trace-id": trace_id,
        "x-guru-model": model,
        "x-guru-cost": "unknown" if cost is None else f"{cost:.8f}".rstrip("0").rstrip("."),
        "x-guru-cache": cache,
    }


async def streamed(
    call: Call,
    events: AsyncGenerator[Event],
    chunks: Callable[[Started, AsyncGenerator[Event]], AsyncGenerator[bytes]],
    media_type: str = "text/event-stream",
) -> EventStream:
    """A stream that has begun: `chunks` makes its bytes of who answers and the events from there on.

    It waits for the first event, so that an error before it can still be a status, but not longer than `sse.PATIENCE`:
    then the head is sent, and comments while nothing else comes. Raises what comes before the head, and `ClientGone`.
    """
    receive = call.receive
    exchange = exchange_of(receive)
    started = await while_connected(receive, anext(events))
    assert isinstance(started, Started)
    stream = EventStream(None, headers_of(call, started), media_type)
    impatience = asyncio.get_running_loop().call_later(sse.PATIENCE, stream.begin, exchange)
    first: Event | Exception | None
    try:
        first = await while_connected(receive, anext(events, None))
    except Exception as error:
        if isinstance(error, ClientGone) or not exchange.response_started:
            stream.stop()
            raise
        first = error
    finally:
        impatience.cancel()
    if isinstance(first, Started):
        started = first  # the word before was a plan
        if not exchange.response_started:
            stream = EventStream(None, headers_of(call, started), media_type)
    stream.chunks = chunks(started, resumed(first, events))
    return stream


def headers_of(call: Call, started: Started) -> dict[str, str]:
    return road_headers(call.trace_id, started.model, cache=started.cache) | call.headers


async def resumed(first: Event | Exception | None, events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
    """All events, the first of which has been taken already."""
    async with aclosing(events):
        if isinstance(first, Exception):
            raise first
        if first is not None:
            yield first
        async for event in events:
            yield event


async def collect(events: AsyncGenerator[Event]) -> list[Event]:
    async with aclosing(events):
        return [event async for event in events]


def last_started(events: list[Event]) -> Started:
    """Who answered in the end."""
    for event in reversed(events):
        if type(event) is Started:
            return event
    raise AssertionError("nobody has answered")


async def encoded(events: AsyncGenerator[Event], encoder: AnswerEncoder, trace_id: str) -> AsyncGenerator[bytes]:
    """The bytes of a stream."""
    try:
        async with aclosing(events):
            async for event in events:
                if data := encoder.chunk(event):
                    yield data
    except Exception as error:
        yield encoder.failed(as_guru_error(error, trace_id))
        return
    yield encoder.end()
