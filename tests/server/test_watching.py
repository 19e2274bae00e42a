"""Events that are watched until the server stops, or whoever watches leaves."""

import asyncio
from contextlib import aclosing

import pytest

from guru.server.watching import until


class Source:
    """Gives what it is told, waits for more, and says when it was closed."""

    def __init__(self, *events):
        self.waiting = asyncio.Event()
        self.closed = False
        self._events = events

    async def watch(self):
        try:
            for event in self._events:
                yield event
            self.waiting.set()
            await asyncio.Event().wait()
        finally:
            self.closed = True


async def collect(closing, source, seen):
    async with aclosing(until(closing, source.watch())) as events:
        async for event in events:
            seen.append(event)


async def test_everything_comes_until_the_events_end():
    async def three():
        for number in range(3):
            yield number

    assert [event async for event in until(asyncio.Event(), three())] == [0, 1, 2]


async def test_it_ends_with_the_server():
    closing, source, seen = asyncio.Event(), Source("a", "b"), []
    watching = asyncio.create_task(collect(closing, source, seen))
    await source.waiting.wait()
    closing.set()
    await watching
    assert seen == ["a", "b"] and source.closed


async def test_who_leaves_while_the_next_event_is_waited_for_closes_the_events():
    source, seen = Source("a"), []
    watching = asyncio.create_task(collect(asyncio.Event(), source, seen))
    await source.waiting.wait()
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    assert seen == ["a"] and source.closed


async def test_who_leaves_between_two_events_closes_them_too():
    source = Source("a", "b")
    async with aclosing(until(asyncio.Event(), source.watch())) as events:
        assert await anext(events) == "a"
    assert source.closed


async def test_what_fails_is_raised():
    async def broken():
        yield 1
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        _ = [event async for event in until(asyncio.Event(), broken())]
