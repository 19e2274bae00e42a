"""How an answer leaves by a door: whole or as a stream, from the same events, with the same headers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any, Protocol
from urllib.parse import quote

import msgspec
from starlette.types import Receive, Scope, Send

from guru.errors import GuruError
from guru.gateway.identity import Caller
from guru.gateway.steps import Request
from guru.gateway.tasks import Task
from guru.server import sse
from guru.server.endpoint import Call
from guru.server.errors import as_guru_error
from guru.server.exchange import exchange_of, header_lines
from guru.server.sse import ClientGone, EventStream, while_connected
from guru.types import Completed, Event, Started

encode = msgspec.json.Encoder().encode


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
    request: Request,
    caller: Caller,
    encoder: Callable[[Started], AnswerEncoder],
    media_type: str = "text/event-stream",
) -> Whole | EventStream:
    """The answer of a model or of an agent, whole or as a stream; `encoder` is made when it is known who answers."""
    if request.stream:
        return await stream(call, call.services.answerers.run(request, caller), encoder, media_type)
    return await whole(call, call.services.answerers.answer(request, caller), encoder)


async def stream(
    call: Call,
    events: AsyncGenerator[Event],
    encoder: Callable[[Started], AnswerEncoder],
    media_type: str = "text/event-stream",
) -> EventStream:
    """Events as they come, in the words of one API."""

    def chunks(started: Started, rest: AsyncGenerator[Event]) -> AsyncGenerator[bytes]:
        return encoded(rest, encoder(started), call.trace_id)

    return await streamed(call, events, chunks, media_type)


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
    """An ASGI response to a `POST`: one body, with nothing left to work out."""

    def __init__(self, body: bytes, headers: dict[str, str], media_type: bytes = b"application/json") -> None:
        self.body = body
        self._lines = b"content-type: %b\r\n" % media_type + header_lines(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await exchange_of(receive).respond(self._lines, self.body)


def road_headers(trace_id: str, model: str, cost: float | None = 0.0, cache: str = "miss") -> dict[str, str]:
    """`x-guru-*`. A stream's headers leave before its cost is known: they say what it has cost so far."""
    return {
        "x-guru-trace-id": trace_id,
        "x-guru-model": model if model.isprintable() else escaped(model),
        "x-guru-cost": "unknown" if cost is None else f"{cost:.8f}".rstrip("0").rstrip("."),
        "x-guru-cache": cache,
    }


def escaped(name: str) -> str:
    """A name that a header can carry: what cannot be printed is written as in addresses."""
    return "".join([one if one.isprintable() else quote(one, safe="", errors="replace") for one in name])


async def perform(call: Call, task: Task, request: Any, route: str) -> Any:
    """The result for a request of `guru.tasks`. Raises what the road raises, and `ClientGone`."""
    return await while_connected(call.receive, call.services.road.perform(task, request, call.caller(route)))


class Told(Protocol):
    """What says who answered, and for how much."""

    model: str
    cost: float | None


def told(call: Call, body: Any, by: Told, cache: str = "miss") -> Whole:
    """An answer as JSON, with the headers of the road."""
    return Whole(encode(body), road_headers(call.trace_id, by.model, by.cost, cache) | call.headers)


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
