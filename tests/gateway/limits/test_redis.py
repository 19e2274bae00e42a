"""Limits that several processes share: a real Redis, and limiters in processes of their own."""

import asyncio
import json
import logging
import subprocess
import sys

import pytest

from gateway.limits import redis_server
from guru.config import BudgetSettings, LimitSettings
from guru.errors import BudgetExceeded, RateLimited, TooLarge
from guru.gateway.identity import Caller
from guru.gateway.limits import Limiter, Rule
from guru.gateway.limits.redis import RedisLimits

RULES = [
    Rule(scope="key", id="k", tenant="t", limits=LimitSettings(rpm=60, tpm=600, concurrency=50)),
    Rule(scope="team", id="w", tenant="t", budget=BudgetSettings(usd=1.0)),
]
WHO = Caller(tenant="t", route="r", trace_id="tr", key="k", team="w")


@pytest.fixture(scope="module")
def server():
    server = redis_server.RedisServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def limiters(server):
    """Make limiters that share a Redis which is empty at first."""
    made = []

    async def limiter(*rules, **options):
        shared = RedisLimits(server.url, **options)
        if not made:
            await shared._client.flushall()
        limiter = Limiter(shared=shared)
        limiter.configure(rules or RULES)
        made.append(limiter)
        return limiter

    yield limiter
    for limiter in made:
        await limiter.aclose()


async def admit(limiter, times, tokens=0, cost=0.0):
    """Ask `times` at once; what was granted."""
    results = await asyncio.gather(
        *(limiter.admit(WHO, "m", tokens, cost) for _ in range(times)), return_exceptions=True
    )
    odd = [result for result in results if isinstance(result, Exception) and not isinstance(result, RateLimited)]
    assert odd == []
    return [result for result in results if not isinstance(result, Exception)]


async def test_two_limiters_share_one_bucket(limiters):
    one, two = await limiters(), await limiters()
    rules = [Rule(scope="key", id="k", tenant="t", limits=LimitSettings(rpm=60))]
    one.configure(rules)
    two.configure(rules)
    granted = await asyncio.gather(admit(one, 64), admit(two, 64))
    assert 60 <= sum(map(len, granted)) <= 61  # a second passes, at most


async def test_reserved_tokens_are_settled_for_everybody(limiters):
    one, two = await limiters(), await limiters()
    (reservation,) = await admit(one, 1, tokens=600)
    with pytest.raises(RateLimited, match="600 tokens a minute") as refused:
        await two.admit(WHO, "m", 100, 0)
    assert 0 < refused.value.retry_after <= 10
    assert refused.value.headers["x-ratelimit-limit-tokens"] == "600"
    reservation.settle(100, 0)
    reservation.settle(0, 0)
    await one._shared._idle.wait()
    headers = dict((await two.admit(WHO, "m", 100, 0)).headers)
    assert 400 <= int(headers[b"x-ratelimit-remaining-tokens"]) <= 420
    assert headers[b"x-ratelimit-limit-requests"] == b"60"


async def test_what_runs_at_once_is_counted_over_all(limiters):
    rule = Rule(scope="key", id="k", tenant="t", limits=LimitSettings(concurrency=5))
    one, two = await limiters(rule), await limiters(rule)
    held = await admit(one, 10)
    assert (len(held), await admit(two, 10)) == (5, [])
    held[0].settle(0, 0)
    await one._shared._idle.wait()
    assert len(await admit(two, 10)) == 1


async def test_a_budget_is_spent_together_and_loaded_once_from_the_ledger(limiters):
    asked = []

    async def spent(scope, tenant, id, since):
        asked.append(id)
        return 0.5

    rule = Rule(scope="team", id="w", tenant="t", budget=BudgetSettings(usd=1.0))
    one = await limiters(rule, spent=spent)
    (first,) = await admit(one, 1, cost=0.3)
    two = await limiters(rule, spent=spent)
    with pytest.raises(BudgetExceeded, match="Team w has used its budget"):
        await two.admit(WHO, "m", 0, 0.3)
    first.settle(0, 0.1)
    await one._shared._idle.wait()
    assert len(await admit(two, 10, cost=0.1)) == 4
    assert asked == ["w"]


