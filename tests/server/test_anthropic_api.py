"""The official client of Anthropic against a real server: over a scripted model, and over upstreams of both formats."""

import contextlib
import json

import anthropic
import pytest

from guru.config import KeySettings, ProviderSettings, Settings
from guru.errors import (
    BadRequest,
    ContextTooLong,
    ModelTimeout,
    ModelUnavailable,
    ProviderRefused,
    RateLimited,
    StreamCut,
    UpstreamRateLimited,
)
from guru.models import providers
from guru.models.http import HttpClient
from guru.types import Completed, Delta, Finished, ImagePart, TextPart, ToolCallDelta, Usage
from models.providers.conformance import KEY, PIXEL
from models.providers.replay import answer, event_stream, named_events, replaying
from models.providers.test_anthropic import calling, events, message
from scripted import TestModels, run_server, say

ASK = {"model": "default", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]}
TOOL = {"name": "get_weather", "description": "W.", "input_schema": {"type": "object", "properties": {}}}


@pytest.fixture
async def client(server):
    async with anthropic.AsyncAnthropic(base_url=server.url, api_key="none", max_retries=0) as client:
        yield client


async def test_an_answer_has_its_text_usage_and_headers(server, client):
    raw = await client.messages.with_raw_response.create(**ASK)
    found = await raw.parse()
    assert found.content[0].text == "Hello there."
    assert (found.stop_reason, found.role, found.model) == ("end_turn", "assistant", "test/scripted")
    assert (found.usage.input_tokens, found.usage.output_tokens) == (7, 1)
    assert found.id.startswith("msg_")
    assert raw.headers["x-guru-trace-id"].startswith("tr_")


async def test_a_stream_says_the_same_piece_by_piece(server, client):
    server.model.script = say("One ", "two ", "three.")
    async with client.messages.stream(**ASK) as stream:
        pieces = [text async for text in stream.text_stream]
        found = await stream.get_final_message()
    assert pieces == ["One ", "two ", "three."]
    assert found.content[0].text == "One two three."
    assert (found.stop_reason, found.usage.input_tokens, found.usage.output_tokens) == ("end_turn", 7, 3)


async def test_the_events_stand_in_their_order(server):
    server.model.script = say("Hi.")
    names = [name for name, data in await server.events("/v1/messages", ASK | {"stream": True})]
    assert names == [
        "message_start", "ping", "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
        "message_stop",
    ]  # fmt: skip


async def test_parallel_calls_are_streamed(server, client):
    server.model.script = [
        Delta(text="Let me look."),
        Delta(tool_calls=[ToolCallDelta(0, "call_1", "get_weather", "")]),
        Delta(tool_calls=[ToolCallDelta(0, arguments='{"city": ')]),
        Delta(tool_calls=[ToolCallDelta(0, arguments='"Paris"}')]),
        Delta(tool_calls=[ToolCallDelta(1, "call_2", "get_weather", "{}")]),
        Finished("tool_calls"),
        Completed(model="test/scripted", usage=Usage(9, 8)),
    ]
    async with client.messages.stream(**ASK, tools=[TOOL]) as stream:
        pieces = [event.partial_json async for event in stream if event.type == "input_json"]
        found = await stream.get_final_message()
    assert pieces == ['{"city": ', '"Paris"}', "{}"]
    text, first, second = found.content
    assert text.text == "Let me look."
    assert (first.id, first.name, first.input) == ("call_1", "get_weather", {"city": "Paris"})
    assert (second.id, second.input) == ("call_2", {})
    assert found.stop_reason == "tool_use"
    whole = await client.messages.create(**ASK, tools=[TOOL])
    assert [block.to_dict() for block in whole.content] == [block.to_dict() for block in found.content]


