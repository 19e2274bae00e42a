"""Limits that several processes share: a real Redis, and limiters in processes of their own."""

import asyncio
import json
import logging
import subprocess
import sys
import time

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
    began = time.monotonic()
    granted = await asyncio.gather(admit(one, 64), admit(two, 64))
    assert 60 <= sum(map(len, granted)) <= 60 + time.monotonic() - began


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
    assert 400 <= int(headers["x-ratelimit-remaining-tokens"]) <= 420
    assert headers["x-ratelimit-limit-requests"] == "60"


async def test_what_runs_at_once_is_counted_over_all(limiters):
    rule = Rule(scope="key", id="k", tenant="t", limits=LimitSettings(concurrency=5))
    one, two = await limiters(rule), await limiters(rule)
    held = await admit(one, 10)
    assert (len(held), await admit(two, 10)) == (5, [])
    held[0].settle(0, 0)
    await one._shared._idle.wait()
    assert len(await admit(two, 10)) == 1


async def test_a_budget_is_spent_together_and_never_less_than_the_ledger_says(limiters):
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
    assert asked == ["w", "w"]  # each process once


async def test_a_request_that_never_fits_is_told_so(limiters):
    with pytest.raises(TooLarge):
        await (await limiters()).admit(WHO, "m", 601, 0)


async def test_what_a_dead_process_had_reserved_is_free_again(limiters):
    rules = [
        Rule(scope="key", id="k", tenant="t", limits=LimitSettings(concurrency=1)),
        Rule(scope="team", id="w", tenant="t", budget=BudgetSettings(usd=1.0)),
    ]
    dead, alive = await limiters(*rules), await limiters(*rules)
    await dead.admit(WHO, "m", 0, 1.0)
    assert await admit(alive, 1, cost=1.0) == []
    for key in await leases(alive):  # two minutes pass
        await age(alive, key)
    assert len(await admit(alive, 1, cost=1.0)) == 1


async def leases(limiter):
    """The keys of Redis that say which requests run."""
    client = limiter._shared._client
    return [key async for key in client.scan_iter() if await client.type(key) == b"zset"]


async def age(limiter, key):
    client = limiter._shared._client
    await client.zadd(key, dict.fromkeys(await client.zrange(key, 0, -1), 1))


async def test_the_largest_limits_count(limiters):
    large = LimitSettings(rpm=10**12, tpm=10**12, concurrency=10**12)
    limiter = await limiters(Rule(scope="key", id="k", tenant="t", limits=large, budget=BudgetSettings(usd=1e9)))
    (reservation,) = await admit(limiter, 1, tokens=10**9, cost=1e8)
    reservation.settle(10**10, 9e8)
    await limiter._shared._idle.wait()
    headers = dict((await limiter.admit(WHO, "m", 0, 1e8)).headers)
    assert headers["x-ratelimit-limit-tokens"] == "1000000000000"
    assert 0.98e12 < int(headers["x-ratelimit-remaining-tokens"]) <= 10**12
    with pytest.raises(BudgetExceeded):
        await limiter.admit(WHO, "m", 0, 1.0)


async def test_a_long_request_keeps_its_place(limiters):
    rule = Rule(scope="key", id="k", tenant="t", limits=LimitSettings(concurrency=1))
    limiter = await limiters(rule, lease=3)
    client = limiter._shared._client
    await limiter.admit(WHO, "m", 0, 0)
    (key,) = await leases(limiter)
    ((_, until),) = await client.zrange(key, 0, -1, withscores=True)
    async with asyncio.timeout(30):
        while not (found := await client.zrange(key, 0, -1, withscores=True)) or found[0][1] == until:
            await asyncio.sleep(0.02)
    assert found[0][1] > until


async def test_a_client_that_goes_away_while_redis_is_asked_leaves_nothing_taken(limiters):
    rule = Rule(scope="key", id="k", tenant="t", limits=LimitSettings(concurrency=1, tpm=600))
    limiter = await limiters(rule)
    for _ in range(5):
        task = asyncio.create_task(limiter.admit(WHO, "m", 100, 0))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for _ in range(3):  # the answer that nobody waits for, then what gives it back
            await limiter._shared._idle.wait()
            await asyncio.sleep(0)
    headers = dict((await limiter.admit(WHO, "m", 100, 0)).headers)
    assert headers["x-ratelimit-remaining-tokens"] == "500"


async def test_a_redis_that_has_forgotten_the_script_is_told_it_again(limiters):
    limiter = await limiters()
    await limiter.admit(WHO, "m", 0, 0)
    await limiter._shared._client.script_flush()
    assert len(await admit(limiter, 5)) == 5
    assert limiter.shared_failures == 0


def rule(**limits):
    return Rule(scope="key", id="k", tenant="t", limits=LimitSettings(**limits))


BUDGET = Rule(scope="key", id="k", tenant="t", budget=BudgetSettings(usd=1.0))


async def test_without_redis_each_process_counts_alone_and_says_so_once(caplog):
    server = redis_server.RedisServer()
    server.start()
    shared = RedisLimits(server.url, patience=0.1)
    limiter = Limiter(shared=shared)
    limiter.configure([rule(rpm=10)])
    try:
        assert len(await admit(limiter, 3)) == 3
        server.stop()
        with caplog.at_level(logging.WARNING):
            assert len(await admit(limiter, 20)) == 10
            assert await admit(limiter, 20) == []
        assert limiter.shared_failures == 40
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        server.start()
        await shared._there.wait()
        assert len(await admit(limiter, 20)) == 10
        assert "answers again" in caplog.records[-1].message
    finally:
        await limiter.aclose()
        server.stop()


