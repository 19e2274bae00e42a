"""Streams that can be resumed."""

import asyncio

from guru.agents.mcp.client.events import EventReader
from guru.agents.mcp.serving.stream import KEPT, Stream, place


async def read(stream, *arguments, **options):
    return [event async for event in stream.read(*arguments, **options)]


async def test_it_is_read_from_any_place_on():
    stream = Stream("s1", resumable=True)
    for number in range(3):
        stream.write({"number": number})
    stream.end()
    reader = EventReader()
    said = [text for event in await read(stream) for text in reader.feed(event)]
    assert said == ['{"number":0}', '{"number":1}', '{"number":2}']
    assert reader.last_id == "s1-3"
    assert await read(stream, place("s1-2")[1]) == [b'id: s1-3\nevent: message\ndata: {"number":2}\n\n']
    assert await read(stream, 3) == []


async def test_a_reader_that_is_sent_away_comes_back_for_the_rest():
    stream = Stream("s1", resumable=True)
    stream.write({"a": 1})
    first = asyncio.create_task(read(stream, prime=True, retry=50))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    stream.hang_up()
    events = await first
    assert events[0] == b"id: s1-0\nretry: 50\ndata: \n\n"
    second = asyncio.create_task(read(stream, len(events) - 1))
    stream.write({"b": 2})
    stream.end()
    assert b'{"b":2}' in b"".join(await second)


async def test_a_new_reader_ends_the_one_before():
    stream = Stream("s1", resumable=True)
    first = asyncio.create_task(read(stream))
    await asyncio.sleep(0)
    second = asyncio.create_task(read(stream))
    await asyncio.sleep(0)
    stream.write({"a": 1})
    stream.end()
    assert await first == []
    assert len(await second) == 1


async def test_it_forgets_what_is_old():
    stream = Stream("s1", resumable=True)
    for number in range(KEPT + 10):
        stream.write({"number": number})
    stream.end()
    assert len(await read(stream)) == KEPT


def test_places_that_are_none():
    assert [place(text) for text in ("", "s1", "-3", "s1-", "s1-x", "s1-" + "9" * 20)] == [None] * 6


def test_events_are_read_however_they_are_cut():
    data = b": hello\r\nid: 1\r\nretry: 20\r\ndata: a\r\ndata: b\r\n\r\ndata\r\n\r\nid: 2\ndata:c\n\n"
    for size in range(1, len(data) + 1):
        reader = EventReader()
        said = [text for at in range(0, len(data), size) for text in reader.feed(data[at : at + size])]
        assert (size, said, reader.last_id, reader.retry) == (size, ["a\nb", "c"], "2", 0.02)
