"""Who gets how many requests."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guru.config import Deployment
from guru.errors import ConfigurationError, ModelUnavailable
from guru.gateway.routing.health import Health
from guru.gateway.routing.plan import Asked, Target
from guru.gateway.routing.strategies import weighted


async def shares(world, count=100, **fields):
    return Counter([await world.who(**fields) for _ in range(count)])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=6))
def test_weighted_is_exact_in_every_cycle_and_never_far_off_in_between(weights):
    targets = [
        Target(Deployment(model=f"m/{n}", weight=weight), Health(f"m/{n}", float)) for n, weight in enumerate(weights)
    ]
    total, seen = sum(weights), Counter()
    for turn in range(1, 2 * total + 1):
        order = weighted(targets, Asked(None))
        assert sorted(target.model for target in order) == [target.model for target in targets]
        seen[order[0].model] += 1
        for n, weight in enumerate(weights):
            assert abs(seen[f"m/{n}"] - turn * weight / total) < len(weights)
    assert seen == {f"m/{n}": 2 * weight for n, weight in enumerate(weights)}


async def test_a_weight_of_zero_gets_nothing_even_when_the_others_fail(world):
    world.alias(Deployment(model="a/x", weight=0), "b/y", retries=0)
    world.upstreams["b/y"].script = [ModelUnavailable("500")]
    with pytest.raises(ModelUnavailable):
        await world.ask()
    assert world.upstreams["a/x"].calls == 0
    with pytest.raises(ConfigurationError, match="weight 0"):
        world.alias(Deployment(model="a/x", weight=0))


async def test_the_share_of_a_deployment_that_is_out_goes_to_the_others_by_weight(world):
    world.alias(Deployment(model="a/x", weight=2), Deployment(model="b/y", weight=3), Deployment(model="c/z"))
    world.health("a/x").breaker.trip()
    assert await shares(world, 80) == {"b/y": 60, "c/z": 20}


async def test_least_busy_asks_who_has_the_fewest_requests(world, helpers):
    world.alias("a/x", "b/y", strategy="least-busy")
    world.upstreams["a/x"].script = [0.2, *helpers.say("x")]
    slow = [asyncio.create_task(world.ask()) for _ in range(2)]
    await asyncio.sleep(0.02)
    assert world.health("a/x").in_flight == 1
    assert await shares(world, 20) == {"b/y": 20}
    await asyncio.gather(*slow)
    world.upstreams["a/x"].script = helpers.say("x")
    assert await shares(world, 20) == {"a/x": 10, "b/y": 10}


async def test_latency_prefers_the_fast_one_and_looks_at_the_slow_one_again(world):
    world.alias("a/slow", "b/fast", strategy="latency")
    await shares(world, 2)
    for name, seconds in (("a/slow", 1.0), ("b/fast", 0.1)):
        world.health(name).first_token = None
        world.health(name).began(seconds)
    fast = world.health("b/fast")
    chosen = Counter()
    for _ in range(600):  # ten minutes, a request a second
        world.clock.now += 1
        chosen[who := await world.who()] += 1
        world.health(who)._stamp = world.clock.now
        world.health(who).first_token = 1.0 if who == "a/slow" else 0.1
    assert 2 <= chosen["a/slow"] <= 12
    assert fast.requests > 580


async def test_latency_spreads_when_the_fast_one_is_loaded(world):
    world.alias("a/slow", "b/fast", strategy="latency")
    for name, seconds in (("a/slow", 0.3), ("b/fast", 0.1)):
        world.health(name).began(seconds)
    world.health("b/fast").in_flight = 5
    assert await world.who() == "a/slow"


async def test_one_request_at_a_time_tries_a_deployment_that_was_never_measured(world, helpers):
    world.alias("a/new", "b/known", strategy="latency")
    world.health("b/known").began(0.1)
    for upstream in world.upstreams.values():
        upstream.script = [0.05, *helpers.say("x")]
    answers = await asyncio.gather(*(world.who() for _ in range(10)))
    assert Counter(answers)["a/new"] == 1


async def test_cost_asks_the_cheapest_whose_price_is_known(world):
    prices = {"a/dear": 10.0, "b/cheap": 1.0}
    world.options = {
        "cost": lambda model, prompt, answer: prices[model] * (prompt + answer) if model in prices else None
    }
    world.alias("a/dear", "b/cheap", "c/unknown", strategy="cost")
    assert await shares(world, 10) == {"b/cheap": 10}
    world.health("b/cheap").breaker.trip()
    assert await shares(world, 10) == {"a/dear": 10}


async def test_cost_knows_that_long_prompts_and_long_answers_cost_differently(world):
    prices = {"a/long-prompts": (1, 10), "b/long-answers": (5, 1)}
    world.options = {"cost": lambda model, prompt, answer: prices[model][0] * prompt + prices[model][1] * answer}
    world.alias(*prices, strategy="cost")
    assert await world.who("word " * 4000, max_tokens=10) == "a/long-prompts"
    assert await world.who("Write a book.", max_tokens=4000) == "b/long-answers"


async def test_a_higher_priority_number_waits_until_all_before_it_are_out(world):
    world.alias("a/x", "b/y", Deployment(model="c/z", priority=1), retries=0)
    assert set(await shares(world, 10)) == {"a/x", "b/y"}
    for name in ("a/x", "b/y"):
        world.health(name).breaker.trip()
    assert await world.who() == "c/z"


async def test_difficulty_sends_hard_prompts_to_the_strong_model(world):
    world.alias(
        Deployment(model="a/small", difficulty="simple"), Deployment(model="b/large", difficulty="hard"),
        strategy="difficulty",
    )  # fmt: skip
    assert await world.who("What is the capital of France?") == "a/small"
    hard = (
        "Prove that every finite integral domain is a field, then explain step by step why the argument fails for "
        "infinite rings, and compare it with the proof for division rings."
    )
    assert await world.who(hard) == "b/large"
    world.upstreams["b/large"].script = [ModelUnavailable("500")]
    assert await world.who(hard) == "a/small"


async def test_language_sends_prompts_to_deployments_for_it(world):
    world.alias(
        Deployment(model="a/de", languages=["de"]), Deployment(model="b/fr", languages=["fr"]), "c/any",
        strategy="language",
    )  # fmt: skip
    assert await world.who("Wie komme ich mit dem Zug von Hamburg nach München, und was kostet das?") == "a/de"
    assert await world.who("Quelle est la meilleure façon de préparer une soupe à l'oignon ?") == "b/fr"
    assert await world.who("What would be the best way to cook an onion soup for the family?") == "c/any"
    assert await world.who("42") == "c/any"


async def test_context_takes_the_smallest_that_fits(world):
    for name, length in (("a/large", 200_000), ("b/small", 2_000), ("c/middle", 20_000)):
        world.upstream(name, context_length=length)
    world.alias("a/large", "b/small", "c/middle", strategy="context")
    assert await world.who("Hello") == "b/small"
    assert await world.who("word " * 8_000) == "c/middle"
    assert await world.who("word " * 60_000) == "a/large"


async def test_every_strategy_keeps_a_prompt_from_a_context_that_is_surely_too_small(world):
    world.upstream("a/small", context_length=1_000)
    world.upstream("b/large", context_length=100_000)
    world.alias(Deployment(model="a/small", weight=99), "b/large")
    assert await shares(world, 10, text="word " * 5_000) == {"b/large": 10}
