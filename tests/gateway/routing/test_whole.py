"""An answer in one piece keeps what is promised of a stream: failures, times, leavers and hedges, counted once."""

import asyncio

import pytest

from guru.config import Deployment
from guru.errors import BadRequest, ModelTimeout, ModelUnavailable, StreamCut
from guru.types import Completed, Delta, Started, Usage

DOWN = ModelUnavailable("500 from upstream.")
KINDS = ["at once", "streams"]


class Variants:
    """What a release is told."""

    def __init__(self):
        self.outcomes = []
        self.mirrored = []

    def choose(self, alias, caller):
        return None

    def mirror(self, alias, request, caller):
        self.mirrored.append((alias, request))

    def record(self, outcome):
        self.outcomes.append(outcome)


@pytest.fixture(params=KINDS)
def pair(request, world, helpers):
    """Two upstreams that answer in one piece, or that only stream; `a/x` is asked first."""
    world.options["variants"] = Variants()
    if request.param == "at once":
        for name in ("a/x", "b/y"):
            world.upstream(name, helpers.AtOnce)
    return world


def first_a(world, **settings):
    world.alias("a/x", Deployment(model="b/y", priority=1), **({"retries": 0} | settings))
    return world.upstreams["a/x"], world.upstreams["b/y"]


def outcomes(world):
    return [(outcome.model, outcome.status, outcome.first) for outcome in world.options["variants"].outcomes]


def at_rest(world):
    """Nobody is counted in who was not counted out, and nothing is watched or under way."""
    return (
        [world.health(name).in_flight for name in world.upstreams] == [0, 0]
        and [upstream.running for upstream in world.upstreams.values()] == [0, 0]
        and not world.the_router.alarm._watches
        and asyncio.all_tasks() == {asyncio.current_task()}
    )


async def test_one_answer_is_one_outcome_and_is_mirrored_once(pair):
    first_a(pair)
    events = await pair.whole()
    assert events[0] == Started(model="a/x")
    assert [type(event) for event in events].count(Completed) == 1
    variants = pair.options["variants"]
    assert [alias for alias, _ in variants.mirrored] == ["smart"]
    (outcome,) = variants.outcomes
    assert (outcome.status, outcome.cost, outcome.failed) == ("ok", 0.01, False)
    assert 0 <= outcome.first_token <= outcome.duration
    assert pair.health("a/x").first_token == outcome.first_token
    assert at_rest(pair)


async def test_a_price_that_is_not_known_is_not_nothing(pair):
    a, _ = first_a(pair)
    a.script = [*a.script[:-1], Completed(model="x", usage=Usage(), cost=None)]
    await pair.whole()
    assert [outcome.cost for outcome in pair.options["variants"].outcomes] == [None]


async def test_the_label_of_the_deployment_is_said(pair):
    pair.alias(Deployment(model="a/x", label="new"))
    assert (await pair.whole())[0] == Started(model="a/x", variant="new")


async def test_a_failure_goes_to_the_next_deployment(pair):
    a, _ = first_a(pair)
    a.script = [DOWN]
    assert await pair.ask_whole() == ("b/y", "I am b/y.")
    assert outcomes(pair) == [("a/x", "error", True), ("b/y", "ok", False)]
    assert pair.health("a/x").failures == 1
    assert at_rest(pair)


async def test_a_retry_waits_and_a_fallback_stands_by(pair):
    pair.alias("a/x", retries=1, fallbacks=["b/y"])
    pair.upstream("b/y", type(pair.upstreams["a/x"]))
    pair.upstreams["a/x"].script = [DOWN]
    assert await pair.ask_whole() == ("b/y", "I am b/y.")
    assert pair.upstreams["a/x"].calls == 2
    assert len(pair.slept) == 1


