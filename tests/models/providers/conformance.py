"""What every provider must do: one suite, which each provider's tests inherit with its documented answers.

class TestAcme(Conformance):
    kind = "acme"
    model = "acme-1"
    settings = {"api_key": KEY}
    exchanges = {"text": Exchange(whole=..., stream=..., text="Hello", usage=Usage(9, 12)), ...}
    errors = [(answer({...}, 429), UpstreamRateLimited), ...]

    def check_request(self, case, sent): ...
"""

import asyncio
import dataclasses
from contextlib import aclosing
from dataclasses import dataclass, field

import msgspec
import pytest

from guru.config import ProviderSettings
from guru.errors import (
    BadRequest,
    ContextTooLong,
    GuruError,
    InvalidParameter,
    ModelNotFound,
    ModelTimeout,
    ModelUnavailable,
    ProviderRefused,
    StreamCut,
    UpstreamRateLimited,
)
from guru.models import providers
from guru.models.http import HttpClient
from guru.models.providers.parameters import NAMES
from guru.types import (
    ChatRequest,
    Completed,
    Delta,
    Finished,
    FunctionDefinition,
    ImagePart,
    ImageUrl,
    Message,
    NativeTool,
    TextPart,
    TextRequest,
    Tool,
    Usage,
)
from models.providers.replay import Reply, replaying

KEY = "sk-the-key-of-the-test-0123456789"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
WEATHER = Tool(
    FunctionDefinition(
        "get_weather",
        "The weather at a place.",
        {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    )
)
SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "integer"}},
    "required": ["answer"],
    "additionalProperties": False,
}


def ask(*messages, **fields):
    return ChatRequest(model="m", messages=list(messages) or [Message("user", "Hello!")], **fields)


REQUESTS = {
    "text": lambda: ask(Message("system", "You are brief."), Message("user", "Hello!")),
    "tools": lambda: ask(Message("user", "What is the weather in Paris?"), tools=[WEATHER]),
    "parallel_tools": lambda: ask(
        Message("user", "What is the weather in Paris and in Rome?"), tools=[WEATHER], tool_choice="auto"
    ),
    "images": lambda: ask(
        Message("user", [TextPart("What is this?"), ImagePart(ImageUrl(f"data:image/png;base64,{PIXEL}"))])
    ),
    "json_schema": lambda: ask(
        Message("user", "What is six times seven?"),
        response_format={"type": "json_schema", "json_schema": {"name": "result", "strict": True, "schema": SCHEMA}},
    ),
    "stop": lambda: ask(Message("user", "Count to ten."), stop=["five"]),
}
"""What is asked in each case. `text` is one that every provider has; the others as its ABILITIES say."""

NEEDED = {"tools": "tools", "parallel_tools": "tools", "images": "images", "json_schema": "json_schema"}

SAMPLES = {
    "temperature": 0.371,
    "top_p": 0.471,
    "top_k": 37,
    "min_p": 0.071,
    "typical_p": 0.571,
    "repeat_penalty": 1.171,
    "presence_penalty": 0.671,
    "frequency_penalty": 0.771,
    "logit_bias": {"1734": -7.0},
    "max_tokens": 1234,
    "stop": ["enough-of-it"],
    "seed": 987654,
    "n": 3,
    "logprobs": True,
    "top_logprobs": 4,
    "user": "user-4711",
    "tools": [WEATHER],
    "native_tools": [NativeTool("openai", {"type": "web_search_preview"})],
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "response_format": {"type": "json_object"},
    "reasoning_effort": "low",
    "thinking": {"type": "enabled", "budget_tokens": 5000},
    "metadata": {"run": "r-4711"},
    "betas": ["output-128k-2025-02-19"],
}
"""A value of every parameter that asks for something."""

WITH = {
    "top_logprobs": {"logprobs": True},
    "tool_choice": {"tools": [WEATHER]},
    "parallel_tool_calls": {"tools": [WEATHER]},
}
"""What a parameter cannot do without."""


@dataclass
class Exchange:
    """A documented answer, whole and as a stream, and what it means."""

    whole: Reply
    stream: Reply
    text: str = ""
    calls: list[tuple[str, dict]] = field(default_factory=list)
    """Names and arguments of tool calls."""
    usage: Usage | None = None
    reason: str = "stop"
    reasoning: str = ""


