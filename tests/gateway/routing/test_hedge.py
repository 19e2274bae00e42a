"""A second deployment is asked when the first is slow to begin."""

import asyncio

import pytest

from guru.config import Deployment
from guru.errors import BadRequest, ModelUnavailable
from guru.types import Completed, Delta, Finished, Usage

DOWN = ModelUnavailable("500 from upstream.")


@pytest.fixture
def pair(world):
    """The alias asks `a/x` first, and `b/y` soon after."""
    world.alias("a/x", Deployment(model="b/y", priority=1), hedge_after=0.01, retries=0)
    return world


@pytest.fixture
def patient(world):
    """The same, but `b/y` is asked later than any test lasts."""
    world.alias("a/x", Deployment(model="b/y", priority=1), hedge_after=600, retries=0)
    return world


async def until(condition):
    while not condition():
        await asyncio.sleep(0)


async def test_nothing_is_asked_twice_while_the_first_is_quick(patient):
    assert [await patient.who() for _ in range(5)] == ["a/x"] * 5
    assert patient.upstreams["b/y"].calls == 0


async def test_the_first_to_begin_wins_and_the_other_is_cancelled(pair, helpers):
    pair.upstreams["a/x"].script = [600, *helpers.say("late")]
    assert await pair.who() == "b/y"
    assert pair.upstreams["a/x"].closed_early == 1
    health = pair.health("a/x")
    assert (health.in_flight, health.failures, health.cancelled) == (0, 0, 1)
    assert health.first_token >= 0.009  # it is known to be no faster than that


async def test_the_first_may_still_win(pair, helpers):
    second = asyncio.Event()
    pair.upstreams["a/x"].script = [second, *helpers.say("first")]
    pair.upstreams["b/y"].script = [second.set, 600]
    assert await pair.who() == "a/x"
    assert pair.upstreams["b/y"].closed_early == 1


async def test_one_that_fails_leaves_the_race_to_the_other(pair, helpers):
    second, go_on = asyncio.Event(), asyncio.Event()
    pair.upstreams["a/x"].script = [second, DOWN]
    pair.upstreams["b/y"].script = [second.set, go_on, *helpers.say("second")]
    asked = asyncio.create_task(pair.who())
    await until(lambda: pair.health("a/x").failures)
    go_on.set()
    assert await asked == "b/y"
    go_on.clear()
    pair.upstreams["a/x"].script = [go_on, *helpers.say("first")]
    pair.upstreams["b/y"].script = [DOWN]
    asked = asyncio.create_task(pair.who())
    await until(lambda: pair.health("b/y").failures)
    go_on.set()
    assert await asked == "a/x"
    assert [pair.health(name).in_flight for name in pair.upstreams] == [0, 0]


async def test_when_both_fail_the_error_names_both(pair):
    second = asyncio.Event()
    pair.upstreams["a/x"].script = [second, DOWN]
    pair.upstreams["b/y"].script = [second.set, DOWN]
    with pytest.raises(ModelUnavailable, match="2 deployments") as caught:
        await pair.ask()
    assert "a/x" in caught.value.message
    assert "b/y" in caught.value.message


async def test_a_failure_before_the_hedge_goes_on_as_ever(patient):
    patient.upstreams["a/x"].script = [DOWN]
    assert await patient.who() == "b/y"


async def test_the_callers_mistake_ends_the_race(patient):
    patient.upstreams["a/x"].script = [BadRequest("No.")]
    with pytest.raises(BadRequest):
        await patient.ask()
    assert patient.upstreams["b/y"].calls == 0


async def test_a_client_that_leaves_while_the_loser_ends_leaves_no_winner_behind(pair):
    leaving = asyncio.Event()

    async def ends_slowly():
        try:
            await asyncio.sleep(60)
            yield Delta(text="never")
        finally:
            leaving.set()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def waits():
        yield Delta(text="I win.")
        await asyncio.sleep(60)

    pair.upstreams["a/x"].run = ends_slowly
    pair.upstreams["b/y"].run = waits
    asked = asyncio.create_task(pair.ask())
    await leaving.wait()
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    assert [pair.health(name).in_flight for name in pair.upstreams] == [0, 0]
    assert len(asyncio.all_tasks()) == 1


async def test_a_request_that_is_cancelled_twice_leaves_nobody_behind(pair):
    second, leaving, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def ends_slowly():
        try:
            await asyncio.sleep(600)
            yield Delta(text="never")
        finally:
            leaving.set()
            await go_on.wait()

    pair.upstreams["a/x"].run = ends_slowly
    pair.upstreams["b/y"].script = [second.set, 600]
    asked = asyncio.create_task(pair.ask())
    await second.wait()
    asked.cancel()
    await leaving.wait()
    asked.cancel()
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(asked, return_exceptions=True)
    assert [pair.health(name).in_flight for name in pair.upstreams] == [0, 0]
    await until(lambda: len(asyncio.all_tasks()) == 1)


async def test_a_model_may_hold_what_belongs_to_its_task(pair):
    """`asyncio.timeout` over the whole answer breaks when one task enters it and another leaves it."""

    second = asyncio.Event()

    async def run():
        async with asyncio.timeout(600):
            await second.wait()
            yield Delta(text="x")
            await asyncio.sleep(0)
            yield Finished("stop")
            yield Completed(model="x", usage=Usage())

    pair.upstreams["a/x"].run = run
    pair.upstreams["b/y"].script = [second.set, 600]
    assert await pair.ask() == ("a/x", "x")
