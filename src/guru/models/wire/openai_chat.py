"""OpenAI chat completions, both ways: request JSON to `ChatRequest` and back, events to chunks and back.

Spec: https://platform.openai.com/docs/api-reference/chat. What Guru adds stands under `"guru"`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from guru.errors import InvalidParameter
from guru.models.wire.fields import (
    JSON,
    NonEmpty,
    StreamOptions,
    convert,
    decode_object,
    logprob_token,
    require,
    rest,
    take,
    take_sampling,
    take_stream_options,
)
from guru.types import (
    ChatRequest,
    Cited,
    Completed,
    Delta,
    Event,
    Finished,
    FinishReason,
    Grounding,
    Message,
    Retrieved,
    Started,
    TokenLogprob,
    Tool,
    ToolCallDelta,
    TopLogprob,
    Unsupported,
    Usage,
)

__all__ = ["ChatEncoder", "ChunkDecoder", "StreamOptions", "decode_chat_request", "encode_chat_request", "usage_json"]

ANSWER_ONLY: Final = ("annotations", "audio", "function_call", "guru", "reasoning", "reasoning_content")
"""Members of an answer's message that clients send back with the history. They mean nothing in a request."""

FINISH_REASONS: Final[dict[str, FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}

# --------------------------------------------------------------------------- requests


def decode_chat_request(body: bytes) -> tuple[ChatRequest, StreamOptions]:
    """Read the body of `POST /v1/chat/completions`.

    Unknown fields travel in `extra`. Raises `InvalidParameter` with the place of the mistake in `param`.
    """
    raw = decode_object(body)
    options = take_stream_options(raw)
    longer = take(raw, "max_completion_tokens", Annotated[int, Meta(ge=1)])
    sampling = take_sampling(raw)
    if longer is not None:
        sampling["max_tokens"] = longer
    request = ChatRequest(
        model=require(raw, "model", NonEmpty),
        messages=_take_messages(raw),
        tools=take(raw, "tools", list[Tool], []),
        tool_choice=take(raw, "tool_choice", str | dict[str, Any]),
        parallel_tool_calls=take(raw, "parallel_tool_calls", bool),
        response_format=take(raw, "response_format", dict[str, Any]),
        metadata=take(raw, "metadata", dict[str, Any]),
        guru=take(raw, "guru", Grounding),
        logprobs=take(raw, "logprobs", bool, False),
        top_logprobs=take(raw, "top_logprobs", Annotated[int, Meta(ge=0, le=20)]),
        **sampling,
    )
    if request.top_logprobs is not None and not request.logprobs:
        raise InvalidParameter("`top_logprobs` needs `logprobs` to be true.", param="top_logprobs")
    _check_tool_choice(request)
    _check_response_format(request.response_format)
    request.extra = rest(raw)
    return request, options


def encode_chat_request(request: ChatRequest) -> JSON:
    """The JSON of a request: the reverse of `decode_chat_request`, without `guru`, which is not for models."""
    raw: JSON = msgspec.to_builtins(request)
    raw |= raw.pop("extra", {})
    raw.pop("guru", None)
    return raw


def _take_messages(raw: JSON) -> list[Message]:
    messages = require(raw, "messages", list[dict[str, Any]])
    if not messages:
        raise InvalidParameter("`messages` is empty.", param="messages", hint="Send at least one message.")
    kept = [{name: value for name, value in message.items() if name not in ANSWER_ONLY} for message in messages]
    decoded: list[Message] = convert(kept, list[Message], "messages")
    for index, message in enumerate(decoded):
        if message.role == "tool" and not message.tool_call_id:
            param = f"messages[{index}].tool_call_id"
            raise InvalidParameter(f"`{param}` is missing: it says which call this answers.", param=param)
        if message.content is None and message.role != "assistant":
            param = f"messages[{index}].content"
            raise InvalidParameter(f"`{param}` is missing.", param=param)
    return decoded


def _check_tool_choice(request: ChatRequest) -> None:
    choice, names = request.tool_choice, [tool.function.name for tool in request.tools]
    if choice is None:
        return
    if not request.tools and choice not in ("none", "auto"):
        raise InvalidParameter("`tool_choice` needs `tools`.", param="tool_choice")
    if isinstance(choice, str):
        if choice not in ("none", "auto", "required"):
            message = f"`tool_choice` is {choice!r}: it must be none, auto, required or a function."
            raise InvalidParameter(message, param="tool_choice")
        return
    function = choice.get("function")
    name = function.get("name") if choice.get("type") == "function" and isinstance(function, dict) else None
    if name not in names:
        message = f"`tool_choice` names the function {name!r}, which is not in `tools`."
        raise InvalidParameter(message, param="tool_choice", hint=f"Known: {', '.join(names)}.")


def _check_response_format(value: JSON | None) -> None:
    kind = "text" if value is None else value.get("type")
    if kind not in ("text", "json_object", "json_schema"):
        message = f"`response_format.type` is {kind!r}: it must be text, json_object or json_schema."
        raise InvalidParameter(message, param="response_format.type")
    if kind == "json_schema" and value is not None:
        schema = value.get("json_schema")
        if not isinstance(schema, dict) or not isinstance(schema.get("schema"), dict):
            message = "`response_format.json_schema.schema` is missing."
            raise InvalidParameter(message, param="response_format.json_schema.schema")


# --------------------------------------------------------------------------- events to JSON


class ChatEncoder:
    """Events to OpenAI's answers: `chunk` one by one for a stream, or `collect` for a whole answer."""

    def __init__(
        self,
        id: str,
        model: str,
        created: int,
        request: ChatRequest,
        *,
        include_usage: bool = False,
        trace_id: str = "",
    ) -> None:
        """`created` in Unix seconds; `include_usage` as in `StreamOptions`."""
        self._head = {"id": id, "created": created, "model": model}
        self._request = request
        self._include_usage = include_usage
        self._trace_id = trace_id
        self._begun: set[int] = set()

    def chunk(self, event: Event) -> JSON | None:
        """The `chat.completion.chunk` for one event, or None where OpenAI's stream has nothing to say."""
        match event:
            case Started(trace_id=trace_id):
                self._trace_id = trace_id or self._trace_id
                return None
            case Delta():
                return self._chunk([self._delta_choice(event)])
            case Finished(reason, index):
                return self._chunk([_choice(index, self._role(index), reason)])
            case Completed():
                return self._last_chunk(event)
            case _:
                return self._chunk([_choice(0, self._role(0))], guru=_guru_member(event))

    def collect(self, events: Iterable[Event]) -> JSON:
        """The `chat.completion` for all events of an answer."""
        choices: dict[int, _Choice] = {}
        guru: JSON = {}
        usage = Usage()
        for event in events:
            match event:
                case Started(trace_id=trace_id):
                    self._trace_id = trace_id or self._trace_id
                case Delta(index=index):
                    choices.setdefault(index, _Choice()).add(event)
                case Finished(reason, index):
                    choices.setdefault(index, _Choice()).reason = reason
                case Completed():
                    usage = event.usage
                    guru |= _outcome(event)
                case _:
                    for name, values in _guru_member(event).items():
                        guru.setdefault(name, []).extend(values)
        grounded = self._request.guru is not None or bool(guru)
        answer = self._head | {
            "object": "chat.completion",
            "choices": [choices[index].json(index) for index in sorted(choices)],
            "usage": usage_json(usage),
        }
        return answer | ({"guru": self._with_trace(guru)} if grounded else {})

    def _role(self, index: int) -> JSON:
        """The role opens the first delta of every choice."""
        if index in self._begun:
            return {}
        self._begun.add(index)
        return {"role": "assistant"}

    def _delta_choice(self, event: Delta) -> JSON:
        delta = self._role(event.index)
        if event.text or (delta and not event.tool_calls):
            delta["content"] = event.text
        if event.reasoning:
            delta["reasoning_content"] = event.reasoning
        if event.tool_calls:
            delta["tool_calls"] = [_tool_call_delta_json(call) for call in event.tool_calls]
        return _choice(event.index, delta, logprobs=_logprobs_json(event.logprobs))

    def _last_chunk(self, event: Completed) -> JSON | None:
        outcome = _outcome(event)
        guru = self._with_trace(outcome) if outcome or self._request.guru is not None else None
        if self._include_usage:
            return self._chunk([], guru=guru, usage=usage_json(event.usage))
        return self._chunk([_choice(0, self._role(0))], guru=guru) if guru else None

    def _chunk(self, choices: list[JSON], *, guru: JSON | None = None, usage: JSON | None = None) -> JSON:
        chunk = self._head | {"object": "chat.completion.chunk", "choices": choices}
        if self._include_usage:
            chunk["usage"] = usage
        return chunk | ({"guru": guru} if guru else {})

    def _with_trace(self, guru: JSON) -> JSON:
        return guru | ({"trace_id": self._trace_id} if self._trace_id else {})


class _Choice:
    """One choice of a whole answer, growing."""

    def __init__(self) -> None:
        self.reason: FinishReason | None = None
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, JSON] = {}
        self._logprobs: list[TokenLogprob] | None = None

    def add(self, delta: Delta) -> None:
        self._text.append(delta.text)
        self._reasoning.append(delta.reasoning)
        for part in delta.tool_calls:
            empty = {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
            call = self._calls.setdefault(part.index, empty)
            call["id"] = part.id or call["id"]
            call["function"]["name"] = part.name or call["function"]["name"]
            call["function"]["arguments"] += part.arguments
        if delta.logprobs is not None:
            self._logprobs = [*(self._logprobs or []), *delta.logprobs]

    def json(self, index: int) -> JSON:
        text, reasoning = "".join(self._text), "".join(self._reasoning)
        message: JSON = {"role": "assistant", "content": None if self._calls and not text else text, "refusal": None}
        if reasoning:
            message["reasoning_content"] = reasoning
        if self._calls:
            message["tool_calls"] = [self._calls[i] for i in sorted(self._calls)]
        logprobs = _logprobs_json(self._logprobs)
        return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": self.reason}


def usage_json(usage: Usage) -> JSON:
    """OpenAI's usage object."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def _choice(index: int, delta: JSON, reason: FinishReason | None = None, logprobs: JSON | None = None) -> JSON:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}


def _tool_call_delta_json(call: ToolCallDelta) -> JSON:
    function = ({"name": call.name} if call.name is not None else {}) | {"arguments": call.arguments}
    head = {"id": call.id, "type": "function"} if call.id is not None else {}
    return {"index": call.index, **head, "function": function}


def _logprobs_json(logprobs: list[TokenLogprob] | None) -> JSON | None:
    return None if logprobs is None else {"content": msgspec.to_builtins(logprobs), "refusal": None}


def _guru_member(event: Event) -> JSON:
    match event:
        case Retrieved(hits):
            return {"hits": msgspec.to_builtins(hits)}
        case Cited(citations):
            return {"citations": msgspec.to_builtins(citations)}
        case Unsupported(start, end):
            return {"unsupported": [{"start": start, "end": end}]}
        case _:
            return {}


def _outcome(event: Completed) -> JSON:
    members = {"outcome": event.outcome, "confidence": event.confidence}
    return {name: value for name, value in members.items() if value is not None}


# --------------------------------------------------------------------------- JSON to events


class ChunkDecoder:
    """A model's `chat.completion.chunk`s to events. Usage and llama.cpp's timings are kept for the end."""

    def __init__(self) -> None:
        self.usage = Usage()
        self.tokens_per_second: float | None = None

    def events(self, chunk: JSON) -> list[Event]:
        """What one chunk says: deltas and the end of choices."""
        self._keep_usage(chunk)
        events: list[Event] = []
        for choice in chunk.get("choices") or ():
            delta, index = choice.get("delta") or {}, choice.get("index", 0)
            event = Delta(
                index=index,
                text=delta.get("content") or "",
                reasoning=delta.get("reasoning_content") or delta.get("reasoning") or "",
                tool_calls=[_decode_tool_call(call) for call in delta.get("tool_calls") or ()],
                logprobs=decode_logprobs(choice.get("logprobs")),
            )
            if event.text or event.reasoning or event.tool_calls or event.logprobs:
                events.append(event)
            if reason := choice.get("finish_reason"):
                events.append(Finished(FINISH_REASONS.get(reason, "stop"), index))
        return events

    def _keep_usage(self, chunk: JSON) -> None:
        """llama.cpp sends one usage for each choice, OpenAI one for all: the prompt counts once."""
        if usage := chunk.get("usage"):
            prompt, completion = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
            if not self.usage.prompt_tokens:
                self.usage.prompt_tokens = usage.get("prompt_tokens") or 0
                self.usage.cached_tokens = prompt.get("cached_tokens") or 0
            self.usage.completion_tokens += usage.get("completion_tokens") or 0
            self.usage.reasoning_tokens += completion.get("reasoning_tokens") or 0
        if timings := chunk.get("timings"):
            self.tokens_per_second = timings.get("predicted_per_second")


def _decode_tool_call(call: JSON) -> ToolCallDelta:
    function = call.get("function") or {}
    arguments = function.get("arguments") or ""
    return ToolCallDelta(call.get("index", 0), call.get("id"), function.get("name"), arguments)


def decode_logprobs(logprobs: JSON | None) -> list[TokenLogprob] | None:
    """`{"content": [...]}`, as chat completions and llama.cpp's text completions have it."""
    if not logprobs or logprobs.get("content") is None:
        return None
    return [
        TokenLogprob(
            logprob_token(entry["token"], entry.get("bytes")), entry["logprob"], entry.get("bytes"),
            [TopLogprob(logprob_token(top["token"], top.get("bytes")), top["logprob"], top.get("bytes"))
             for top in entry.get("top_logprobs") or ()],
        )
        for entry in logprobs["content"]
    ]  # fmt: skip
