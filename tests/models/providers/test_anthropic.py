"""Anthropic's documented answers, through the suite that every provider passes."""

import datetime

import pytest

from guru.errors import (
    BadRequest,
    ContextTooLong,
    ModelNotFound,
    ModelTimeout,
    ModelUnavailable,
    ProviderRefused,
    TooLarge,
    UpstreamRateLimited,
)
from guru.types import Completed, Message, Usage
from models.providers.conformance import KEY, PIXEL, SCHEMA, Conformance, Exchange, ask, hear
from models.providers.replay import Reply, answer, named_events

USAGE = {"input_tokens": 25, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 15}
HEAD = {"id": "msg_013Zva2CMHLNnXjNJJKqJ2EF", "type": "message", "role": "assistant", "model": "claude-opus-4-6"}


def message(*content, reason="end_turn", sequence=None, usage=USAGE):
    return HEAD | {"content": list(content), "stop_reason": reason, "stop_sequence": sequence, "usage": usage}


def events(*content, reason="end_turn", sequence=None, usage=USAGE):
    """The events of the documentation's examples: each block is its start and the deltas after it."""
    begun = message(usage=usage | {"output_tokens": 1}) | {"stop_reason": None}
    yield "message_start", {"type": "message_start", "message": begun}
    for index, (start, *deltas) in enumerate(content):
        yield "content_block_start", {"type": "content_block_start", "index": index, "content_block": start}
        yield "ping", {"type": "ping"}
        for delta in deltas:
            yield "content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta}
        yield "content_block_stop", {"type": "content_block_stop", "index": index}
    delta = {"stop_reason": reason, "stop_sequence": sequence}
    yield "message_delta", {"type": "message_delta", "delta": delta, "usage": {"output_tokens": usage["output_tokens"]}}
    yield "message_stop", {"type": "message_stop"}


def said(*pieces, reason="end_turn", sequence=None, meaning="stop"):
    text = "".join(pieces)
    block = ({"type": "text", "text": ""}, *({"type": "text_delta", "text": piece} for piece in pieces))
    return Exchange(
        answer(message({"type": "text", "text": text}, reason=reason, sequence=sequence)),
        named_events(*events(block, reason=reason, sequence=sequence)),
        text=text, usage=Usage(25, 15), reason=meaning,
    )  # fmt: skip


def calling(*cities):
    calls = [
        {"type": "tool_use", "id": f"toolu_{city}", "name": "get_weather", "input": {"city": city}} for city in cities
    ]
    blocks = [
        (call | {"input": {}},
         *({"type": "input_json_delta", "partial_json": part}
           for part in ("", '{"city":', f' "{call["input"]["city"]}', '"}')))
        for call in calls
    ]  # fmt: skip
    return Exchange(
        answer(message(*calls, reason="tool_use")),
        named_events(*events(*blocks, reason="tool_use")),
        calls=[("get_weather", call["input"]) for call in calls], usage=Usage(25, 15), reason="tool_calls",
    )  # fmt: skip


def thinking():
    usage = USAGE | {"cache_read_input_tokens": 100, "cache_creation_input_tokens": 10, "output_tokens": 40}
    blocks = (
        ({"type": "thinking", "thinking": "", "signature": ""}, {"type": "thinking_delta", "thinking": "453 is"},
         {"type": "thinking_delta", "thinking": " 3·151"},
         {"type": "signature_delta", "signature": "EqQBCgIYAhIM1gbcDa9G"}),
        ({"type": "text", "text": ""}, {"type": "text_delta", "text": "1"}),
    )  # fmt: skip
    whole = ({"type": "thinking", "thinking": "453 is 3·151", "signature": "EqQBCgIYAhIM1gbcDa9G"},
             {"type": "text", "text": "1"})  # fmt: skip
    return Exchange(
        answer(message(*whole, usage=usage)), named_events(*events(*blocks, usage=usage)), text="1",
        reasoning="453 is 3·151", usage=Usage(135, 40, cached_tokens=100, cache_write_tokens=10),
    )  # fmt: skip


def failing(kind, status, text="No."):
    return answer({"type": "error", "error": {"type": kind, "message": text}, "request_id": "req_1"}, status)


def broken(*kinds):
    """Streams that end with an error after some text."""
    begun = list(events(({"type": "text", "text": "H"},)))[:3]
    errors = [("error", {"type": "error", "error": {"type": kind, "message": "No."}}) for kind, _ in kinds]
    return [(named_events(*begun, error), wanted) for error, (_, wanted) in zip(errors, kinds, strict=True)]