class Heard:
    """The events of an answer, put together."""

    def __init__(self, events):
        self.events = events
        deltas = [event for event in events if isinstance(event, Delta)]
        self.text = "".join(delta.text for delta in deltas)
        self.reasoning = "".join(delta.reasoning for delta in deltas)
        self.extra = {name: value for delta in deltas for name, value in delta.extra.items()}
        self.reasons = [event.reason for event in events if isinstance(event, Finished)]
        self.completed = events[-1] if events and isinstance(events[-1], Completed) else None
        self.ids, calls = {}, {}
        for delta in deltas:
            for part in delta.tool_calls:
                call = calls.setdefault(part.index, ["", ""])
                call[0] = part.name or call[0]
                call[1] += part.arguments
                self.ids[part.index] = part.id or self.ids.get(part.index)
        self.calls = [(name, msgspec.json.decode(text or "{}")) for name, text in calls.values()]


async def hear(model, request, *, at_once=False):
    """What a model answers; `at_once` by its `whole`, which the gateway asks where nobody watches."""
    if at_once:
        return Heard(await model.whole(request))
    async with aclosing(model.chat(request)) as events:
        return Heard([event async for event in events])


WAYS = pytest.mark.parametrize("way", ["whole", "generator", "stream"])
"""How an answer may be asked for: all events at once, one by one of an answer in one piece, and as it grows."""


def contains(value, wanted):
    """Whether `wanted` stands anywhere in a JSON value."""
    if value == wanted and type(value) is type(wanted):
        return True
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(contains(each, wanted) for each in inner)