async def test_all_of_a_request_reaches_the_model(server, client):
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "sun", "is_error": True}
    await client.messages.create(
        model="default",
        max_tokens=50,
        system=[{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}],
        messages=[
            {"role": "user", "content": [image, {"type": "text", "text": "What?"}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "get_weather", "input": {}}]},
            {"role": "user", "content": [result]},
        ],
        tools=[TOOL], tool_choice={"type": "tool", "name": "get_weather"}, thinking={"type": "adaptive"},
        stop_sequences=["END"], metadata={"user_id": "anna"}, output_config={"effort": "low"},
        extra_headers={"anthropic-beta": "one, two"},
        extra_body={"mirostat": 2, "temperature": 0.5, "top_p": 0.9, "top_k": 3},
    )  # fmt: skip
    (request,) = server.model.requests
    system, user, assistant, result = request.messages
    assert system.content == [TextPart("Be kind.", {"type": "ephemeral"})]
    assert isinstance(user.content[0], ImagePart)
    assert assistant.tool_calls[0].function.name == "get_weather"
    assert (result.role, result.tool_call_id, result.content, result.is_error) == ("tool", "t1", "sun", True)
    assert request.tool_choice == {"type": "function", "function": {"name": "get_weather"}}
    assert (request.max_tokens, request.stop, request.temperature, request.top_k) == (50, ["END"], 0.5, 3)
    assert (request.thinking, request.reasoning_effort, request.user) == ({"type": "adaptive"}, "low", "anna")
    assert (request.betas, request.extra) == (["one", "two"], {"mirostat": 2})


async def test_a_stop_sequence_and_thoughts_come_back(server, client):
    block = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    server.model.script = [
        Delta(reasoning="Hm."), Delta(thinking_block=block), Delta(text="Yes"),
        Finished("stop", stop_sequence="END", native="stop_sequence"),
        Completed(model="test/scripted", usage=Usage(30, 8, cached_tokens=10, cache_write_tokens=5)),
    ]  # fmt: skip
    async with client.messages.stream(**ASK) as stream:
        found = await stream.get_final_message()
    assert found.content[0].to_dict() == block
    assert (found.stop_reason, found.stop_sequence) == ("stop_sequence", "END")
    usage = found.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (15, 10, 5)


async def test_an_answer_is_grounded_in_a_collection(server, client):
    with pytest.raises(anthropic.NotFoundError) as caught:
        await client.messages.create(**ASK, extra_body={"guru": {"collection": "nowhere"}})
    assert caught.value.body["error"]["type"] == "not_found_error"


