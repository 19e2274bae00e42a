"""Answers of Anthropic's Messages API, whole or as a stream, to events.

Spec: https://platform.claude.com/docs/en/build-with-claude/streaming. What has no place in our events travels in
`extra` under `"anthropic"`: blocks of tools that the provider ran, citations, members of the message.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from guru.errors import GuruError, StreamCut
from guru.models.providers.errors import error_for
from guru.models.wire.answers import count, read_answer
from guru.types import JSON, Completed, Delta, Event, Finished, FinishReason, ToolCallDelta, Usage

STOP_REASONS: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}

STATUSES: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""https://platform.claude.com/docs/en/api/errors. An error inside a stream has no status of its own."""

API: Final = "Anthropic's API"
MESSAGE_MEMBERS: Final = ("id", "container", "diagnostics", "stop_details")
USAGE_MEMBERS: Final = ("service_tier", "inference_geo", "speed")
OUR_CALL: Final = {"type", "id", "name", "input"}


class _Block(Struct):
    """A block of content that is not finished yet."""

    raw: JSON
    call: int | None = None
    """The number of the tool call, counted from 0."""
    arguments: str = ""
    signature: str = ""
    thinking: str = ""


class AnswerDecoder:
    """One answer: `feed` for each event of a stream and then `end`, or `whole`."""

    def __init__(self, provider: str, model: str) -> None:
        """`provider` as the configuration calls it, `model` as `provider/model`."""
        self.done = False
        self.usage = Usage()
        self._provider = provider
        self._model = model
        self._blocks: dict[int, _Block] = {}
        self._calls = 0
        self._after_text = False
        self._finish: Finished | None = None
        self._members: JSON = {}

    def feed(self, data: bytes) -> list[Event]:
        """The events of one `data:` of the stream. Raises `StreamCut` for garbage, and the provider's error."""
        return read_answer(data, self._event, self._provider, API)

    def whole(self, body: bytes) -> list[Event]:
        """The events of an answer that was not streamed. Raises as `feed`."""
        return read_answer(body, self._message, self._provider, API)

    def end(self) -> list[Event]:
        """After the last byte of a stream. Raises `StreamCut` when the answer had not come to its end."""
        if not self.done:
            raise StreamCut(f"{self._provider} ended its answer in the middle.", hint="Try again.")
        return []

    def so_far(self) -> Completed:
        """The last event, if the answer ended here. The prompt is counted from the beginning, the answer at its end."""
        extra = {"anthropic": self._members} if self._members else {}
        return Completed(model=self._model, usage=self.usage, extra=extra)

    def _message(self, raw: JSON) -> list[Event]:
        if raw.get("type") == "error":
            raise stream_error(self._provider, raw)
        events = self._start(raw)
        for index, block in enumerate(raw["content"]):
            events += self._open(index, block)
            events += self._close(index)
        return events + self._message_delta(raw) + self._stop()

    # ------------------------------------------------------------------- the stream

    def _event(self, raw: JSON) -> list[Event]:
        if self.done:
            return []  # nothing belongs to an answer that has ended
        match raw["type"]:
            case "content_block_delta":
                return self._delta(raw["index"], raw["delta"])
            case "content_block_start":
                return self._open(raw["index"], raw["content_block"])
            case "content_block_stop":
                return self._close(raw["index"])
            case "message_start":
                return self._start(raw["message"])
            case "message_delta":
                return self._message_delta({"usage": raw.get("usage"), **raw["delta"]})
            case "message_stop":
                return self._stop()
            case "error":
                raise stream_error(self._provider, raw)
            case _:  # ping, and kinds that may come: "you should handle unknown event types gracefully"
                return []

    def _start(self, message: JSON) -> list[Event]:
        self._keep(message)
        return []

    def _keep(self, message: JSON) -> None:
        for name in MESSAGE_MEMBERS:
            if message.get(name) is not None:
                self._members[name] = message[name]
        usage = message.get("usage") or {}
        read_usage(self.usage, usage)
        for name in USAGE_MEMBERS:
            if usage.get(name) is not None:
                self._members.setdefault("usage", {})[name] = usage[name]

    def _open(self, index: int, raw: JSON) -> list[Event]:
        block = self._blocks[index] = _Block(raw)
        after_text, self._after_text = self._after_text, raw["type"] == "text"
        match raw["type"]:
            case "text":
                # A second text in a row is its own block because it has its own citations.
                opened = [self._extra({"new_block": "text"})] if after_text else []
                said = [Delta(text=raw["text"])] if raw.get("text") else []
                cited = [self._citation(citation) for citation in raw.get("citations") or ()]
                return [*opened, *said, *cited]
            case "thinking":
                block.thinking, block.signature = raw.get("thinking") or "", raw.get("signature") or ""
                return [Delta(reasoning=block.thinking)] if block.thinking else []
            case "tool_use":
                block.call, self._calls = self._calls, self._calls + 1
                rest = {name: value for name, value in raw.items() if name not in OUR_CALL and value is not None}
                if rest.get("caller") == {"type": "direct"}:
                    del rest["caller"]
                call = ToolCallDelta(block.call, raw["id"], raw["name"])
                return [Delta(tool_calls=[call], extra={"anthropic": {"tool_use": rest}} if rest else {})]
            case _:
                return []

    def _delta(self, index: int, delta: JSON) -> list[Event]:
        kind = delta["type"]
        if kind == "text_delta":
            return [Delta(text=delta["text"])]
        block = self._blocks[index]
        match kind:
            case "input_json_delta":
                block.arguments += delta["partial_json"]
                if block.call is None or not delta["partial_json"]:
                    return []
                return [Delta(tool_calls=[ToolCallDelta(block.call, arguments=delta["partial_json"])])]
            case "thinking_delta":
                block.thinking += delta["thinking"]
                return [Delta(reasoning=delta["thinking"])]
            case "signature_delta":
                block.signature += delta["signature"]
            case "citations_delta":
                return [self._citation(delta["citation"])]
            case _:
                for name, value in delta.items():
                    if name != "type":
                        before = block.raw.get(name)
                        joined = isinstance(before, str) and isinstance(value, str)
                        block.raw[name] = before + value if joined else value
        return []

    def _close(self, index: int) -> list[Event]:
        block = self._blocks.pop(index)
        match block.raw["type"]:
            case "text":
                return []
            case "thinking":
                finished = {"type": "thinking", "thinking": block.thinking, "signature": block.signature}
                return [Delta(thinking_block=finished)] if block.signature else []
            case "redacted_thinking":
                return [Delta(thinking_block=block.raw)]
            case "tool_use":
                if block.arguments:
                    return []
                # A call without parameters is streamed as nothing at all; JSON has a word for that.
                arguments = msgspec.json.encode(block.raw.get("input") or {}).decode()
                return [Delta(tool_calls=[ToolCallDelta(block.call or 0, arguments=arguments)])]
            case _:
                if block.arguments:
                    block.raw["input"] = msgspec.json.decode(block.arguments)
                return [self._extra({"content_block": block.raw})]

    def _message_delta(self, delta: JSON) -> list[Event]:
        self._keep(delta)
        reason = delta.get("stop_reason")
        if reason is None or self._finish is not None:
            return []
        self._finish = Finished(
            STOP_REASONS.get(reason, "stop"), stop_sequence=delta.get("stop_sequence"), native=str(reason)
        )
        return [self._finish]

    def _stop(self) -> list[Event]:
        if self.done:
            return []
        if self._finish is None:
            raise StreamCut(f"{self._provider} ended its answer without a reason.", hint="Try again.")
        self.done = True
        return [self.so_far()]

    # ------------------------------------------------------------------- pieces

    def _extra(self, member: JSON) -> Delta:
        return Delta(extra={"anthropic": member})

    def _citation(self, citation: JSON) -> Delta:
        """As it came, and where it is an address in OpenAI's form too."""
        extra: JSON = {"anthropic": {"citation": citation}}
        if citation.get("type") == "web_search_result_location":
            address = {"url": citation.get("url"), "title": citation.get("title")}
            extra["annotations"] = [{"type": "url_citation", "url_citation": address}]
        return Delta(extra=extra)


