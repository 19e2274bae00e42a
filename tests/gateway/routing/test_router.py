"""What a caller of an alias gets, whatever the deployments do."""

import asyncio
from contextlib import aclosing

import pytest

from guru.config import AliasSettings, Deployment, Settings
from guru.errors import (
    BadRequest,
    ContextTooLong,
    InvalidParameter,
    ModelNotFound,
    ModelTimeout,
    ModelUnavailable,
    ProviderRefused,
    StreamCut,
    UpstreamRateLimited,
)
from guru.gateway.routing import router as module
from guru.types import Completed, Delta, Finished, Started

DOWN = ModelUnavailable("500 from upstream.")


async def test_the_first_event_says_who_answers(world):
    world.alias(Deployment(model="a/x", label="stable"))
    events = [event async for event in world.stream()]
    assert events[0] == Started(model="a/x", variant="stable")
    assert [type(event) for event in events[1:]] == [Delta, Finished, Completed]


async def test_a_model_can_be_called_by_its_own_name(world):
    world.router()
    world.upstream("a/x")
    assert await world.ask(name="a/x") == ("a/x", "I am a/x.")
    with pytest.raises(ModelNotFound):
        await world.ask(name="a/y")


async def test_a_failure_before_the_first_token_goes_to_the_next_deployment_at_once(world):
    world.alias("a/x", "b/y")
    world.upstreams["a/x"].script = [DOWN]
    assert [await world.who() for _ in range(4)] == ["b/y"] * 4
    assert world.slept == []
    assert world.health("a/x").failures == 2  # every other request began there


async def test_one_deployment_is_asked_again_after_a_pause_with_full_jitter(world):
    world.alias("a/x", retries=3)
    world.upstreams["a/x"].scripts = [[DOWN]] * 3
    assert await world.who() == "a/x"
    assert world.upstreams["a/x"].calls == 4
    assert len(world.slept) == 3
    assert all(0 <= wait <= 0.25 * 2**n for n, wait in enumerate(world.slept))


async def test_without_retries_every_deployment_is_still_tried_once(world):
    world.alias("a/x", "b/y", "c/z", retries=0)
    for name in ("a/x", "b/y"):
        world.upstreams[name].script = [DOWN]
    assert [await world.who() for _ in range(3)] == ["c/z"] * 3


async def test_the_error_says_what_was_tried(world):
    world.alias("a/x", "b/y", "c/z", retries=1)
    world.upstreams["a/x"].script = [UpstreamRateLimited("Too many requests.", retry_after=90)]
    world.upstreams["b/y"].script = [DOWN]
    world.upstreams["c/z"].script = [ProviderRefused("The key is wrong.")]
    with pytest.raises(ModelUnavailable) as caught:
        await world.ask()
    message = caught.value.message
    assert message.startswith("3 deployments of `smart` failed: ")
    assert "a/x: 429 Too many requests" in message
    assert "b/y: 503 500 from upstream (2 times)" in message
    assert "c/z: 502 The key is wrong" in message
    assert caught.value.retry_after == 90


async def test_the_only_error_of_a_plain_model_stays_as_it_was(world):
    world.router()
    world.upstream("a/x").script = [UpstreamRateLimited("Slow down.", retry_after=500)]
    with pytest.raises(UpstreamRateLimited, match=r"^Slow down\.$") as caught:
        await world.ask(name="a/x")
    assert caught.value.retry_after == 500


@pytest.mark.parametrize("error", [BadRequest("No."), BadRequest("Filtered.")])
async def test_the_callers_mistakes_are_not_retried_and_speak_against_nobody(world, error):
    world.alias("a/x", "b/y", fallbacks=["c/z"])
    world.upstream("c/z")
    for name in ("a/x", "b/y"):
        world.upstreams[name].script = [error]
    with pytest.raises(BadRequest) as caught:
        await world.ask()
    assert caught.value is error
    assert sum(upstream.calls for upstream in world.upstreams.values()) == 1
    assert world.health("a/x").failures == 0


async def test_what_one_provider_does_not_take_another_may(world):
    world.alias("a/x", "b/y")
    world.upstreams["a/x"].script = [InvalidParameter("logit_bias is not known.", param="logit_bias")]
    assert {await world.who() for _ in range(2)} == {"b/y"}
    world.upstreams["b/y"].script = world.upstreams["a/x"].script
    with pytest.raises(InvalidParameter):
        await world.ask()
    assert world.health("a/x").failures == 0


