"""The road gives an answer in one piece with the same promises as a stream: traced, paid for, cached, settled once."""

import asyncio

import msgspec
import pytest

from guru.config import AliasSettings, CacheSettings, ContextSettings, Deployment, Settings
from guru.errors import UNSENT, ModelNotFound, ModelTimeout, ModelUnavailable, RateLimited, StreamCut
from guru.gateway.cache import Cache
from guru.gateway.cache.prompts import PromptMarks
from guru.gateway.context import Context
from guru.gateway.identity import Caller
from guru.gateway.pipeline import Road
from guru.gateway.routing import Router
from guru.gateway.tokens import TokenCounter
from guru.observe.metrics import Metrics
from guru.observe.spans import Trace
from guru.types import ChatRequest, Completed, Delta, Message, Started, TextRequest
from scripted import ScriptedModel, WordEmbedder, say

DOWN = ModelUnavailable("500 from upstream.")


class Streams(ScriptedModel):
    def __init__(self, name):
        super().__init__()
        self.name = name
        self.wholes = 0


class AtOnce(Streams):
    """Gives its script in one piece to those who want it so."""

    async def whole(self, request):
        self.wholes += 1
        return [event async for event in self._run(request)]


class Reservation:
    """Notes every settling."""

    def __init__(self):
        self.headers = {"x-ratelimit-limit-requests": "1"}
        self.settled = []

    def settle(self, tokens, cost):
        self.settled.append((tokens, cost))


class World:
    """A road over two models, of which nothing is hidden. It costs a dollar a token."""

    def __init__(self, kind):
        self.upstreams = {name: kind(name) for name in ("test/a", "anthropic/claude-sonnet-4-5")}
        self.a, self.b = self.upstreams.values()
        self.reservations = []
        self.ended = []
        self.refusal = None

    def road(self, mode="off", context=None, **alias):
        deployments = [Deployment(model=name, priority=place) for place, name in enumerate(self.upstreams)]
        smart = AliasSettings(deployments=deployments, context=context or ContextSettings(), **({"retries": 0} | alias))
        settings = Settings(models={"smart": smart}, cache=CacheSettings(mode=mode, threshold=0.6))
        cache = Cache(settings, WordEmbedder())
        return Road(
            settings=settings, models=self, router=Router(self, settings, stale=cache.stale), prices=self,
            tokens=TokenCounter(), limiter=self, cache=cache, context=Context(settings), marks=PromptMarks(settings),
            knowledge=None, answerer=None, tracer=self, metrics=Metrics(),
        )  # fmt: skip

    def chat_model(self, name):
        if name not in self.upstreams:
            raise ModelNotFound(name)
        return self.upstreams[name]

    def cost(self, model, usage, at=None, tier=None):
        return float(usage.prompt_tokens + usage.completion_tokens)

    def estimate(self, model, prompt, completion):
        return float(prompt + completion)

    async def admit(self, caller, model, tokens, cost):
        if self.refusal is not None:
            raise self.refusal
        self.reservations.append(Reservation())
        return self.reservations[-1]

    def begin(self, trace_id, tenant, route):
        return Trace(trace_id, tenant, route)

    def end(self, trace):
        self.ended.append(trace.record())
        return self.ended[-1]

    @property
    def settled(self):
        return [reservation.settled for reservation in self.reservations]


@pytest.fixture(params=[AtOnce, Streams])
def world(request):
    return World(request.param)


def ask(text="Hello?", **more):
    return ChatRequest(model="smart", messages=[Message("user", text)], **more)


def caller(**more):
    return Caller(**{"tenant": "local", "route": "chat.completions", "trace_id": "tr_1"} | more)


def text_of(events):
    return "".join(event.text for event in events if isinstance(event, Delta))


async def until(condition):
    while not condition():
        await asyncio.sleep(0)


def told(record):
    """What a trace says, apart from times."""
    calls = [(c.model, c.status, c.prompt_tokens, c.completion_tokens, c.cost, c.estimated) for c in record.calls]
    return (
        record.status, record.error, record.requested, record.model, record.cache, record.variant, record.preview,
        record.prompt_tokens, record.completion_tokens, record.cost, calls,
    )  # fmt: skip


async def test_it_says_what_the_stream_says(world):
    world.a.script = [*say("Hello ", "there.")]
    whole = await world.road().answer(ask(), caller())
    world.a.script = [*say("Hello ", "there.")]
    stream = [event async for event in world.road().run(ask(), caller())]
    assert isinstance(stream.pop(0), Started)  # the plan
    assert whole[:-1] == stream[:-1]
    assert whole[0] == Started(model="test/a", trace_id="tr_1")
    for last in (whole[-1], stream[-1]):
        assert last.timings.keys() == {"queue", "first_token", "total"}
        assert 0 <= last.timings["first_token"] <= last.timings["total"]
        assert last.cost == 9.0
    assert told(world.ended[0]) == told(world.ended[1])
    assert world.settled == [[(9, 9.0)]] * 2
    assert world.a.wholes == isinstance(world.a, AtOnce)


