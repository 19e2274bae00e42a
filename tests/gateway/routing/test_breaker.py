"""A deployment that fails is taken out, and comes back by one probe."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guru.errors import BadRequest, ModelUnavailable
from guru.gateway.routing.breaker import CONSECUTIVE, MINIMUM, ORDINARY, PAUSE, PROBE, REFUSED, Breaker

DOWN = ModelUnavailable("500 from upstream.")


async def test_25_straight_failures_take_a_deployment_out(world):
    world.alias("a/x", retries=0)
    world.upstreams["a/x"].script = [DOWN]
    for _ in range(25):
        with pytest.raises(ModelUnavailable):
            await world.ask()
    assert world.upstreams["a/x"].calls == CONSECUTIVE
    with pytest.raises(ModelUnavailable, match="left alone for 5 more seconds after failures") as caught:
        await world.ask()
    assert 0 < caught.value.retry_after <= PAUSE


async def test_so_does_failing_every_other_time(world, helpers):
    world.alias("a/x", retries=0)
    world.upstreams["a/x"].scripts = [[DOWN], helpers.say("x")] * 30
    answers = await asyncio.gather(*(world.ask() for _ in range(60)), return_exceptions=True)
    assert world.upstreams["a/x"].calls == MINIMUM + 1
    assert sum(isinstance(answer, tuple) for answer in answers) == MINIMUM // 2


async def test_one_probe_is_let_through_and_its_success_closes_it(world, helpers):
    world.alias("a/x", retries=0)
    upstream, breaker = world.upstreams["a/x"], world.health("a/x").breaker
    upstream.scripts = [[DOWN]] * CONSECUTIVE
    await asyncio.gather(*(world.ask() for _ in range(CONSECUTIVE)), return_exceptions=True)
    assert breaker.state == "open"
    world.clock.now += PAUSE
    upstream.script = [0.02, *helpers.say("x")]
    answers = await asyncio.gather(*(world.ask() for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(answer, tuple) for answer in answers) == 1
    assert upstream.calls == CONSECUTIVE + 1
    assert breaker.state == "closed"


async def test_a_probe_that_fails_doubles_the_pause(world):
    world.alias("a/x", retries=0)
    world.upstreams["a/x"].script = [DOWN]
    await asyncio.gather(*(world.ask() for _ in range(CONSECUTIVE)), return_exceptions=True)
    pauses = []
    for _ in range(6):
        pauses.append(world.health("a/x").breaker.opens_in)
        world.clock.now += pauses[-1]
        with pytest.raises(ModelUnavailable):
            await world.ask()
    assert pauses == [5, 10, 20, 40, 60, 60]


async def test_a_probe_that_is_cancelled_leaves_room_for_another(world, helpers):
    world.alias("a/x", retries=0)
    upstream = world.upstreams["a/x"]
    upstream.scripts = [[DOWN]] * CONSECUTIVE + [[60]]
    await asyncio.gather(*(world.ask() for _ in range(CONSECUTIVE)), return_exceptions=True)
    world.clock.now += PAUSE
    probe = asyncio.create_task(world.ask())
    await asyncio.sleep(0.01)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert await world.who() == "a/x"


async def test_a_bad_request_shows_that_a_deployment_is_well(world):
    world.alias("a/x", retries=0)
    world.upstreams["a/x"].scripts = [[DOWN]] * CONSECUTIVE + [[BadRequest("No.")]]
    await asyncio.gather(*(world.ask() for _ in range(CONSECUTIVE)), return_exceptions=True)
    world.clock.now += PAUSE
    with pytest.raises(BadRequest):
        await world.ask()
    assert world.health("a/x").breaker.state == "closed"


async def test_a_model_that_is_not_there_does_not_close_the_road_to_the_others_errors(world):
    """Who asks for a name that does not exist is told so every time, and not that it is being left alone."""
    from guru.errors import ModelNotFound

    world.router()
    world.upstream("a/x").script = [ModelNotFound("The model `x` does not exist.")]
    for _ in range(20):
        with pytest.raises(ModelNotFound):
            await world.ask(name="a/x")


class Now:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["enter", "ok", "fail", "cancel", "wait"]), st.floats(0, 30)), max_size=120))
def test_whatever_happens_there_is_one_probe_at_most_and_it_opens_again(steps):
    clock = Now()
    breaker = Breaker(clock)
    inside = []
    for step, seconds in steps:
        if step == "wait":
            clock.now += seconds
        elif step == "enter":
            ticket = breaker.enter()
            assert (ticket == REFUSED) == (
                breaker.state == "open" or (breaker.state == "half-open" and PROBE in inside)
            )
            if ticket != REFUSED:
                inside.append(ticket)
        elif inside:
            breaker.leave(inside.pop(int(seconds) % len(inside)), {"ok": True, "fail": False, "cancel": None}[step])
        assert inside.count(PROBE) <= 1
    for ticket in inside:
        breaker.leave(ticket, None)
    clock.now += 61
    probe = breaker.enter()
    assert probe in (ORDINARY, PROBE)
    breaker.leave(probe, True)
    assert breaker.state == "closed"