class TestAnthropic(Conformance):
    kind = "anthropic"
    model = "claude-opus-4-6"
    exchanges = {
        "text": said("Hello", "! 🦊 Ça va?"),
        "tools": calling("Paris"),
        "parallel_tools": calling("Paris", "Rome"),
        "images": said("A single", " pixel."),
        "json_schema": said('{"answer"', ":42}"),
        "stop": said("one, two,", " ", reason="stop_sequence", sequence="five"),
        "long": said("one", reason="max_tokens", meaning="length"),
        "refusal": said("", reason="refusal", meaning="content_filter"),
        "thinking": thinking(),
    }
    errors = [
        (failing("invalid_request_error", 400, "messages: field required"), BadRequest),
        (failing("invalid_request_error", 400, "prompt is too long: 200040 tokens > 200000 maximum"), ContextTooLong),
        (failing("invalid_request_error", 400, "Your credit balance is too low to access the API."), ProviderRefused),
        (failing("authentication_error", 401, "invalid x-api-key"), ProviderRefused),
        (failing("permission_error", 403), ProviderRefused),
        (failing("not_found_error", 404, "model: claude-9"), ModelNotFound),
        (failing("request_too_large", 413, "Request exceeds the maximum size"), TooLarge),
        (failing("rate_limit_error", 429), UpstreamRateLimited),
        (failing("api_error", 500, "Internal server error"), ModelUnavailable),
        (failing("overloaded_error", 529, "Overloaded"), ModelUnavailable),
        (failing("timeout_error", 504), ModelTimeout),
        (Reply(b"<html>Bad gateway</html>", 502, "text/html"), ModelUnavailable),
    ]
    stream_errors = broken(
        ("overloaded_error", ModelUnavailable),
        ("rate_limit_error", UpstreamRateLimited),
        ("invalid_request_error", BadRequest),
    )
    without_schema = ("tools",)

    def check_credentials(self, sent):
        assert sent.headers["x-api-key"] == KEY
        assert "authorization" not in sent.headers
        assert sent.headers["anthropic-version"] == "2023-06-01"

    def check_request(self, case, sent):
        assert (sent.method, sent.path) == ("POST", "/v1/messages")
        body = sent.json
        assert (body["model"], body["max_tokens"]) == ("claude-opus-4-6", 128_000)
        match case:
            case "text":
                assert body["system"] == [{"type": "text", "text": "You are brief."}]
                assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Hello!"}]}]
            case "tools" | "parallel_tools":
                assert body["tools"][0]["input_schema"]["required"] == ["city"]
            case "images":
                source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
                assert body["messages"][0]["content"][1] == {"type": "image", "source": source}
            case "json_schema":
                assert body["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}
            case "stop":
                assert body["stop_sequences"] == ["five"]

    async def test_the_stop_sequence_is_told(self, server, chat):
        server.say(self.exchanges["stop"].whole)
        heard = await hear(chat, ask(stop=["five"]))
        assert heard.events[-2].stop_sequence == "five"

    async def test_thoughts_go_back_with_their_signature(self, server, chat):
        server.say(self.exchanges["thinking"].stream)
        heard = await hear(chat, ask(stream=True))
        blocks = [event.thinking_block for event in heard.events if getattr(event, "thinking_block", None)]
        await hear(chat, ask(Message("user", "?"), Message("assistant", "1", thinking_blocks=blocks), stream=True))
        assert server.last.json["messages"][1]["content"] == [
            {"type": "thinking", "thinking": "453 is 3·151", "signature": "EqQBCgIYAhIM1gbcDa9G"},
            {"type": "text", "text": "1"},
        ]

    async def test_the_wait_is_read_from_the_limits_that_are_used_up(self, server, chat):
        soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=30)
        late = soon + datetime.timedelta(hours=1)
        reply = failing("rate_limit_error", 429)
        reply.headers |= {
            "anthropic-ratelimit-requests-remaining": "0",
            "anthropic-ratelimit-requests-reset": soon.isoformat().replace("+00:00", "Z"),
            "anthropic-ratelimit-tokens-remaining": "5",
            "anthropic-ratelimit-tokens-reset": late.isoformat(),
        }
        server.say(reply)
        with pytest.raises(UpstreamRateLimited) as caught:
            await hear(chat, ask())
        assert 0 < caught.value.retry_after <= 30

    async def test_betas_of_the_caller_join_the_configured_ones(self, server, http):
        server.say(self.exchanges["text"].whole)
        provider = self.make(server, http, headers={"Anthropic-Beta": "a, b"}, api_version="2024-01-01")
        await hear(provider.chat_model(self.model), ask(betas=["b", "c"]))
        assert server.last.headers["anthropic-beta"] == "a,b,c"
        assert server.last.headers["anthropic-version"] == "2024-01-01"

    async def test_tokens_are_counted_by_the_provider(self, server, chat):
        server.say(answer({"input_tokens": 2095}))
        request = ask(max_tokens=5, temperature=0.5, stream=True, stop=["x"], user="anna")
        assert await chat.count_tokens(request) == 2095
        assert server.last.path == "/v1/messages/count_tokens"
        assert set(server.last.json) == {"model", "messages"}

    async def test_the_models_are_listed(self, server, http):
        server.say(answer({"data": [{"type": "model", "id": "claude-opus-4-6"}], "has_more": False}))
        assert await self.make(server, http).list_models() == ["claude-opus-4-6"]
        assert server.last.path == "/v1/models?limit=1000"

    async def test_the_address_may_be_given_with_or_without_the_version(self, server, http):
        server.say(self.exchanges["text"].whole)
        await hear(self.make(server, http, base_url=server.url + "/v1/").chat_model(self.model), ask())
        assert server.last.path == "/v1/messages"

    async def test_searches_are_counted(self, server, chat):
        usage = USAGE | {"server_tool_use": {"web_search_requests": 3}}
        server.say(answer(message({"type": "text", "text": "So."}, usage=usage)))
        completed = (await hear(chat, ask())).events[-1]
        assert isinstance(completed, Completed)
        assert completed.usage.searches == 3