async def test_a_continued_text_too(world):
    events = await world.road().answer(TextRequest(model="smart", prompt="Once"), caller())
    assert text_of(events) == "Hello there."
    assert told(world.ended[0])[6] == "Once"
    assert world.a.wholes == isinstance(world.a, AtOnce)


async def test_what_was_answered_before_costs_nothing(world):
    road = world.road("exact")
    first = await road.answer(ask(), caller())
    again = await road.answer(ask(user="ann"), caller(trace_id="tr_2"))
    assert len(world.a.requests) == 1
    assert again[0] == Started(model="test/a", trace_id="tr_2", cache="exact")
    assert again[1:-1] == first[1:-1]
    assert (again[-1].cost, again[-1].timings.keys()) == (0.0, {"first_token", "total"})
    assert world.ended[1].cache == "exact"
    assert world.settled == [[(8, 8.0)], [(0, 0.0)]]


async def test_a_stream_finds_what_was_kept_in_one_piece_and_the_other_way_round(world):
    road = world.road("exact")
    await road.answer(ask("One?"), caller())
    stream = [event async for event in road.run(ask("One?"), caller())]
    assert [event async for event in road.run(ask("Two?"), caller())]
    whole = await road.answer(ask("Two?"), caller())
    assert len(world.a.requests) == 2
    assert text_of(stream) == text_of(whole) == "Hello there."
    assert [record.cache for record in world.ended] == ["miss", "exact"] * 2


async def test_tenants_are_apart(world):
    road = world.road("semantic")
    await road.answer(ask(), caller(tenant="a"))
    await road.answer(ask(), caller(tenant="b"))
    assert [record.cache for record in world.ended] == ["miss", "miss"]


async def test_a_question_that_means_the_same_is_answered_from_the_cache(world):
    road = world.road("semantic")
    await road.answer(ask("What is the capital of France?"), caller())
    events = await road.answer(ask("what is the capital of France"), caller())
    assert len(world.a.requests) == 1
    assert (events[0].cache, text_of(events)) == ("semantic", "Hello there.")
    assert (world.ended[1].cache, world.ended[1].calls) == ("semantic", [])


@pytest.mark.parametrize("wanted", ["off", "refresh"])
async def test_a_caller_may_want_a_new_answer(world, wanted):
    road = world.road("exact")
    await road.answer(ask(), caller())
    events = await road.answer(ask(), caller(cache=wanted))
    assert (len(world.a.requests), events[0].cache) == (2, "miss")


@pytest.mark.parametrize("script", [[DOWN], [StreamCut("Cut.")], [Delta(text="Half")]])
async def test_another_answers_and_both_are_in_the_trace(world, script):
    world.a.script = script
    events = await world.road().answer(ask(), caller())
    assert (events[0].model, text_of(events)) == ("anthropic/claude-sonnet-4-5", "Hello there.")
    (record,) = world.ended
    assert (record.status, record.model) == ("ok", "anthropic/claude-sonnet-4-5")
    assert [call.status for call in record.calls] == ["error", "ok"]
    used = sum(call.prompt_tokens + call.completion_tokens for call in record.calls)
    assert world.settled == [[(used, float(used))]]
    assert events[-1].cost == record.cost == used


async def test_an_error_is_the_traces_and_keeps_nothing(world):
    road = world.road("exact")
    world.a.script = world.b.script = [DOWN]
    with pytest.raises(ModelUnavailable, match="2 deployments"):
        await road.answer(ask(), caller())
    (record,) = world.ended
    assert record.status == "error"
    assert "2 deployments" in record.error
    assert [call.status for call in record.calls] == ["error", "error"]
    assert world.settled == [[(0, 0.0)]]
    world.a.script = say("There.")
    assert (await road.answer(ask(), caller()))[0].cache == "miss"


async def test_a_refusal_of_the_limits_asks_nobody(world):
    world.refusal = RateLimited("Too many.")
    with pytest.raises(RateLimited):
        await world.road().answer(ask(), caller())
    assert (world.a.requests, world.reservations, world.ended[0].status) == ([], [], "error")


async def test_the_state_of_the_limits_is_in_the_callers_headers(world):
    who = caller()
    await world.road().answer(ask(), who)
    assert who.headers == {"x-ratelimit-limit-requests": "1"}