def read_usage(usage: Usage, raw: JSON) -> None:
    """Take over the counts that `raw` has. In a stream they are totals, so that later ones replace earlier ones."""
    fresh = usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens
    fresh = _count(raw, "input_tokens", fresh)
    usage.cached_tokens = _count(raw, "cache_read_input_tokens", usage.cached_tokens)
    usage.cache_write_tokens = _count(raw, "cache_creation_input_tokens", usage.cache_write_tokens)
    usage.prompt_tokens = fresh + usage.cached_tokens + usage.cache_write_tokens
    usage.completion_tokens = _count(raw, "output_tokens", usage.completion_tokens)
    details = raw.get("output_tokens_details") or {}
    usage.reasoning_tokens = _count(details, "thinking_tokens", usage.reasoning_tokens)
    written = raw.get("cache_creation") or {}
    usage.cache_write_1h_tokens = _count(written, "ephemeral_1h_input_tokens", usage.cache_write_1h_tokens)
    usage.searches = _count(raw.get("server_tool_use") or {}, "web_search_requests", usage.searches)


def _count(raw: JSON, name: str, otherwise: int) -> int:
    value: Any = raw.get(name)
    return otherwise if value is None else count(value)


def stream_error(provider: str, raw: JSON) -> GuruError:
    """Our error for `{"type": "error", "error": {"type", "message"}}`."""
    error = raw.get("error")
    error = error if isinstance(error, dict) else {}
    kind = str(error.get("type") or "api_error")
    return error_of(provider, STATUSES.get(kind, 500), kind, str(error.get("message") or kind))


def error_of(provider: str, status: int, kind: str, message: str, wait: float | None = None) -> GuruError:
    """Our error for one of Anthropic's kinds."""
    if "credit balance" in message:
        status = 402  # it comes as a bad request, which the caller cannot mend
    return error_for(provider, status, message, code=kind, retry_after=wait)
