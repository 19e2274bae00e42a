"""Two servers that share their answers over a real Redis."""

import asyncio

import pytest

from gateway.limits import redis_server
from guru.config import CacheSettings, RedisSettings, Settings
from guru.gateway.cache import Cache
from guru.gateway.cache.shared import SharedStore
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
    await store.put(b"key", b"\x00answer", 0.5)
    assert await store.get(b"key") == b"\x00answer"
    async with asyncio.timeout(5):
        while await store.get(b"key") is not None:
            await asyncio.sleep(0.02)
    await store.aclose()
