"""The suite for providers that follow OpenAI, with the answers of OpenAI's own reference.

https://platform.openai.com/docs/api-reference/chat/create and .../chat-streaming. A provider's tests replace what its
own documentation shows differently.
"""

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
from guru.models.providers.errors import ContentFiltered
from guru.types import Usage
from models.providers.conformance import PIXEL, SCHEMA, Conformance, Exchange
from models.providers.replay import Reply, answer, event_stream

HEAD = {"id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT", "created": 1741569952, "model": "gpt-4.1-2025-04-14"}
TAIL = {"service_tier": "default", "system_fingerprint": "fp_44709d6fcb"}
DETAILS = {
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
    },
}  # fmt: skip


def usage(prompt, completion, **more):
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return counts | (more or DETAILS)


def whole(message, reason="stop", counts=None, **more):
    """A `chat.completion` with one choice."""
    message = {"role": "assistant", "content": None, "refusal": None, "annotations": [], **message}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    counts = counts or usage(19, 10)
    return answer({**HEAD, "object": "chat.completion", "choices": [choice], "usage": counts, **TAIL, **more})


def chunk(delta, reason=None, **more):
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    return {**HEAD, "object": "chat.completion.chunk", **TAIL, "choices": [choice], "usage": None, **more}


def usage_chunk(counts=None):
    return {
        **HEAD, "object": "chat.completion.chunk", **TAIL, "choices": [], "usage": counts or usage(19, 10),
    }  # fmt: skip


def stream(*deltas, reason="stop", counts=None):
    """The chunks of an answer, and its usage at the end."""
    first = {"role": "assistant", "content": "", "refusal": None}
    return event_stream(chunk(first), *(chunk(delta) for delta in deltas), chunk({}, reason), usage_chunk(counts))


def said(*pieces, reason="stop", counts=None):
    """Both forms of a text, as an `Exchange`."""
    text = "".join(pieces)
    return Exchange(
        whole({"content": text}, reason, counts), stream(*({"content": piece} for piece in pieces), reason=reason,
        counts=counts), text=text, usage=Usage(19, 10),
    )  # fmt: skip


def call(number, id, name=None, arguments=""):
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return {"index": number, **({"id": id, "type": "function"} if id else {}), "function": function}


ONE = {"id": "call_abc123", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}}
TWO = {"id": "call_def456", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Rome"}'}}

EXCHANGES = {
    "text": said("Hello", "! How can I", " assist you", " today? 🦊"),
    "tools": Exchange(
        whole({"tool_calls": [ONE]}, "tool_calls"),
        stream(
            {"tool_calls": [call(0, "call_abc123", "get_weather")]},
            {"tool_calls": [call(0, None, None, '{"ci')]},
            {"tool_calls": [call(0, None, None, 'ty":"Paris"}')]},
            reason="tool_calls",
        ),
        calls=[("get_weather", {"city": "Paris"})], usage=Usage(19, 10), reason="tool_calls",
    ),
    "parallel_tools": Exchange(
        whole({"tool_calls": [ONE, TWO]}, "tool_calls"),
        stream(
            {"tool_calls": [call(0, "call_abc123", "get_weather")]},
            {"tool_calls": [call(0, None, None, '{"city":"Paris"}')]},
            {"tool_calls": [call(1, "call_def456", "get_weather")]},
            {"tool_calls": [call(1, None, None, '{"city":"Rome"}')]},
            reason="tool_calls",
        ),
        calls=[("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Rome"})], usage=Usage(19, 10),
        reason="tool_calls",
    ),
    "images": said("A single", " pixel."),
    "json_schema": said('{"answer"', ":42}"),
    "stop": said("one, two, three, ", "four, "),
}  # fmt: skip


def error(status, message, type="invalid_request_error", param=None, code=None):
    return answer({"error": {"message": message, "type": type, "param": param, "code": code}}, status)


ERRORS = [
    (error(400, "Invalid 'temperature': must be at most 2.", param="temperature", code="decimal_above_max_value"),
     BadRequest),
    (error(400, "This model's maximum context length is 128000 tokens. However, your messages resulted in 150012 "
           "tokens.", param="messages", code="context_length_exceeded"), ContextTooLong),
    (error(400, "Your request was rejected by our safety system.", code="content_policy_violation"), ContentFiltered),
    (error(401, "Incorrect API key provided: sk-te***.", code="invalid_api_key"), ProviderRefused),
    (error(403, "Country, region, or territory not supported", "request_forbidden",
           code="unsupported_country_region_territory"), ProviderRefused),
    (error(404, "The model `gpt-9` does not exist or you do not have access to it.", code="model_not_found"),
     ModelNotFound),
    (error(413, "Request too large.", code="request_too_large"), TooLarge),
    (error(429, "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM).", "tokens",
           code="rate_limit_exceeded"), UpstreamRateLimited),
    (error(429, "You exceeded your current quota, please check your plan and billing details.", "insufficient_quota",
           code="insufficient_quota"), ProviderRefused),
    (error(500, "The server had an error while processing your request.", "server_error"), ModelUnavailable),
    (Reply(b"<html><head><title>502 Bad Gateway</title></head></html>", 502, "text/html"), ModelUnavailable),
    (error(503, "The engine is currently overloaded, please try again later", "server_error"), ModelUnavailable),
    (Reply(b"upstream request timeout", 504, "text/plain"), ModelTimeout),
]  # fmt: skip


def failing(error):
    """A stream that begins well and ends in an error."""
    return event_stream(chunk({"role": "assistant", "content": "Hel"}), {"error": error}, done=False)


STREAM_ERRORS = [
    (failing({"message": "The server had an error.", "type": "server_error", "param": None, "code": None}),
     ModelUnavailable),
    (failing({"message": "Rate limit reached.", "type": "tokens", "code": "rate_limit_exceeded"}),
     UpstreamRateLimited),
    (failing({"message": "Overloaded", "code": 503}), ModelUnavailable),
    (failing({"message": "Bad.", "type": "BadRequestError", "code": 400}), BadRequest),
]  # fmt: skip


class OpenAISuite(Conformance):
    """For a provider that follows OpenAI."""

    base_path = "/v1"
    exchanges = EXCHANGES
    errors = ERRORS
    stream_errors = STREAM_ERRORS
    chat_path = "/v1/chat/completions"
    asks_usage = True
    """Whether `stream_options` are sent."""

    def check_request(self, case, sent):
        assert (sent.method, sent.path) == ("POST", self.chat_path)
        assert sent.headers["content-type"] == "application/json"
        body = sent.json
        assert body["model"] == self.model
        assert "guru" not in body
        assert body.get("stream_options") == ({"include_usage": True} if "stream" in body and self.asks_usage else None)
        self.check_body(case, body)

    def check_body(self, case, body):
        first = body["messages"][0]
        match case:
            case "text":
                assert body["messages"] == [
                    {"role": "system", "content": "You are brief."}, {"role": "user", "content": "Hello!"},
                ]  # fmt: skip
            case "tools" | "parallel_tools":
                (tool,) = body["tools"]
                assert tool["type"] == "function"
                assert tool["function"]["name"] == "get_weather"
                assert tool["function"]["parameters"]["required"] == ["city"]
            case "images":
                assert first["content"] == [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
                ]
            case "json_schema":
                assert body["response_format"]["json_schema"]["schema"] == SCHEMA
            case "stop":
                assert body["stop"] == ["five"]
