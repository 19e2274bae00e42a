"""How an answer leaves by a door: whole or as a stream, from the same events, with the same headers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Protocol

from starlette.responses import Response

from guru.errors import GuruError
from guru.server.endpoint import Call
from guru.server.errors import as_guru_error
from guru.server.sse import EventStream, primed, while_connected
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
) -> Response | EventStream:
    """The answer to a call: `events` take the road, `encoder` is made when it is known who answers."""
    if stream:
        started, rest = await begin(events)
        chunks = encoded(rest, encoder(started), call.trace_id)
        headers = road_headers(call.trace_id, started.model, cache=started.cache) | call.headers
        return EventStream(chunks, headers, media_type)
    collected = await while_connected(call.request.receive, collect(events))
    started = last_started(collected)
    cost = sum(event.cost for event in collected if isinstance(event, Completed))
    headers = road_headers(call.trace_id, started.model, cost, started.cache) | call.headers
    return Response(encoder(started).collect(collected), headers=headers, media_type="application/json")


def road_headers(trace_id: str, model: str, cost: float = 0.0, cache: str = "miss") -> dict[str, str]:
    """`x-guru-*`. A stream's headers leave before its cost is known: they say what it has cost so far."""
    return {
        "x-guru-trace-id": trace_id,
        "x-guru-model": model,
        "x-guru-cost": f"{cost:.8f}".rstrip("0").rstrip("."),
        "x-guru-cache": cache,
    }


async def begin(events: AsyncGenerator[Event]) -> tuple[Started, AsyncGenerator[Event]]:
    """Who answers, and all events from there on. An error that comes early is raised: it still can be a status."""
    try:
        started = await anext(events)
    except BaseException:
        await events.aclose()
        raise
    assert isinstance(started, Started)
    first, rest = await primed(events)
    if isinstance(first, Started):
        started = first  # the word before was a plan
    return started, rest


async def collect(events: AsyncGenerator[Event]) -> list[Event]:
    async with aclosing(events):
        return [event async for event in events]


def last_started(events: list[Event]) -> Started:
    """Who answered in the end."""
    return next(event for event in reversed(events) if isinstance(event, Started))


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
