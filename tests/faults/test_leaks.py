"""Nothing is left of thousands of requests that went wrong in every way.

GURU_LEAK_REQUESTS says how many there are in each round (5,000 by hand; fewer in CI).
"""

import asyncio
import contextlib
import gc
import os
import random
from collections import Counter

import aiohttp
import pytest

from faults.rig import (
    answer,
    begin_then,
    configuration,
    cut,
    fail,
    gateway,
    providers,
    reset,
    silence,
    sockets,
    until,
)  # fmt: skip

REQUESTS = int(os.environ.get("GURU_LEAK_REQUESTS", "90"))
CLIENTS = 32
HELD = ("Attempt", "Journey", "Trace", "Response", "RoutedModel", "MemoryReservation", "Pumped", "Watch")
"""Classes of which one lives for each request."""
SETTINGS = """
retries = 1
hedge_after = 0.05
first_token_timeout = 0.2
timeout = 1
[models.robust.limits]
concurrency = 1000
rpm = 10_000_000
"""
ACTS = [
    answer("a", "b"), answer("a", "b", gap=0.001), answer(*"abcdefgh"), fail(500), fail(429, retry_after="0"),
    fail(400), fail(401), reset, silence, begin_then(then=cut), begin_then("one"), begin_then("one", then=cut),
    begin_then("one", then=reset), begin_then(then=silence),
]  # fmt: skip


async def misuse(guru, chance):
    """One request, by a client that may leave at any moment."""
    stream = chance.random() < 0.6
    door = chance.choice(["/v1/chat/completions", "/v1/messages", "/api/chat", "/v1/responses", "/api/v1/chat"])
    asked = [{"role": "user", "content": "Hi"}]
    body = {"model": "robust", "stream": stream, "messages": asked, "max_tokens": 9}
    if door == "/v1/responses":
        body = {"model": "robust", "stream": stream, "input": "Hi"}
    elif door == "/api/v1/chat":
        body = {"model": "robust", "stream": stream, "message": "Hi"}
    elif door == "/api/chat":
        body.pop("max_tokens")
    patience = chance.choice([0.0, 0.01, 0.05, 0.3, 1.0])
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with asyncio.timeout(patience), guru.session.post(guru.url + door, json=body) as response:
            if chance.random() < 0.2:
                response.close()
            else:
                await response.read()


async def storm(guru, upstreams, chance, count):
    async def act(call):
        await chance.choice(ACTS)(call)

    for one in upstreams:
        one.usual = act
    numbers = iter(range(count))

    async def client():
        for _ in numbers:
            await misuse(guru, chance)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    await guru.at_rest()
    await until(lambda: all(one.open == 0 for one in upstreams), "a provider still works for nobody")


def held():
    gc.collect()
    found = Counter(type(one).__name__ for one in gc.get_objects())
    return {name: found[name] for name in HELD}


async def count_tasks():
    """Tasks, once those that are about to end have done so."""
    before = -1
    while before != (before := len(asyncio.all_tasks())):
        await asyncio.sleep(0.05)
    return before


async def test_nothing_is_left_of_a_storm(tmp_path):
    chance, before = random.Random(5), held()
    async with providers(3) as three:
        text = configuration(*three, alias=SETTINGS)
        async with gateway(tmp_path / "home", text) as guru:
            tasks, open_sockets = await count_tasks(), sockets()
            await storm(guru, three, chance, REQUESTS)
            await until(lambda: all(count <= before[name] for name, count in held().items()), "requests are still held")
            assert await count_tasks() <= tasks + 2 * CLIENTS  # connections of clients and providers
            assert sockets() <= open_sockets + 4 * CLIENTS
            (account,) = guru.services.limiter._accounts.values()
            assert account.running == 0
            for one in guru.router.deployments():
                assert not guru.health(one.model).breaker._probing
                assert one.in_flight == 0
            for one in three:
                one.usual = answer("well")
            for one in guru.router.deployments():
                guru.health(one.model).breaker.close()
            assert (await guru.chat())[0] == 200


@pytest.mark.parametrize("alias", ["", "hedge_after = 5"], ids=["plain", "hedged"])
async def test_a_client_that_does_not_read_slows_its_provider_and_nobody_else(tmp_path, alias):
    sent = 0

    async def flood(call):
        nonlocal sent
        await call.begin()
        while not call.gone.is_set():
            await call.piece("x" * 8192)
            sent += 8192

    async with providers(1) as (a,), gateway(tmp_path / "home", configuration(a, alias=alias)) as guru:
        a.script = [flood]
        body = {"model": "robust", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
        async with guru.session.post(f"{guru.url}/v1/chat/completions", json=body) as response:
            await response.content.readany()
            steady, before = 0, -1
            while steady < 10:  # the provider cannot send any more
                steady, before = steady + 1 if sent == before else 0, sent
                status, _, got = await guru.chat()
                assert (status, got["choices"][0]["message"]["content"]) == (200, "Hello there")
                assert sent < 64 << 20, "the gateway takes everything"
            response.close()
        await until(a.calls[0].gone.is_set)
        await guru.at_rest()
