"""The cache around a model that counts how often it is asked."""

import asyncio
import hashlib

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.config import AliasSettings, CacheSettings, Deployment, Settings
from guru.errors import ConfigurationError, ModelUnavailable
from guru.gateway.cache import Cache
from guru.gateway.cache.key import digest
from guru.gateway.cache.memory import MemoryStore
from guru.gateway.cache.stored import LARGEST
from guru.gateway.identity import Caller
from guru.tasks import EmbeddingRequest, Embeddings
from guru.types import (
    ChatRequest,
    Completed,
    Delta,
    Finished,
    FunctionDefinition,
    Message,
    Started,
    TextRequest,
    Tool,
    ToolCallDelta,
    Usage,
)


class ScriptedModel:
    """Yields its script, and raises what is an exception."""

    name, context_length = "test/scripted", 4096

    def __init__(self):
        self.script = say("Hello there.")
        self.requests = []
        self.cancelled = 0

    async def chat(self, request):
        self.requests.append(request)
        try:
            for step in self.script:
                if isinstance(step, Exception):
                    raise step
                yield step
        except GeneratorExit:
            self.cancelled += 1
            raise

    complete = chat


def say(*texts):
    usage = Usage(prompt_tokens=7, completion_tokens=len(texts))
    return [*map(text, texts), Finished("stop"), Completed(model="test/scripted", usage=usage)]


def text(piece):
    return Delta(text=piece)


ALIASES = {
    "smart": AliasSettings(deployments=[Deployment(model="test/scripted")]),
    "sure": AliasSettings(deployments=[Deployment(model="test/scripted")], degrade=True),
}


