"""Money held for a batch at a provider: it counts with the budget, and takes no slot and no rate."""

import asyncio

import pytest

from gateway.limits import redis_server
from guru.config import BudgetSettings, LimitSettings
from guru.errors import BudgetExceeded, RateLimited
from guru.gateway.identity import Caller
from guru.gateway.limits import Limiter, Rule
from guru.gateway.limits.hold import hold
from guru.gateway.limits.redis import RedisLimits

ANN = Caller(tenant="t", route="batch", trace_id="tr", key="ann")


def make(**more):
    limiter = Limiter(clock=lambda: 0, now=lambda: 1_763_800_000.0, **more)
    limits = LimitSettings(rpm=2, concurrency=1)
    rule = Rule(scope="key", tenant="t", id="ann", limits=limits, budget=BudgetSettings(usd=10, per="day"))
    limiter.configure([rule])
    return limiter


async def test_what_is_held_is_taken_from_the_budget():
    limiter = make()
    held = await hold(limiter, ANN, "up/m", 6.0)
    with pytest.raises(BudgetExceeded):
        await hold(limiter, ANN, "up/m", 5.0)
    with pytest.raises(BudgetExceeded):
        await limiter.admit(ANN, "up/m", 1, 5.0)
    held.settle(0, 1.0)
    held.settle(0, 1.0)
    (await hold(limiter, ANN, "up/m", 9.0)).settle(0, 9.0)
    with pytest.raises(BudgetExceeded):
        await hold(limiter, ANN, "up/m", 0.01)


async def test_what_is_held_takes_no_slot_and_no_rate():
    limiter = make()
    for _ in range(5):
        await hold(limiter, ANN, "up/m", 0.5)
    running = await limiter.admit(ANN, "up/m", 1, 0.5)
    with pytest.raises(RateLimited):  # the one slot that there is
        await limiter.admit(ANN, "up/m", 1, 0.5)
    running.settle(1, 0.5)
    await limiter.admit(ANN, "up/m", 1, 0.5)


async def test_what_was_spent_before_counts():
    async def spent(scope, tenant, place, since):
        return 9.0

    limiter = make(spent=spent)
    with pytest.raises(BudgetExceeded):
        await hold(limiter, ANN, "up/m", 2.0)
    await hold(limiter, ANN, "up/m", 1.0)


async def test_who_has_no_budget_holds_nothing():
    limiter = make()
    (await hold(limiter, Caller(tenant="t", route="batch", trace_id="tr", key="bob"), "up/m", 1e9)).settle(0, 1.0)


async def test_money_is_held_for_all_processes():
    server = redis_server.RedisServer()
    server.start()
    made = []
    try:
        budget = BudgetSettings(usd=10, per="day")
        rule = Rule(scope="key", tenant="t", id="ann", limits=LimitSettings(rpm=1), budget=budget)
        for _ in range(2):
            made.append(Limiter(shared=RedisLimits(server.url, patience=30)))
            made[-1].configure([rule])
        one, other = made
        held = await hold(one, ANN, "up/m", 6.0)
        await hold(other, ANN, "up/m", 1.0)
        with pytest.raises(BudgetExceeded):
            await hold(other, ANN, "up/m", 5.0)
        held.settle(0, 1.0)
        async with asyncio.timeout(60):  # what is settled travels by itself
            while True:
                try:
                    await hold(other, ANN, "up/m", 5.0)
                    break
                except BudgetExceeded:
                    await asyncio.sleep(0.01)
        assert [limiter.shared_failures for limiter in made] == [0, 0]
    finally:
        for limiter in made:
            await limiter.aclose()
        server.stop()
