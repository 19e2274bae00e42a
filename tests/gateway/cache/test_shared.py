"""Two servers that share their answers over a real Redis."""

import asyncio

import pytest

from gateway.limits import redis_server
from guru.config import CacheSettings, RedisSettings, Settings
from guru.gateway.cache import Cache, shared
from guru.gateway.cache.memory import MemoryStore
from guru.gateway.cache.shared import PREFIX, SharedStore
from guru.gateway.identity import Caller
from guru.types import ChatRequest, Completed, Delta, Finished, Message, Usage


class Model:
    name, context_length = "test/model", 4096

    def __init__(self):
        self.asked = 0

    async def chat(self, request):
        self.asked += 1
        yield Delta(text="Hello")
        yield Finished("stop")
        yield Completed(model=self.name, usage=Usage(1, 1))

    complete = chat


@pytest.fixture(scope="module")
def redis():
    server = redis_server.RedisServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A machine that is busy is no Redis that is away."""
    monkeypatch.setattr(shared, "PATIENCE", 30.0)


async def chat(cache, model, tenant="a"):
    request = ChatRequest(model="m", messages=[Message(role="user", content="Hi")])
    caller = Caller(tenant=tenant, route="chat.completions", trace_id="t")
    return [event async for event in cache.model(model, caller).chat(request)]


async def test_what_one_server_was_told_the_other_knows(redis):
    settings = Settings(cache=CacheSettings(mode="exact"), redis=RedisSettings(url=redis.url))
    one, other, model = Cache(settings), Cache(settings), Model()
    await chat(one, model)
    await asyncio.gather(*one._tasks)
    assert (await chat(other, model))[0].cache == "exact"
    await chat(other, model, tenant="b")
    assert model.asked == 2
    await one.aclose()
    await other.aclose()


async def test_an_answer_lives_as_long_as_it_was_given(redis):
    store = SharedStore(redis.url)
    await store.put(b"key", b"\x00answer", 60)
    answer, left = await store.get(b"key")
    assert answer == b"\x00answer"
    assert 0 < left <= 60
    await store._redis.pexpire(PREFIX + b"key", 1)
    async with asyncio.timeout(30):
        while await store.get(b"key") is not None:
            await asyncio.sleep(0.02)
    await store.aclose()


async def test_an_answer_of_another_server_gets_no_longer_here_than_there(redis):
    settings = Settings(cache=CacheSettings(mode="exact", ttl_seconds=3600), redis=RedisSettings(url=redis.url))
    cache, store = Cache(settings, store=(memory := MemoryStore(1 << 20, clock=lambda: 0.0))), SharedStore(redis.url)
    await store.put(b"aged", b"answer", 60)
    assert await cache.get(b"aged") == b"answer"
    assert memory._entries[b"aged"].until <= 60
    await store.aclose()
    await cache.aclose()


@pytest.mark.parametrize("garbage", [b"", b"\x00", b"not an answer", b"\x01" + 200 * b"\xff", b"\x93\xc0\xc0\xc0"])
async def test_garbage_in_redis_is_a_miss(redis, garbage):
    settings = Settings(cache=CacheSettings(mode="exact"), redis=RedisSettings(url=redis.url))
    one, model, tenant = Cache(settings), Model(), repr(garbage)
    await chat(one, model, tenant)
    await asyncio.gather(*one._tasks)
    client = one._shared._redis
    for key in await client.keys(PREFIX + b"*"):
        await client.set(key, garbage)
    other = Cache(settings)
    events = await chat(other, model, tenant)
    assert model.asked == 2
    assert isinstance(events[-1], Completed)
    await one.aclose()
    await other.aclose()


async def test_something_else_under_the_name_of_an_answer_stops_nothing(redis):
    store = SharedStore(redis.url)
    await store._redis.rpush(PREFIX + b"list", "x")
    assert await store.get(b"list") is None
    await store.put(b"other", b"answer", 60)
    assert await store.get(b"other") is not None  # it was not taken for a Redis that is away
    await store.aclose()


async def test_a_damaged_answer_is_not_there(redis):
    store = SharedStore(redis.url)
    await store.put(b"damaged", b"a long answer", 60)
    whole = await store._redis.get(PREFIX + b"damaged")
    for damaged in (whole[:-1], whole[:-1] + b"X", b"\x02" + whole[1:]):
        await store._redis.set(PREFIX + b"damaged", damaged, px=60_000)
        assert await store.get(b"damaged") is None
    await store.aclose()


async def test_a_redis_that_is_away_is_asked_once():
    asked = 0

    async def refuse(_reader, writer):
        nonlocal asked
        asked += 1
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        store = SharedStore(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
        assert await store.get(b"key") is None
        await store.put(b"key", b"answer", 60)
        assert await store.get(b"key") is None
        await store.aclose()
    assert asked == 1