@pytest.fixture
async def slow(server):
    """A Redis whose answers can be held back, and a limiter over it that waits a moment for them."""
    async with redis_server.Proxy(server.port) as proxy:
        limiter = Limiter(shared=RedisLimits(proxy.url, patience=0.2))
        await limiter._shared._client.flushall()
        yield proxy, limiter
        await limiter.aclose()


async def test_while_redis_is_away_nobody_waits_for_it(slow, caplog):
    proxy, limiter = slow
    limiter.configure([rule(rpm=10)])
    assert len(await admit(limiter, 5)) == 5
    proxy.flowing.clear()
    assert len(await admit(limiter, 20)) == 10  # they were the ones to find out
    orders = []
    limiter._shared._send = orders.append
    assert await admit(limiter, 20) == []
    assert (orders, limiter._shared.outages) == ([], 1)
    del limiter._shared._send
    proxy.flowing.set()
    await limiter._shared._there.wait()
    assert await admit(limiter, 20) == []  # the answer that nobody waited for had taken the rest


async def test_what_ended_or_was_asked_while_redis_was_away_holds_no_place(slow):
    proxy, limiter = slow
    limits = LimitSettings(concurrency=6, tpm=6000)
    limiter.configure([Rule(scope="key", id="k", tenant="t", limits=limits, budget=BudgetSettings(usd=1.0))])
    held = await admit(limiter, 2, tokens=100, cost=0.1)
    proxy.flowing.clear()
    alone = await admit(limiter, 4, tokens=100, cost=0.1)  # Redis takes them down, and cannot say so
    assert [len(held), len(alone)] == [2, 4]
    for reservation in [*held, *alone]:
        reservation.settle(100, 0.05)
    proxy.flowing.set()
    await limiter._shared._there.wait()
    assert len(await admit(limiter, 7, tokens=100, cost=0.1)) == 6


async def test_a_redis_that_has_no_memory_left_is_as_good_as_none(server, caplog):
    shared = RedisLimits(server.url, patience=0.1)
    limiter = Limiter(shared=shared)
    limiter.configure([rule(rpm=10), Rule(scope="team", id="w", tenant="t", budget=BudgetSettings(usd=1.0))])
    try:
        await shared._client.flushall()
        await shared._client.config_set("maxmemory", 1)
        with caplog.at_level(logging.WARNING):
            assert len(await admit(limiter, 20)) == 10
        assert "OOM" in caplog.text
        await asyncio.sleep(0.3)  # it answers, and still takes nothing
        assert (shared.outages, shared._there.is_set()) == (1, False)
        await shared._client.config_set("maxmemory", 0)
        await shared._there.wait()
        assert len(await admit(limiter, 20)) == 10
    finally:
        await shared._client.config_set("maxmemory", 0)
        await limiter.aclose()


async def test_money_spent_while_redis_was_away_counts_when_it_is_back():
    ledger = {"k": 0.0}

    async def spent(scope, tenant, id, since):
        return ledger[id]

    server = redis_server.RedisServer()
    server.start()
    shared = RedisLimits(server.url, patience=0.1, spent=spent)
    limiter = Limiter(shared=shared, spent=spent)
    limiter.configure([BUDGET])

    async def spend(dollars):
        for reservation in await admit(limiter, 1, cost=dollars):
            reservation.settle(0, dollars)
            ledger["k"] += dollars
            await shared._idle.wait()

    try:
        await spend(0.2)
        for _ in range(2):  # the second time the process must not think that only its own first outage was spent
            server.stop()
            await spend(0.2)
            server.start()
            await shared._there.wait()
            await spend(0.15)
        assert round(ledger["k"], 6) == 0.9
        with pytest.raises(BudgetExceeded):
            await limiter.admit(WHO, "m", 0, 0.2)
        assert len(await admit(limiter, 1, cost=0.1)) == 1
    finally:
        await limiter.aclose()
        server.stop()


async def test_what_a_killed_process_had_spent_is_learned_from_the_ledger(limiters):
    ledger = [0.0]

    async def spent(*_):
        return ledger[0]

    limiter = await limiters(BUDGET, spent=spent, lease=0.3)
    assert len(await admit(limiter, 1, cost=0.1)) == 1
    ledger[0] = 1.0  # by another process, whose last word Redis never heard
    async with asyncio.timeout(30):
        while await admit(limiter, 1):
            await asyncio.sleep(0.02)


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
    granted = refused = 0
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.time()
    async def client():
        nonlocal granted, refused
        while time.time() < began + seconds or not refused:
            try:
                (await limiter.admit(who, "m", 0, 0)).settle(0, 0)
                granted += 1
            except RateLimited:
                refused = time.time()
                await asyncio.sleep(0.002)
    await asyncio.gather(*(client() for _ in range(32)))
    ended = time.time()
    await limiter.aclose()
    print(json.dumps([granted, began, refused, ended, limiter.shared_failures]), flush=True)

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
    counts, began, refused, ended, failures = zip(*results, strict=True)
    assert sum(failures) == 0
    # Whoever is refused finds the bucket empty: all that it held and all that flowed in was given out.
    assert sum(counts) >= (6000 + 100 * (max(refused) - max(began))) * 0.99
    assert sum(counts) <= (6000 + 100 * (max(ended) - min(began))) * 1.01