async def test_wrong_credentials_go_elsewhere_and_are_not_tried_again(world):
    world.alias("a/x", retries=5, fallbacks=["b/y"])
    world.upstream("b/y")
    world.upstreams["a/x"].script = [ProviderRefused("The key is wrong.")]
    assert await world.who() == "b/y"
    assert world.upstreams["a/x"].calls == 1


async def test_a_prompt_that_is_too_long_goes_to_a_larger_context_only(world):
    world.upstream("a/small", context_length=100)
    world.upstream("b/small", context_length=100)
    world.upstream("c/large", context_length=100_000)
    world.alias(
        Deployment(model="a/small", weight=100), Deployment(model="b/small", weight=10), Deployment(model="c/large")
    )
    too_long = ContextTooLong("101 tokens do not fit in 100.")
    for name in ("a/small", "b/small"):
        world.upstreams[name].script = [too_long]
    assert await world.who() == "c/large"
    assert world.upstreams["b/small"].calls == 0
    world.upstreams["c/large"].script = [too_long]
    with pytest.raises(ContextTooLong):
        await world.ask()


async def test_fallbacks_are_followed_across_aliases_and_never_in_a_circle(world):
    for name in ("a/x", "b/y", "c/z"):
        world.upstream(name)
    world.upstreams["a/x"].script = world.upstreams["b/y"].script = [DOWN]

    def alias(model, *fallbacks):
        return AliasSettings(deployments=[Deployment(model=model)], retries=0, fallbacks=list(fallbacks))

    world.router({"smart": alias("a/x", "second", "smart"), "second": alias("b/y", "smart", "c/z")})
    assert await world.who() == "c/z"
    world.upstreams["c/z"].script = [DOWN]
    with pytest.raises(ModelUnavailable, match="3 deployments of `smart` failed"):
        await world.ask()
    # c/z is no alias: it has the default's two retries.
    assert [world.upstreams[name].calls for name in ("a/x", "b/y", "c/z")] == [2, 2, 1 + 3]


async def test_nothing_is_retried_after_the_first_token(world):
    world.alias("a/x", "b/y")
    for upstream in world.upstreams.values():
        upstream.script = [Delta(text="Half an"), StreamCut("Reset by peer.")]
    seen = []
    with pytest.raises(StreamCut, match="Reset by peer"):
        async for event in world.stream():
            seen.append(event)  # noqa: PERF401 - what came before the error counts
    assert [type(event) for event in seen] == [Started, Delta]
    assert sum(upstream.calls for upstream in world.upstreams.values()) == 1


async def test_a_stream_that_just_ends_was_cut(world, helpers):
    world.alias("a/x", "b/y", retries=0)
    world.upstreams["a/x"].script = [Delta(text="Half an")]
    with pytest.raises(StreamCut):
        await world.ask()
    assert world.health("a/x").failures == 1
    world.upstreams["a/x"].script = []  # before the first token it is simply tried elsewhere
    assert {await world.who() for _ in range(3)} == {"b/y"}


async def test_empty_deltas_show_nothing_and_so_do_not_bind(world):
    world.alias("a/x", "b/y")
    world.upstreams["a/x"].script = [Delta(), Delta(), StreamCut("Reset by peer.")]
    assert {await world.who() for _ in range(2)} == {"b/y"}


async def test_an_exception_that_is_none_of_ours_goes_elsewhere_and_shows_no_text(world, caplog):
    world.alias("a/x", "b/y")
    world.upstreams["a/x"].script = [KeyError("sk-secret")]
    assert {await world.who() for _ in range(2)} == {"b/y"}
    world.upstreams["b/y"].script = [ValueError("sk-secret")]
    with pytest.raises(Exception, match="broke with") as caught:
        await world.ask()
    assert "sk-secret" not in str(caught.value)


async def test_retry_after_is_honoured(world):
    world.alias("a/x", retries=1)
    world.upstreams["a/x"].scripts = [[UpstreamRateLimited("Slow down.", retry_after=7)]]
    assert await world.who() == "a/x"
    assert 7 <= sum(world.slept) <= 7.25