ERRORS = [
    (BadRequest("No."), anthropic.BadRequestError, "invalid_request_error"),
    (ContextTooLong("Too long."), anthropic.BadRequestError, "invalid_request_error"),
    (RateLimited("Slow.", retry_after=0.01), anthropic.RateLimitError, "rate_limit_error"),
    (UpstreamRateLimited("Slow.", retry_after=0.01), anthropic.RateLimitError, "rate_limit_error"),
    (ProviderRefused("Bad key."), anthropic.InternalServerError, "api_error"),
    (ModelTimeout("Late.", retry_after=0.01), anthropic.InternalServerError, "timeout_error"),
    (ModelUnavailable("Down.", retry_after=0.01), anthropic.InternalServerError, "overloaded_error"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("errors", [ERRORS[:-1], ERRORS[-1:]])  # after some failures a model is left alone for a while
async def test_an_error_is_the_clients_own_class(server, client, errors, stream):
    for error, expected, kind in errors:
        server.model.script = [error]
        with pytest.raises(expected) as caught:
            await client.messages.create(**ASK, stream=stream)
        body = caught.value.body
        assert (body["type"], body["error"]["type"]) == ("error", kind)
        assert error.message in body["error"]["message"]
        assert body["request_id"].startswith("tr_")
        if error.status == 429:
            assert caught.value.response.headers["retry-after"] == "1"


async def test_a_mistake_and_an_unknown_model_are_named(server, client):
    with pytest.raises(anthropic.NotFoundError):
        await client.messages.create(**ASK | {"model": "nobody/nothing"})
    with pytest.raises(anthropic.BadRequestError, match="tool_choice"):
        await client.messages.create(**ASK, tool_choice={"type": "some"})
    status, body = await server.post("/v1/messages", {"model": "default", "messages": []})
    assert (status, body["error"]["type"]) == (400, "invalid_request_error")
    assert "max_tokens" in body["error"]["message"]


async def test_a_stream_that_breaks_ends_with_an_error(server, client):
    server.model.script = [Delta(text="Hel"), StreamCut("The provider was cut off.")]
    found = await server.events("/v1/messages", ASK | {"stream": True})
    assert found[-1][0] == "error"
    assert found[-1][1]["error"] == {"type": "api_error", "message": "The provider was cut off."}
    with pytest.raises(anthropic.APIStatusError, match="cut off"):
        async with client.messages.stream(**ASK) as stream:
            await stream.get_final_message()


async def test_tokens_are_counted(server, client):
    short = await client.messages.count_tokens(model="default", messages=ASK["messages"])
    longer = await client.messages.count_tokens(
        model="default", messages=[{"role": "user", "content": "Hi " * 50}], system="Be kind.", tools=[TOOL]
    )
    assert 0 < short.input_tokens < 20
    assert longer.input_tokens > short.input_tokens + 50
    assert server.model.requests == []
    with pytest.raises(anthropic.NotFoundError):
        await client.messages.count_tokens(model="nobody/nothing", messages=ASK["messages"])


async def test_a_key_opens_its_own_models_alone(tmp_path):
    keys = {"small": KeySettings(key="sk-small-0123456789", models=["other/*"])}
    async with (
        run_server(tmp_path / "home", Settings(keys=keys)) as running,
        anthropic.AsyncAnthropic(base_url=running.url, api_key="sk-small-0123456789", max_retries=0) as client,
    ):
        for asking in (
            client.messages.create(**ASK),
            client.messages.count_tokens(model="default", messages=ASK["messages"]),
        ):
            with pytest.raises(anthropic.PermissionDeniedError) as caught:
                await asking
            assert caught.value.body["error"]["type"] == "permission_error"
    assert running.model.requests == []


# --------------------------------------------------------------------------- across formats


class Upstreams(TestModels):
    """Models behind a provider of each format, both at one replaying server."""

    __test__ = False

    def __init__(self, url, http):
        super().__init__()
        self._providers = {
            kind: providers.create(kind, ProviderSettings(base_url=url, api_key=KEY), http)
            for kind in ("openai", "anthropic")
        }

    def chat_model(self, name):
        kind, _, model = name.partition("/")
        return self._providers[kind].chat_model(model) if kind in self._providers else super().chat_model(name)


@pytest.fixture
async def upstream():
    async with replaying() as replay:
        yield replay


@pytest.fixture
async def across(tmp_path, upstream):
    """A server over both upstreams, and Anthropic's client for it."""
    http = HttpClient()
    async with (
        run_server(tmp_path / "home", models=Upstreams(upstream.url, http)) as running,
        anthropic.AsyncAnthropic(base_url=running.url, api_key="none", max_retries=0) as client,
        contextlib.aclosing(http),
    ):
        yield running, client


def openai_chunks(*deltas, reason="stop"):
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}
    for delta in deltas:
        yield head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield head | {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
    usage = {
        "prompt_tokens": 30,
        "completion_tokens": 9,
        "total_tokens": 39,
        "prompt_tokens_details": {"cached_tokens": 10},
    }
    yield head | {"choices": [], "usage": usage}


async def test_anthropics_client_gets_calls_from_an_upstream_of_openais(across, upstream):
    _, client = across
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": ""}}
    upstream.say(event_stream(*openai_chunks(
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '"Paris"}'}}]},
        {"tool_calls": [call | {"index": 1, "id": "call_2"}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": '{"city":"Rome"}'}}]},
        reason="tool_calls",
    )))  # fmt: skip
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    results = [{"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "sun"}, image]}]
    turns = [
        {"role": "user", "content": [image, {"type": "text", "text": "Where?"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"a": 1}}]},
        {"role": "user", "content": results},
    ]
    async with client.messages.stream(
        model="openai/gpt-4o", max_tokens=50, system="Be kind.", messages=turns, tools=[TOOL],
        extra_headers={"anthropic-beta": "claude-code-20250219"},
    ) as stream:  # fmt: skip
        found = await stream.get_final_message()
    assert [(block.id, block.input) for block in found.content] == [
        ("call_1", {"city": "Paris"}), ("call_2", {"city": "Rome"}),
    ]  # fmt: skip
    assert found.stop_reason == "tool_use"
    assert (found.usage.input_tokens, found.usage.cache_read_input_tokens, found.usage.output_tokens) == (20, 10, 9)
    sent = upstream.last.json
    assert sent["messages"][0] == {"role": "system", "content": "Be kind."}
    assert sent["messages"][1]["content"][0]["image_url"]["url"] == f"data:image/png;base64,{PIXEL}"
    assert json.loads(sent["messages"][2]["tool_calls"][0]["function"]["arguments"]) == {"a": 1}
    assert sent["messages"][3]["tool_call_id"] == "t1"
    assert PIXEL in json.dumps(sent["messages"][3:])
    assert sent["tools"][0]["function"]["name"] == "get_weather"


async def test_openais_client_gets_calls_from_an_upstream_of_anthropics(across, upstream):
    running, _ = across
    exchange = calling("Paris", "Rome")
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
    ]
    function = {"name": "get_weather", "description": "W.", "parameters": {"type": "object", "properties": {}}}
    ask = {
        "model": "anthropic/claude-opus-4-6",
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": parts}],
        "tools": [{"type": "function", "function": function}],
    }
    upstream.say(exchange.stream)
    calls = {}
    async for chunk in await running.openai.chat.completions.create(**ask, stream=True):
        for choice in chunk.choices:
            for part in choice.delta.tool_calls or ():
                call = calls.setdefault(part.index, ["", ""])
                call[0] = part.id or call[0]
                call[1] += part.function.arguments or ""
    assert [(name, json.loads(text)) for name, text in calls.values()] == [
        ("toolu_Paris", {"city": "Paris"}), ("toolu_Rome", {"city": "Rome"}),
    ]  # fmt: skip
    upstream.say(exchange.whole)
    found = await running.openai.chat.completions.create(**ask)
    assert [call.id for call in found.choices[0].message.tool_calls] == ["toolu_Paris", "toolu_Rome"]
    assert (found.choices[0].finish_reason, found.usage.prompt_tokens) == ("tool_calls", 25)
    sent = upstream.last.json
    assert sent["system"] == [{"type": "text", "text": "Be kind."}]
    assert sent["messages"][0]["content"][1]["source"]["data"] == PIXEL