@pytest.mark.parametrize("settings", [{}, {"hedge_after": 600}, {"retry_after_first_token": True}])
@pytest.mark.parametrize("error", [None, StreamCut("Cut."), RuntimeError("A bug.")])
async def test_an_answer_that_is_cut_was_seen_by_nobody_and_is_asked_of_the_next(pair, error, settings):
    """What the first had said is not in the answer."""
    a, _ = first_a(pair, **settings)
    a.script = [Delta(text="Half an"), *([error] if error else [])]
    assert await pair.ask_whole() == ("b/y", "I am b/y.")
    assert [status for _, status, _ in outcomes(pair)] == ["error", "ok"]
    assert at_rest(pair)


async def test_one_that_is_cut_every_time_is_an_error(pair):
    for upstream in first_a(pair, retries=1):
        upstream.script = [Delta(text="Half an")]
    with pytest.raises(ModelUnavailable, match="2 deployments") as caught:
        await pair.whole()
    assert "ended before it was complete" in caught.value.message
    assert sum(upstream.calls for upstream in pair.upstreams.values()) == 3
    assert at_rest(pair)


async def test_the_callers_mistake_is_told_at_once(pair):
    a, b = first_a(pair)
    a.script = [BadRequest("No.")]
    with pytest.raises(BadRequest, match="No"):
        await pair.whole()
    assert b.calls == 0
    assert at_rest(pair)


async def test_the_old_answer_is_shown_where_all_fail(pair, helpers):
    async def old(request, caller):
        yield Started(model="a/x", cache="stale")
        for event in helpers.say("Yesterday's."):
            yield event

    pair.options["stale"] = old
    for degrade in (True, False):
        for upstream in first_a(pair, degrade=degrade):
            upstream.script = [DOWN]
        if degrade:
            events = await pair.whole()
            assert (events[0].cache, events[1].text) == ("stale", "Yesterday's.")
        else:
            with pytest.raises(ModelUnavailable):
                await pair.whole()


@pytest.mark.parametrize("limit", [{"first_token_timeout": 0.01}, {"deployment": 0.01}])
async def test_one_that_takes_too_long_is_left_for_the_next(pair, limit):
    settings = {name: value for name, value in limit.items() if name != "deployment"}
    pair.alias(
        Deployment(model="a/x", timeout=limit.get("deployment")), Deployment(model="b/y", priority=1), **settings
    )
    pair.upstreams["a/x"].script = [600]
    assert await pair.ask_whole() == ("b/y", "I am b/y.")
    assert pair.health("a/x").errors == {"ModelTimeout": 1}
    assert pair.upstreams["a/x"].closed_early == 1
    assert outcomes(pair) == [("a/x", "error", True), ("b/y", "ok", False)]
    assert at_rest(pair)


@pytest.mark.parametrize("script", [[600], [Delta(text="One"), 600]])
async def test_everything_together_has_a_time_limit(pair, script):
    for upstream in first_a(pair, timeout=0.02, retries=50):
        upstream.script = script
    with pytest.raises(ModelTimeout, match=r"longer than 0\.02 seconds"):
        await pair.whole()
    assert at_rest(pair)


async def test_a_timeout_leaves_the_task_as_it_was(pair):
    """Whoever uses `asyncio.timeout` or a task group around it sees no cancellation that is not theirs."""
    a, _ = first_a(pair, first_token_timeout=0.01)
    a.script = [600]
    await pair.whole()
    assert asyncio.current_task().cancelling() == 0


@pytest.mark.parametrize("settings", [{}, {"hedge_after": 0.001}, {"retry_after_first_token": True}])
async def test_a_client_that_leaves_cancels_what_is_asked(pair, settings):
    begun = asyncio.Event()
    a, b = first_a(pair, **settings)
    a.script = [begun.set, 600]
    if "hedge_after" in settings:
        a.script, b.script = [600], [begun.set, 600]
    asked = asyncio.create_task(pair.whole())
    await begun.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert {status for _, status, _ in outcomes(pair)} == {"cancelled"}
    assert [pair.health(name).failures for name in pair.upstreams] == [0, 0]
    assert at_rest(pair)