async def test_a_long_retry_after_is_told_to_the_caller_and_not_waited_for(world):
    world.alias("a/x", "b/y", retries=5)
    for upstream in world.upstreams.values():
        upstream.script = [UpstreamRateLimited("Slow down.", retry_after=45)]
    with pytest.raises(UpstreamRateLimited) as caught:
        await world.ask()
    assert (world.slept, caught.value.retry_after) == ([], 45)


async def test_a_pause_is_not_waited_for_where_a_fallback_stands_by(world):
    world.upstream("b/y")
    world.alias("a/x", retries=5, fallbacks=["b/y"])
    world.upstreams["a/x"].script = [UpstreamRateLimited("Slow down.", retry_after=7)]
    assert await world.who() == "b/y"
    assert world.slept == []


async def test_other_requests_leave_a_deployment_alone_that_asked_for_a_pause(world):
    world.alias("a/x", "b/y", retries=0)
    world.upstreams["a/x"].scripts = [[UpstreamRateLimited("Slow down.", retry_after=30)]]
    assert [await world.who() for _ in range(5)] == ["b/y"] * 5
    assert world.upstreams["a/x"].calls == 1
    world.clock.now += 31
    assert "a/x" in {await world.who() for _ in range(2)}


async def test_more_than_the_concurrency_goes_to_another_deployment(world, helpers):
    world.alias(Deployment(model="a/x", concurrency=2, weight=100), "b/y")
    for upstream in world.upstreams.values():
        upstream.script = [0.02, *helpers.say("x")]
    await asyncio.gather(*(world.ask() for _ in range(10)))
    assert world.upstreams["a/x"].most == 2
    assert world.upstreams["b/y"].calls == 8


async def test_closing_the_answer_closes_the_upstream_and_is_no_failure(world):
    world.alias("a/x")
    world.upstreams["a/x"].script = [Delta(text="One"), 60, Delta(text="Two")]
    async with aclosing(world.stream()) as events:
        async for event in events:
            if isinstance(event, Delta):
                break
    health = world.health("a/x")
    assert (world.upstreams["a/x"].closed_early, health.in_flight, health.failures, health.cancelled) == (1, 0, 0, 1)


@pytest.mark.parametrize("settings", [{}, {"hedge_after": 0.01}, {"retry_after_first_token": True}])
async def test_cancelling_the_task_cancels_the_upstream(world, settings):
    world.alias("a/x", "b/y", **settings)
    for upstream in world.upstreams.values():
        upstream.script = [60]
    task = asyncio.create_task(world.ask())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for name, upstream in world.upstreams.items():
        assert upstream.closed_early == upstream.calls
        assert (world.health(name).in_flight, world.health(name).failures) == (0, 0)


async def test_a_deployment_that_does_not_begin_in_time_is_left_for_the_next(world):
    world.alias("a/x", "b/y", first_token_timeout=0.05)
    world.upstreams["a/x"].script = [60]
    assert {await world.who() for _ in range(2)} == {"b/y"}
    assert world.health("a/x").errors == {"ModelTimeout": 1}
    assert world.upstreams["a/x"].closed_early == 1


async def test_the_whole_request_has_a_time_limit(world):
    world.alias("a/x", "b/y", timeout=0.1, retries=50)
    for upstream in world.upstreams.values():
        upstream.script = [60]
    with pytest.raises(ModelTimeout, match=r"longer than 0\.1 seconds"):
        await asyncio.wait_for(world.ask(), 5)
    world.upstreams["a/x"].script = world.upstreams["b/y"].script = [Delta(text="One"), 60]
    with pytest.raises(ModelTimeout, match=r"longer than 0\.1 seconds"):
        await asyncio.wait_for(world.ask(), 5)


async def test_a_deployment_has_a_time_limit_of_its_own(world):
    world.alias(Deployment(model="a/x", timeout=0.05), "b/y")
    world.upstreams["a/x"].script = [60]
    assert {await world.who() for _ in range(2)} == {"b/y"}


async def test_silence_in_the_middle_of_a_stream_is_an_error(world):
    world.alias("a/x", idle_timeout=0.05)
    world.upstreams["a/x"].script = [Delta(text="One"), 60]
    with pytest.raises(ModelTimeout, match=r"silent for 0\.05 seconds"):
        await asyncio.wait_for(world.ask(), 5)