async def test_a_request_that_never_fits_is_told_so(limiters):
    with pytest.raises(TooLarge):
        await (await limiters()).admit(WHO, "m", 601, 0)


async def test_what_a_dead_process_had_reserved_is_free_again(limiters):
    rules = [
        Rule(scope="key", id="k", tenant="t", limits=LimitSettings(concurrency=1)),
        Rule(scope="team", id="w", tenant="t", budget=BudgetSettings(usd=1.0)),
    ]
    dead = await limiters(*rules, lease=0.3)
    await dead.admit(WHO, "m", 0, 1.0)
    dead._shared._renewer.cancel()
    alive = await limiters(*rules)
    assert await admit(alive, 1, cost=1.0) == []
    await asyncio.sleep(0.35)
    assert len(await admit(alive, 1, cost=1.0)) == 1


async def test_a_long_request_keeps_its_place(limiters):
    rule = Rule(scope="key", id="k", tenant="t", limits=LimitSettings(concurrency=1))
    limiter = await limiters(rule, lease=0.3)
    await limiter.admit(WHO, "m", 0, 0)
    await asyncio.sleep(0.7)
    assert await admit(limiter, 1) == []


async def test_a_client_that_goes_away_while_redis_is_asked_leaves_nothing_taken(limiters):
    rule = Rule(scope="key", id="k", tenant="t", limits=LimitSettings(concurrency=1, tpm=600))
    limiter = await limiters(rule)
    for _ in range(5):
        task = asyncio.create_task(limiter.admit(WHO, "m", 100, 0))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0.05)
    headers = dict((await limiter.admit(WHO, "m", 100, 0)).headers)
    assert headers[b"x-ratelimit-remaining-tokens"] == b"500"


async def test_a_redis_that_has_forgotten_the_script_is_told_it_again(limiters):
    limiter = await limiters()
    await limiter.admit(WHO, "m", 0, 0)
    await limiter._shared._client.script_flush()
    assert len(await admit(limiter, 5)) == 5
    assert limiter.shared_failures == 0


async def test_without_redis_each_process_counts_alone_and_says_so_once(caplog):
    server = redis_server.RedisServer()
    server.start()
    shared = RedisLimits(server.url, patience=0.2)
    limiter = Limiter(shared=shared)
    rule = Rule(scope="key", id="k", tenant="t", limits=LimitSettings(rpm=10))
    limiter.configure([rule])
    try:
        assert len(await admit(limiter, 3)) == 3
        server.stop()
        with caplog.at_level(logging.WARNING):
            assert len(await admit(limiter, 20)) == 10
            assert await admit(limiter, 20) == []
        assert limiter.shared_failures == 40
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        server.start()
        await asyncio.sleep(0.25)
        assert len(await admit(limiter, 20)) == 10
        assert "answers again" in caplog.records[-1].message
    finally:
        await limiter.aclose()
        server.stop()


PROCESS = """
import asyncio, json, sys, time
from guru.config import LimitSettings
from guru.errors import RateLimited
from guru.gateway.identity import Caller
from guru.gateway.limits import Limiter, Rule
from guru.gateway.limits.redis import RedisLimits

async def main(url, seconds):
    limiter = Limiter(shared=RedisLimits(url))
    limiter.configure([Rule(scope="key", id="many", tenant="t", limits=LimitSettings(rpm=6000))])
    who = Caller(tenant="t", route="r", trace_id="tr", key="many")
    moments = []
    print("ready", flush=True)
    sys.stdin.readline()
    end = time.time() + seconds
    async def client():
        while time.time() < end:
            try:
                reservation = await limiter.admit(who, "m", 0, 0)
                moments.append(time.time())
                reservation.settle(0, 0)
            except RateLimited:
                await asyncio.sleep(0.002)
    await asyncio.gather(*(client() for _ in range(32)))
    await limiter.aclose()
    print(json.dumps([len(moments), min(moments), max(moments), limiter.shared_failures]), flush=True)

asyncio.run(main(sys.argv[1], float(sys.argv[2])))
"""


def test_two_processes_of_32_clients_get_what_one_limit_gives(server):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, server.url, "3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    counts, first, last, failures = zip(*results, strict=True)
    given = 6000 + 100 * (max(last) - min(first))
    assert sum(failures) == 0
    assert given * 0.99 <= sum(counts) <= given * 1.01