async def test_a_client_that_leaves_pays_for_the_prompt(world):
    road = world.road("exact")
    world.a.script = [600]
    asked = asyncio.create_task(road.answer(ask(), caller()))
    await until(lambda: world.a.requests)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    (record,) = world.ended
    (call,) = record.calls
    assert (record.status, record.error, call.status, call.estimated) == ("cancelled", None, "cancelled", True)
    assert call.prompt_tokens > 0
    assert world.settled == [[(call.prompt_tokens, float(call.prompt_tokens))]]
    assert world.a.cancelled == 1
    world.a.script = say("There.")
    assert (await road.answer(ask(), caller()))[0].cache == "miss"


async def test_what_was_not_sent_yet_is_not_paid_for(world):
    class Waits:
        name, context_length = "test/a", 4096

        def __init__(self):
            self.waiting = asyncio.Event()

        async def whole(self, request):
            try:
                self.waiting.set()
                await asyncio.sleep(600)
            except asyncio.CancelledError as error:
                error.add_note(UNSENT)
                raise

    model = world.upstreams["test/a"] = Waits()
    asked = asyncio.create_task(world.road().answer(ask(), caller()))
    await model.waiting.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert world.settled == [[(0, 0.0)]]
    assert world.ended[0].calls[0].prompt_tokens == 0


async def test_one_that_took_too_long_is_paid_for_its_prompt(world):
    world.a.script = [600]
    events = await world.road(first_token_timeout=0.01).answer(ask(), caller())
    assert events[0].model == "anthropic/claude-sonnet-4-5"
    (record,) = world.ended
    lost, won = record.calls
    assert (lost.status, lost.estimated, won.status) == ("cancelled", True, "ok")
    assert world.settled == [[(lost.prompt_tokens + 8, lost.prompt_tokens + 8.0)]]


async def test_a_request_that_took_too_long_is_an_error_of_its_trace(world):
    world.a.script = world.b.script = [600]
    with pytest.raises(ModelTimeout):
        await world.road(timeout=0.02).answer(ask(), caller())
    assert world.ended[0].status == "error"
    assert [len(settled) for settled in world.settled] == [1]


async def test_what_a_hedge_loses_is_in_the_trace_and_paid_for(world):
    world.a.script = [600]
    events = await world.road(hedge_after=0.001).answer(ask(), caller())
    assert events[0].model == "anthropic/claude-sonnet-4-5"
    (record,) = world.ended
    calls = {call.model: call for call in record.calls}
    lost, won = calls["test/a"], calls["anthropic/claude-sonnet-4-5"]
    assert (lost.status, won.status) == ("cancelled", "ok")
    assert world.settled == [[(lost.prompt_tokens + 8, lost.prompt_tokens + 8.0)]]
    assert events[-1].cost == record.cost == lost.cost + won.cost


async def test_calls_of_a_hedge_stand_beside_each_other(world):
    world.a.script = [600]
    await world.road(hedge_after=0.001).answer(ask(), caller())
    root, *calls = msgspec.json.decode(world.ended[0].spans)
    assert {call["parent_id"] for call in calls} == {root["id"]}
    assert sorted(call["status"] for call in calls) == ["cancelled", "ok"]
    assert all(call["end"] >= call["start"] for call in calls)


async def test_an_old_answer_is_shown_when_nobody_answers(world):
    road = world.road(degrade=True)
    await road.answer(ask(), caller())
    world.a.script = world.b.script = [DOWN]
    events = await road.answer(ask(), caller())
    assert (events[0].cache, text_of(events)) == ("stale", "Hello there.")
    assert (world.ended[1].status, world.ended[1].cache) == ("ok", "stale")
    assert world.settled[1] == [(0, 0.0)]


async def test_a_long_prompt_is_marked_for_its_providers_cache(world):
    world.a.context_length = world.b.context_length = 100_000
    world.a.script = [DOWN]
    request = ask("And now?")
    request.messages.insert(0, Message("system", "Be brief. " * 1_000))
    await world.road().answer(request, caller())
    (sent,) = world.b.requests
    assert sent.messages[0].content[0].cache_control == {"type": "ephemeral"}
    assert request.messages[0].content == "Be brief. " * 1_000
    assert world.b.wholes == isinstance(world.b, AtOnce)


async def test_a_prompt_near_the_limit_takes_the_detour(world):
    world.a.context_length = world.b.context_length = 100
    request = ask("And now?")
    request.messages[:0] = [Message("user", "word " * 60), Message("assistant", "Yes."), Message("user", "word " * 60)]
    events = await world.road(context=ContextSettings(policy="window")).answer(request, caller())
    assert isinstance(events[-1], Completed)
    assert events[-1].extra["guru"]["context"]["policy"] == "window"
    assert len(world.a.requests[0].messages) < 4