async def test_a_caller_that_reads_slowly_is_not_the_upstreams_silence(world, helpers):
    world.alias("a/x", idle_timeout=0.05, first_token_timeout=0.05)
    world.upstreams["a/x"].script = [*helpers.say(*"abcd")]
    async with aclosing(world.stream()) as events:
        async for _ in events:
            await asyncio.sleep(0.08)


async def test_a_cancellation_from_outside_is_never_taken_for_a_timeout(world):
    world.alias("a/x", first_token_timeout=0.05)
    world.upstreams["a/x"].script = [60]
    task = asyncio.create_task(world.ask())
    await asyncio.sleep(0.049)
    task.cancel()
    with pytest.raises((asyncio.CancelledError, ModelTimeout, ModelUnavailable)):
        await task
    assert world.health("a/x").in_flight == 0


async def test_an_old_answer_is_shown_when_all_else_fails_and_the_alias_allows_it(world, helpers):
    async def old(request, caller):
        yield Started(model="a/x", cache="stale")
        for event in helpers.say("Yesterday's answer."):
            yield event

    world.options = {"stale": old}
    world.alias("a/x", degrade=True, retries=0)
    world.upstreams["a/x"].script = [DOWN]
    events = [event async for event in world.stream()]
    assert events[0].cache == "stale"
    world.upstreams["a/x"].script = [BadRequest("No.")]
    with pytest.raises(BadRequest):
        await world.ask()
    world.alias("a/x", retries=0)
    world.upstreams["a/x"].script = [DOWN]
    with pytest.raises(ModelUnavailable):
        await world.ask()


async def test_reloading_keeps_what_is_known_of_deployments_that_stay(world):
    router = world.alias("a/x", "b/y", retries=0)
    world.upstreams["a/x"].script = [DOWN]
    for _ in range(20):
        await world.ask()
    assert world.health("a/x").breaker.state == "open"
    world.upstream("c/z")
    deployments = [Deployment(model="a/x"), Deployment(model="c/z")]
    router.reload(Settings(models={"smart": AliasSettings(deployments=deployments)}))
    assert world.health("a/x").breaker.state == "open"
    assert await world.who() == "c/z"
    assert [status.model for status in router.describe("smart").deployments] == ["a/x", "c/z"]


async def test_tasks_take_the_same_way(world, helpers):
    router = world.alias("a/x", "b/y", fallbacks=["c/z"])
    asked = []

    async def work(model):
        asked.append(model)
        if model != "c/z":
            raise DOWN
        return [0.5]

    assert await router.call("smart", helpers.caller(), work) == [0.5]
    assert sorted(set(asked)) == ["a/x", "b/y", "c/z"]
    assert world.health("a/x").in_flight == 0

    async def wrong(model):
        raise BadRequest("No.")

    with pytest.raises(BadRequest):
        await router.call("smart", helpers.caller(), wrong)


async def test_a_task_has_a_time_limit_and_can_be_cancelled(world, helpers):
    router = world.alias("a/x", timeout=0.05, retries=0)
    with pytest.raises(ModelTimeout):
        await router.call("smart", helpers.caller(), lambda model: asyncio.sleep(60))
    world.alias("a/x", retries=0)
    task = asyncio.create_task(world.the_router.call("smart", helpers.caller(), lambda model: asyncio.sleep(60)))
    await asyncio.sleep(0.01)
    assert world.health("a/x").in_flight == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (world.health("a/x").in_flight, world.health("a/x").cancelled) == (0, 1)


async def test_names_that_callers_invent_are_forgotten_but_for_those_in_flight(world, monkeypatch):
    monkeypatch.setattr(module, "MOST_PLAIN", 10)
    the_router = world.alias("a/x")
    busy = world.upstream("p/busy")
    busy.script = [Delta(text="One"), 600]
    async with aclosing(world.stream(name="p/busy")) as events:
        while not isinstance(await anext(events), Delta):
            pass
        for number in range(100):
            world.upstream(f"p/{number}")
            assert await world.who(name=f"p/{number}") == f"p/{number}"
        known = {status.model for status in the_router.deployments()}
        assert len(known) <= 11
        assert {"a/x", "p/busy", "p/99"} <= known
        assert world.health("p/busy").in_flight == 1
    assert world.health("p/busy").in_flight == 0
    assert len(the_router._health) <= 11