@pytest.mark.filterwarnings("error")
class Conformance:
    kind = ""
    model = ""
    settings = {"api_key": KEY}
    base_path = ""
    """What follows the server's address in `base_url`."""
    exchanges: dict[str, Exchange] = {}
    errors: list[tuple[Reply, type[GuruError]]] = []
    stream_errors: list[tuple[Reply, type[GuruError]]] = []
    """Streams in which the provider reports an error."""
    without_schema = ()
    """Parameters whose sample does not stand in the request as it is, although the table says `carried`."""

    # ------------------------------------------------------------------- to be written by each

    def check_request(self, case, sent):
        """Assert that `sent` is `REQUESTS[case]` in the provider's format."""
        raise NotImplementedError

    def check_credentials(self, sent):
        assert sent.headers["authorization"] == f"Bearer {KEY}"

    # ------------------------------------------------------------------- how

    @pytest.fixture
    async def server(self):
        async with replaying() as server:
            yield server

    @pytest.fixture
    async def http(self):
        client = HttpClient()
        yield client
        await client.aclose()

    def make(self, server, http, **settings):
        fields = {"base_url": server.url + self.base_path, "kind": self.kind, **self.settings, **settings}
        return providers.create("acme", ProviderSettings(**fields), http)

    @pytest.fixture
    def chat(self, server, http):
        return self.make(server, http).chat_model(self.model)

    def cls(self):
        return providers.provider_class("acme", self.kind)

    def reply(self, case, streamed):
        exchange = self.exchanges[case]
        return exchange.stream if streamed else exchange.whole

    # ------------------------------------------------------------------- answers

    def test_the_suite_has_an_answer_for_all_that_the_provider_can(self):
        able = self.cls().ABILITIES
        expected = {case for case in REQUESTS if case not in NEEDED or NEEDED[case] in able}
        if self.cls().PARAMETERS["stop"].kind == "refused":
            expected.discard("stop")
        assert expected <= set(self.exchanges), expected - set(self.exchanges)

    @WAYS
    @pytest.mark.parametrize("case", list(REQUESTS))
    async def test_an_answer_says_what_the_provider_said(self, server, chat, case, way):
        if case not in self.exchanges:
            pytest.skip(f"{self.kind} has no {case}")
        exchange = self.exchanges[case]
        server.say(self.reply(case, way == "stream"))
        request = REQUESTS[case]()
        request.stream = way == "stream"
        heard = await hear(chat, request, at_once=way == "whole")
        assert heard.text == exchange.text
        assert heard.calls == exchange.calls
        assert len(set(heard.ids.values())) == len(exchange.calls)
        assert all(heard.ids.values())
        assert heard.reasoning == exchange.reasoning
        assert heard.reasons == [exchange.reason]
        assert heard.completed is not None
        assert heard.completed.model == f"acme/{self.model}"
        assert sum(isinstance(event, Completed) for event in heard.events) == 1
        if exchange.usage is not None:
            assert heard.completed.usage == exchange.usage
        self.check_request(case, server.last)
        self.check_credentials(server.last)

    async def test_bytes_may_be_split_anywhere(self, server, chat):
        for case, exchange in self.exchanges.items():
            request = REQUESTS[case]() if case in REQUESTS else REQUESTS["text"]()
            request.stream = True
            found = []
            for size in (None, 1, 7):
                server.say(dataclasses.replace(exchange.stream, split=size))
                heard = await hear(chat, request)
                found.append((heard.text, heard.reasoning, heard.calls, heard.reasons, heard.completed.usage))
            assert found[0] == found[1] == found[2]

    # ------------------------------------------------------------------- what goes wrong

    def test_every_class_of_error_is_tried(self):
        known = {error for _, error in self.errors}
        wanted = {BadRequest, ContextTooLong, ProviderRefused, ModelNotFound, UpstreamRateLimited, ModelUnavailable}
        assert {each for each in wanted if not any(issubclass(error, each) for error in known)} == set()

    @WAYS
    async def test_an_error_of_the_provider_is_ours(self, server, chat, way):
        for reply, wanted in self.errors:
            server.say(reply)
            with pytest.raises(GuruError) as caught:
                await hear(chat, ask(stream=way == "stream"), at_once=way == "whole")
            assert type(caught.value) is wanted or (wanted is BadRequest and isinstance(caught.value, BadRequest)), (
                reply, caught.value,
            )  # fmt: skip
            assert "acme" in caught.value.message
            assert caught.value.hint

    async def test_an_error_in_the_middle_of_a_stream_is_raised(self, server, chat):
        for reply, wanted in self.stream_errors:
            server.say(reply)
            with pytest.raises(wanted):
                await hear(chat, ask(stream=True))

    async def test_the_wait_that_the_provider_asks_for_is_kept(self, server, chat):
        reply = next(reply for reply, error in self.errors if error is UpstreamRateLimited)
        server.say(dataclasses.replace(reply, headers={**reply.headers, "retry-after": "7"}))
        with pytest.raises(UpstreamRateLimited) as caught:
            await hear(chat, ask())
        assert caught.value.retry_after == 7

    @pytest.mark.parametrize("end", ["cut", "whole"])
    async def test_a_stream_that_is_cut_never_looks_whole(self, server, chat, end):
        stream = self.exchanges["text"].stream
        body = stream.body
        for share in (0.0, 0.2, 0.5, 0.7):
            server.say(dataclasses.replace(stream, body=body[: int(len(body) * share)], end=end))
            with pytest.raises(GuruError) as caught:
                await hear(chat, ask(stream=True))
            assert caught.value.retryable
            assert isinstance(caught.value, StreamCut | ModelUnavailable)

    @pytest.mark.parametrize("at_once", [True, False], ids=["whole", "generator"])
    async def test_a_whole_answer_that_is_cut_or_garbage_is_an_error(self, server, chat, at_once):
        whole = self.exchanges["text"].whole
        half = whole.body[: len(whole.body) // 2]
        for reply in (
            dataclasses.replace(whole, body=half, end="cut"),
            dataclasses.replace(whole, body=half),
            dataclasses.replace(whole, body=b"<html>It works!</html>", media_type="text/html"),
            dataclasses.replace(whole, body=b"[]"),
            dataclasses.replace(whole, body=b"{}"),
        ):
            server.say(reply)
            with pytest.raises(StreamCut):
                await hear(chat, ask(), at_once=at_once)

    async def test_a_provider_that_does_not_answer_in_time(self, server, http):
        server.say(Reply(end="silent"))
        with pytest.raises(ModelTimeout):
            await hear(self.make(server, http, timeout=0.05).chat_model(self.model), ask(stream=True))

    async def test_a_provider_that_is_not_there(self, http):
        async with replaying() as gone:
            pass
        with pytest.raises(ModelUnavailable):
            await hear(self.make(gone, http).chat_model(self.model), ask())

    async def test_going_away_cancels_the_request(self, server, chat):
        stream = self.exchanges["text"].stream
        server.say(dataclasses.replace(stream, body=stream.body[: len(stream.body) * 2 // 3], end="hang"))
        async with aclosing(chat.chat(ask(stream=True))) as events:
            async for _ in events:
                break
        await asyncio.wait_for(server.dropped.wait(), 5)

    @pytest.mark.parametrize("at_once", [True, False], ids=["whole", "generator"])
    async def test_a_cancelled_task_cancels_the_request(self, server, chat, at_once):
        server.say(dataclasses.replace(self.exchanges["text"].whole, body=b" ", end="hang"))
        task = asyncio.create_task(hear(chat, ask(), at_once=at_once))
        while not server.requests:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.wait_for(server.dropped.wait(), 5)
        with pytest.raises(asyncio.CancelledError):
            await task

    async def test_secrets_are_not_repeated(self, server, http):
        provider = self.make(server, http)
        assert KEY not in repr(provider)
        reply, _ = next((reply, error) for reply, error in self.errors if error is ProviderRefused)
        quoting = reply.body.replace(b'"message": "', b'"message": "The key ' + KEY.encode() + b" is wrong. ")
        server.say(dataclasses.replace(reply, body=quoting))
        with pytest.raises(ProviderRefused) as caught:
            await hear(provider.chat_model(self.model), ask())
        assert KEY not in str(caught.value)

    async def test_secrets_are_not_repeated_out_of_a_stream(self, server, http):
        for reply, wanted in self.stream_errors:
            server.say(reply)
            with pytest.raises(wanted) as plain:
                await hear(self.make(server, http).chat_model(self.model), ask(stream=True))
            secret = max(plain.value.message.split(), key=len)  # as if a word of it were a secret of ours
            chat = self.make(server, http, headers={"x-secret": f"Bearer {secret}"}).chat_model(self.model)
            with pytest.raises(wanted) as caught:
                await hear(chat, ask(stream=True))
            assert secret not in str(caught.value)
            assert "***" in caught.value.message

    @pytest.mark.parametrize("at_once", [True, False], ids=["whole", "generator"])
    async def test_a_prompt_is_continued_or_refused(self, server, chat, at_once):
        server.say(Reply(status=500))
        request = TextRequest(model="m", prompt="Once upon")
        with pytest.raises(ModelUnavailable if "text" in self.cls().ABILITIES else InvalidParameter):
            _ = await chat.whole(request) if at_once else [event async for event in chat.complete(request)]
        assert bool(server.requests) == ("text" in self.cls().ABILITIES)

    # ------------------------------------------------------------------- parameters

    def test_every_parameter_is_in_the_table(self):
        table = self.cls().PARAMETERS
        assert set(table) == {*NAMES, "extra"}
        assert all(support.note for support in table.values() if support.kind != "carried")
        assert set(SAMPLES) == set(NAMES)

    async def test_a_refused_parameter_is_refused_before_anything_is_sent(self, server, http):
        for name, support in self.cls().PARAMETERS.items():
            if support.kind != "refused" or name == "extra":
                continue
            request = ask(**{name: SAMPLES[name]})
            with pytest.raises(InvalidParameter) as caught:
                await hear(self.make(server, http).chat_model(self.model), request)
            assert caught.value.param == name
            assert "acme" in caught.value.message
            assert server.requests == []

    async def test_a_refused_parameter_can_be_dropped(self, server, http):
        dropped = [name for name, support in self.cls().PARAMETERS.items() if support.kind == "refused"]
        if not dropped:
            pytest.skip("it takes everything")
        server.say(self.exchanges["text"].whole)
        request = ask(**{name: SAMPLES[name] for name in dropped if name != "extra"})
        await hear(self.make(server, http, drop_params=dropped).chat_model(self.model), request)
        plain = len(server.requests)
        await hear(self.make(server, http).chat_model(self.model), ask())
        assert server.requests[plain - 1].body == server.requests[plain].body

    async def test_a_carried_parameter_arrives(self, server, chat):
        server.say(self.exchanges["text"].whole)
        for name, support in self.cls().PARAMETERS.items():
            if support.kind != "carried" or name == "extra":
                continue
            await hear(chat, ask(**{**WITH.get(name, {}), name: SAMPLES[name]}))
            if name not in self.without_schema:
                value = msgspec.to_builtins(SAMPLES[name])
                assert contains(server.last.json, value), (name, server.last.json)

    async def test_a_parameter_that_guru_does_not_know_reaches_the_provider(self, server, chat):
        if self.cls().PARAMETERS["extra"].kind != "carried":
            pytest.skip("the table says what becomes of it")
        server.say(self.exchanges["text"].whole)
        await hear(chat, ask(extra={"brand_new": {"deep": [1, 2]}}))
        assert server.last.json["brand_new"] == {"deep": [1, 2]}

    # ------------------------------------------------------------------- the rest

    def test_what_the_provider_has_not_is_said(self):
        provider = self.make(Nowhere, None)
        makers = {
            "chat": provider.chat_model, "embeddings": provider.embedding_model, "rerank": provider.reranker,
            "moderations": provider.moderator, "images_out": provider.image_model, "speech": provider.speech_model,
            "transcription": provider.transcription_model,
        }  # fmt: skip
        for ability, maker in makers.items():
            if ability in provider.ABILITIES:
                assert maker(self.model).name == f"acme/{self.model}"
            else:
                with pytest.raises(InvalidParameter, match="acme"):
                    maker(self.model)
        assert (provider.batches() is not None) == ("batch" in provider.ABILITIES)


class Nowhere:
    url = "http://127.0.0.1:9"