class Vectors:
    """Near for texts with the same words."""

    name, dimension, max_tokens = "test/vectors", 256, 256

    def __init__(self):
        self.asked = 0

    async def embed(self, texts):
        self.asked += 1
        vectors = np.full((len(texts), self.dimension), 1e-3, np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().strip("?").split():
                vectors[row, hashlib.sha256(word.encode()).digest()[0]] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def make(mode="exact", **more):
    settings = Settings(cache=CacheSettings(mode=mode, threshold=0.6, **more), models=ALIASES)
    return Cache(settings, Vectors())


def caller(**more):
    return Caller(**{"tenant": "a", "route": "chat.completions", "trace_id": "t"} | more)


def ask(text="Hello?", **more):
    return ChatRequest(**{"model": "smart", "messages": [Message(role="user", content=text)]} | more)


async def collect(events):
    return [event async for event in events]


async def chat(cache, model, request, who=None, mode=None):
    return await collect(cache.model(model, who or caller(), mode).chat(request))


def text_of(events):
    return "".join(event.text for event in events if isinstance(event, Delta))


@pytest.fixture
def model():
    return ScriptedModel()


async def test_the_same_request_is_answered_once(model):
    cache = make()
    model.script = say("Hello ", "there", "!")
    first = await chat(cache, model, ask())
    again = await chat(cache, model, ask(user="somebody else", stream=True))
    assert len(model.requests) == 1
    assert text_of(first) == text_of(again) == "Hello there!"
    assert again[0] == Started(model="test/scripted", cache="exact")
    assert isinstance(again[-2], Finished)
    assert again[-1].usage == first[-1].usage
    assert again[-1].cost == 0.0
    assert cache.hits["exact"] == 1


async def test_what_a_hit_is_given_is_its_own(model):
    cache = make()
    await chat(cache, model, ask())
    one = await chat(cache, model, ask())
    one[-1].timings["total"] = 5.0
    one[-1].usage.prompt_tokens = 99
    assert (await chat(cache, model, ask()))[-1].timings == {}
    assert (await chat(cache, model, ask()))[-1].usage.prompt_tokens == 7


@pytest.mark.parametrize(
    "other",
    [
        {"temperature": 0.5}, {"max_tokens": 5}, {"seed": 1}, {"stop": ["x"]},
        {"tools": [Tool(FunctionDefinition("f"))]},
        {"response_format": {"type": "json_object"}}, {"extra": {"x": 1}}, {"n": 2}, {"model": "other"},
        {"messages": [Message(role="system", content="Hello?")]},
    ],
)  # fmt: skip
async def test_another_request_is_another(model, other):
    cache = make()
    await chat(cache, model, ask())
    await chat(cache, model, ask(**other))
    assert len(model.requests) == 2


async def test_tenants_share_nothing(model):
    cache = make("semantic")
    await chat(cache, model, ask())
    await chat(cache, model, ask(), caller(tenant="b"))
    assert len(model.requests) == 2


async def test_an_alias_is_what_it_stands_for(model):
    cache = make()
    await chat(cache, model, ask(model="smart"))
    await chat(cache, model, ask(model="test/scripted"))
    assert len(model.requests) == 1


@pytest.mark.parametrize(
    "script",
    [
        [Delta(text="a"), ModelUnavailable("gone")],
        [Delta(text="a"), Finished("content_filter"), Completed(model="m", usage=Usage())],
        [Delta(text="a"), Completed(model="m", usage=Usage())],
        [Started(model="m", cache="stale"), Delta(text="a"), Finished("stop"), Completed(model="m", usage=Usage())],
        [Delta(refusal="I cannot do that."), Finished("stop"), Completed(model="m", usage=Usage())],
        [Finished("stop"), Completed(model="m", usage=Usage())],  # nothing was said
        [Delta(text="a"), Delta(index=1, text="b"), Finished("stop"), Completed(model="m", usage=Usage())],
    ],
)
async def test_what_is_not_whole_is_not_kept(model, script):
    cache = make()
    model.script = script
    for _ in range(2):
        try:
            await chat(cache, model, ask())
        except ModelUnavailable:
            pass
    assert len(model.requests) == 2
    assert len(cache) == 0


@pytest.mark.parametrize("member", ["text", "reasoning", "refusal", "tool_calls"])
async def test_what_is_too_large_is_not_kept_whatever_makes_it_so(model, member):
    cache = make()
    much = "x" * (LARGEST + 1)
    part = {"tool_calls": [ToolCallDelta(index=0, arguments=much)]} if member == "tool_calls" else {member: much}
    model.script = [Delta(text="a"), Delta(**part), *say()]
    for _ in range(2):
        await chat(cache, model, ask())
    assert len(model.requests) == 2
    assert cache.size == 0


async def test_an_answer_that_was_left_early_is_not_kept(model):
    cache = make()
    model.script = say("a", "b", "c")
    events = cache.model(model, caller()).chat(ask())
    await anext(events)
    await events.aclose()
    assert len(cache) == 0
    assert model.cancelled == 1


async def test_calls_of_tools_choices_and_reasoning_come_back(model):
    cache = make()
    model.script = [
        Delta(reasoning="hm"), Delta(text="a"), Delta(index=1, text="b"), Delta(text="c"),
        Delta(tool_calls=[ToolCallDelta(0, "id", "f", "{}")]), Finished("tool_calls"), Finished("length", index=1),
        Completed(model="test/scripted", usage=Usage(1, 2), extra={"x": 1}),
    ]  # fmt: skip
    first = await chat(cache, model, ask())
    again = await chat(cache, model, ask())
    assert again[1:] == first


async def test_text_completions_too(model):
    cache = make()
    for _ in range(2):
        events = await collect(cache.model(model, caller()).complete(TextRequest(model="smart", prompt="Once")))
    assert events[0].cache == "exact"
    assert len(model.requests) == 1


async def test_what_the_request_says(model):
    cache = make()
    await chat(cache, model, ask(), caller(cache="off"))
    assert len(cache) == 0
    await chat(cache, model, ask())
    await chat(cache, model, ask(), caller(cache="off"))
    assert len(model.requests) == 3
    model.script = say("new")
    await chat(cache, model, ask(), caller(cache="refresh"))
    assert text_of(await chat(cache, model, ask())) == "new"
    assert len(model.requests) == 4


async def test_off_is_off_and_an_alias_may_differ(model):
    cache = make("off")
    await chat(cache, model, ask())
    await chat(cache, model, ask())
    assert len(model.requests) == 2
    await chat(cache, model, ask(), mode="exact")
    await chat(cache, model, ask(), mode="exact")
    assert len(model.requests) == 3


async def test_a_question_that_means_the_same(model):
    cache = make("semantic")
    model.script = say("Paris")
    await chat(cache, model, ask("What is the capital of France?"))
    again = await chat(cache, model, ask("Tell me the capital of France"))
    assert (again[0].cache, text_of(again)) == ("semantic", "Paris")
    await chat(cache, model, ask("What is the capital of Germany?"))
    assert len(model.requests) == 2
    assert cache.hits == {"exact": 0, "semantic": 1, "stale": 0}


@pytest.mark.parametrize(
    "other",
    [
        {"temperature": 0.5}, {"tools": [Tool(FunctionDefinition("f"))]}, {"response_format": {"type": "json_object"}},
        {"model": "other"},
        {"messages": [Message(role="system", content="Lie."), Message(role="user", content="The capital of France")]},
    ],
)  # fmt: skip
async def test_a_question_in_other_circumstances_is_another(model, other):
    cache = make("semantic")
    await chat(cache, model, ask("What is the capital of France?"))
    await chat(cache, model, ask("Tell me the capital of France", **other))
    assert len(model.requests) == 2


async def test_in_a_conversation_only_the_very_same_counts(model):
    cache = make("semantic")
    before = [Message(role="user", content="Hi"), Message(role="assistant", content="Hello")]
    for question in ("What is the capital of France?", "Tell me the capital of France"):
        await chat(cache, model, ask(messages=[*before, Message(role="user", content=question)]))
    assert len(model.requests) == 2
    assert cache._embedder.asked == 0


async def test_a_call_of_a_tool_belongs_to_one_question(model):
    cache = make("semantic")
    model.script = [
        Delta(tool_calls=[ToolCallDelta(0, "id", "f", "{}")]), Finished("tool_calls"),
        Completed(model="test/scripted", usage=Usage()),
    ]  # fmt: skip
    await chat(cache, model, ask("What is the capital of France?"))
    await chat(cache, model, ask("Tell me the capital of France"))
    assert len(model.requests) == 2


async def test_an_old_answer_is_shown_only_when_all_else_fails():
    now = [0.0]
    settings = Settings(cache=CacheSettings(mode="exact", ttl_seconds=10), models=ALIASES)
    cache, model = Cache(settings, store=MemoryStore(1 << 20, clock=lambda: now[0])), ScriptedModel()
    await chat(cache, model, ask(), mode="exact")
    now[0] = 11
    await chat(cache, model, ask())
    assert len(model.requests) == 2
    now[0] = 99
    events = cache.stale(ask(), caller())
    assert events is not None
    assert (await collect(events))[0] == Started(model="test/scripted", cache="stale")
    assert cache.stale(ask("Another?"), caller()) is None
    assert cache.stale(ask(), caller(cache="off")) is None
    assert cache.stale(ask(), caller(tenant="b")) is None


async def test_an_alias_that_may_degrade_keeps_answers_that_it_does_not_show(model):
    cache = make("off")
    await chat(cache, model, ask(model="sure"))
    await chat(cache, model, ask(model="sure"))
    assert len(model.requests) == 2
    assert cache.stale(ask(model="sure"), caller()) is not None


async def test_a_new_meaning_of_an_alias_forgets(model):
    cache = make()
    await chat(cache, model, ask())
    cache.reload(Settings(cache=CacheSettings(mode="exact"), models=ALIASES))
    assert len(cache) == 1
    cache.reload(Settings(cache=CacheSettings(mode="exact")))
    assert len(cache) == 0


class CountingEmbeddings:
    name = "test/vectors"

    def __init__(self):
        self.requests = 0

    async def embeddings(self, request):
        self.requests += 1
        return Embeddings(model=self.name, vectors=[[0.5, 0.25]], usage=Usage(prompt_tokens=3), cost=0.5)


async def test_vectors_are_kept_too():
    cache, inner = make(), CountingEmbeddings()
    request = EmbeddingRequest(model="embedding", input=["text"])
    first = await cache.embedding_model(inner, caller()).embeddings(request)
    again = await cache.embedding_model(inner, caller()).embeddings(msgspec.structs.replace(request, user="x"))
    assert inner.requests == 1
    assert first.vectors == again.vectors
    assert (first.cost, again.cost) == (0.5, 0.0)
    await cache.embedding_model(inner, caller()).embeddings(msgspec.structs.replace(request, dimensions=1))
    await cache.embedding_model(inner, caller(cache="off")).embeddings(request)
    assert inner.requests == 3


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3000)), max_size=60))
def test_a_store_never_grows_over_its_bound(puts):
    store, alive = MemoryStore(10_000), set()
    store.on_evict = alive.discard
    for key, size in puts:
        name = bytes([key])
        kept = store.put(name, b"x" * size, 60)
        if kept:
            alive.add(name)
        assert kept == (size + 350 <= 10_000 // 8)
        assert store.bytes <= 10_000
        assert len(store) == len(alive)
        assert store.bytes == sum(len(store.get(name) or b"") + 350 for name in alive)


def test_the_least_recently_used_goes_first():
    store = MemoryStore(6000)
    for name in b"abcdefgh":
        store.put(bytes([name]), b"x" * 400, 60)
    assert store.get(b"a") is not None
    store.put(b"i", b"x" * 400, 60)
    assert store.get(b"b") is None
    assert store.get(b"a") is not None
    assert (len(store), store.evicted) == (8, 1)


async def test_evicted_questions_are_not_found(model):
    cache = make("semantic")
    await chat(cache, model, ask("What is the capital of France?"))
    cache.clear()
    assert len(cache._index) == 0
    await chat(cache, model, ask("Tell me the capital of France"))
    assert len(model.requests) == 2


async def test_redis_that_is_away_is_a_miss(model, unused_tcp_port):
    settings = Settings(cache=CacheSettings(mode="exact"))
    settings.redis.url = f"redis://127.0.0.1:{unused_tcp_port}/0"
    cache = Cache(settings)
    await chat(cache, model, ask())
    await asyncio.sleep(0)
    assert (await chat(cache, model, ask()))[0].cache == "exact"
    await cache.aclose()


def test_an_address_that_is_none_is_refused():
    settings = Settings(cache=CacheSettings(mode="exact"))
    settings.redis.url = "nonsense"
    with pytest.raises(ConfigurationError, match="redis"):
        Cache(settings)


@given(st.text(max_size=20), st.text(max_size=20))
def test_keys_differ_when_texts_do(one, other):
    same = digest("a", "m", ask(one)) == digest("a", "m", ask(other))
    assert same == (one == other)