async def test_a_client_that_leaves_in_a_pause_leaves_nothing(pair):
    pausing = asyncio.Event()

    async def sleep(seconds):
        pausing.set()
        await asyncio.sleep(600)

    pair.options["sleep"] = sleep
    for upstream in first_a(pair, retries=5):
        upstream.script = [DOWN]
    asked = asyncio.create_task(pair.whole())
    await pausing.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert at_rest(pair)


async def test_of_two_the_first_to_answer_wins(pair):
    a, b = first_a(pair, hedge_after=0.001)
    a.script = [600]
    assert await pair.ask_whole() == ("b/y", "I am b/y.")
    assert (a.closed_early, b.closed_early) == (1, 0)
    assert sorted(outcomes(pair)) == [("a/x", "cancelled", True), ("b/y", "ok", False)]
    assert at_rest(pair)


async def test_of_two_the_one_asked_first_may_still_win(pair, helpers):
    a, b = first_a(pair, hedge_after=0.001)
    second = asyncio.Event()
    a.script = [second, *helpers.say("first")]
    b.script = [second.set, 600]
    assert await pair.ask_whole() == ("a/x", "first")
    assert (a.closed_early, b.closed_early) == (0, 1)
    assert at_rest(pair)


async def test_two_that_answer_in_the_same_moment_are_both_counted_out(pair, helpers):
    a, b = first_a(pair, hedge_after=0.001)
    second = asyncio.Event()
    a.script = [second, *helpers.say("first")]
    b.script = [second.set, *helpers.say("second")]
    assert (await pair.ask_whole())[0] in ("a/x", "b/y")
    assert len(outcomes(pair)) == 2
    assert at_rest(pair)


async def test_of_two_that_fail_the_error_names_both(pair):
    a, b = first_a(pair, hedge_after=0.001)
    second = asyncio.Event()
    a.script, b.script = [second, DOWN], [second.set, DOWN]
    with pytest.raises(ModelUnavailable, match="2 deployments"):
        await pair.whole()
    assert sorted(outcomes(pair)) == [("a/x", "error", True), ("b/y", "error", False)]
    assert at_rest(pair)


async def test_a_time_limit_ends_both_of_a_race(pair):
    for upstream in first_a(pair, hedge_after=0.001, timeout=0.03):
        upstream.script = [600]
    with pytest.raises(ModelTimeout):
        await pair.whole()
    assert at_rest(pair)


async def test_a_model_that_makes_nothing_of_a_cancellation_is_cancelled_all_the_same(world, helpers):
    """A library that swallows it has its answer thrown away, whether time was up or the client left."""

    class Stubborn(helpers.AtOnce):
        async def whole(self, request):
            try:
                return await super().whole(request)
            except asyncio.CancelledError:
                return helpers.say("Late.")

    world.upstream("a/x", Stubborn).script = [600]
    first_a(world, first_token_timeout=0.01)
    assert await world.ask_whole() == ("b/y", "I am b/y.")
    assert world.health("a/x").errors == {"ModelTimeout": 1}
    assert at_rest(world)


def test_time_limits_hold_in_another_loop_than_before(pair):
    """The first loop is closed with its timer still set."""
    first_a(pair, timeout=0.05, retries=0)
    asyncio.run(pair.whole())
    for upstream in pair.upstreams.values():
        upstream.script = [600]
    with pytest.raises(ModelTimeout):
        asyncio.run(asyncio.wait_for(pair.whole(), 30))


async def test_a_thousand_wait_on_one_timer(world, helpers):
    """And each is let go in its time."""
    world.upstream("a/x", helpers.AtOnce).script = [600]
    world.alias("a/x", timeout=0.2, retries=0)
    found = await asyncio.gather(*(world.whole() for _ in range(1_000)), return_exceptions=True)
    assert {type(error) for error in found} == {ModelTimeout}
    assert world.health("a/x").in_flight == 0
    assert not world.the_router.alarm._watches