async def test_anthropics_client_gets_all_of_anthropics_answer(across, upstream):
    _, client = across
    search = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "grass"}}
    citation = {"type": "web_search_result_location", "cited_text": "green", "encrypted_index": "E", "title": "T",
                "url": "https://example.org"}  # fmt: skip
    blocks = (
        ({"type": "thinking", "thinking": "", "signature": ""}, {"type": "thinking_delta", "thinking": "Hm."},
         {"type": "signature_delta", "signature": "c2ln"}),
        (search | {"input": {}}, {"type": "input_json_delta", "partial_json": '{"query": "grass"}'}),
        ({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},),
        ({"type": "text", "text": ""}, {"type": "text_delta", "text": "Green."},
         {"type": "citations_delta", "citation": citation}),
    )  # fmt: skip
    upstream.say(named_events(*events(*blocks)))
    native = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
    async with client.messages.stream(
        model="anthropic/claude-opus-4-6", max_tokens=50, messages=ASK["messages"], tools=[native],
        extra_headers={"anthropic-beta": "web-search-2025-03-05"},
    ) as stream:  # fmt: skip
        found = await stream.get_final_message()
    thought, searched, result, text = found.content
    assert (thought.thinking, thought.signature) == ("Hm.", "c2ln")
    assert searched.to_dict() == search
    assert result.type == "web_search_tool_result"
    assert text.citations[0].to_dict() == citation
    assert upstream.last.json["tools"] == [native]
    assert upstream.last.headers["anthropic-beta"] == "web-search-2025-03-05"
    # And all of it goes back as it came.
    upstream.say(answer(message({"type": "text", "text": "Yes."})))
    turns = [*ASK["messages"], {"role": "assistant", "content": [block.to_dict() for block in found.content]}]
    await client.messages.create(
        model="anthropic/claude-opus-4-6", max_tokens=50, messages=[*turns, {"role": "user", "content": "Sure?"}]
    )
    assert upstream.last.json["messages"][1] == turns[1]


async def test_tokens_are_counted_where_the_model_is(across, upstream):
    _, client = across
    upstream.say(answer({"input_tokens": 2095}))
    counted = await client.messages.count_tokens(model="anthropic/claude-opus-4-6", messages=ASK["messages"])
    assert counted.input_tokens == 2095
    assert upstream.last.path == "/v1/messages/count_tokens"
    counted = await client.messages.count_tokens(model="openai/gpt-4o", messages=ASK["messages"])
    assert 0 < counted.input_tokens < 20
    assert len(upstream.requests) == 1
