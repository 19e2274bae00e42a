"""OpenAI chat completions as they come in: request JSON to `ChatRequest` and back, and llama.cpp's chunks to events.

Spec: https://platform.openai.com/docs/api-reference/chat. What Guru adds stands under `"guru"`. Answers are written by
`openai_encoder.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, field

from guru.errors import InvalidParameter
from guru.models.wire.fields import (
    JSON,
    Bias,
    Choices,
    NonEmpty,
    Penalty,
    Repeat,
    Share,
    StreamOptions,
    Temperature,
    Tokens,
    TopK,
    Typical,
    convert,
    decode_object,
    require,
    rest,
    take,
    take_sampling,
    take_stream_options,
)
from guru.models.wire.openai_answer import FINISH_REASONS, decode_logprobs
from guru.models.wire.openai_usage import usage_json
from guru.types import (
    ChatRequest,
    Delta,
    Event,
    Finished,
    Grounding,
    Message,
    NativePart,
    NativeTool,
    Tool,
    ToolCallDelta,
    Usage,
)

__all__ = ["ChunkDecoder", "StreamOptions", "decode_chat_request", "encode_chat_request", "usage_json"]

ANSWER_ONLY: Final = frozenset({"annotations", "guru", "upstream", "content_parts"})
"""Members of an answer's message that clients send back with the history. They mean nothing in a request."""
MEMBERS: Final = frozenset(field.name for field in msgspec.structs.fields(Message)) - {"extra"}

TopLogprobs = Annotated[int, Meta(ge=0, le=20)]

# --------------------------------------------------------------------------- requests


class Body(ChatRequest, kw_only=True, forbid_unknown_fields=True):
    """A request of which nothing is unknown, which is nearly every one: read in one go."""

    model: NonEmpty
    temperature: Temperature | None = None
    top_p: Share | None = None
    top_k: TopK | None = None
    min_p: Share | None = None
    typical_p: Typical | None = None
    repeat_penalty: Repeat | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: Bias | None = None
    max_tokens: Tokens | None = None
    n: Choices = 1
    top_logprobs: TopLogprobs | None = None
    stop: list[NonEmpty] | NonEmpty = field(default_factory=list)  # type: ignore[assignment]
    max_completion_tokens: Tokens | None = None
    stream_options: StreamOptions | None = None


_read = msgspec.json.Decoder(Body).decode
FIELDS: Final = frozenset(known.name for known in msgspec.structs.fields(Body)) - {"extra", "native_tools", "betas"}
"""What a caller may send."""


def decode_chat_request(body: bytes) -> tuple[ChatRequest, StreamOptions]:
    """Read the body of `POST /v1/chat/completions`.

    Unknown fields travel in `extra`. Raises `InvalidParameter` with the place of the mistake in `param`.
    """
    try:
        request = _read(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        request = None
    # What is Guru's own, and not a member of the API, only looks known: it is unknown to a caller too.
    if request is None or request.extra or request.native_tools or request.betas:
        request = _read_with_extra(body)
    if request is None:
        return _decode_carefully(body)
    options = request.stream_options
    if options is not None and (options.stream or not request.stream):
        return _decode_carefully(body)
    for message in request.messages:
        if (message.extra or type(message.content) is list) and _is_foreign(message):
            return _decode_carefully(body)
    return _finish(request, options)


def _read_with_extra(body: bytes) -> Body | None:
    """The request and its unknown fields; None where more is uncommon than those."""
    raw = decode_object(body)
    try:
        known = {name: value for name, value in raw.items() if name in FIELDS and value is not None}
        request: Body = msgspec.convert(known, Body)
    except msgspec.ValidationError:
        return None
    request.extra = {name: value for name, value in raw.items() if name not in FIELDS and value is not None}
    return request


def _finish(request: Body, options: StreamOptions | None) -> tuple[ChatRequest, StreamOptions]:
    """What a request says in more than one way is said in one, and what contradicts itself is refused."""
    include_usage = options is not None and options.include_usage
    request.stream_options = None
    if request.max_completion_tokens is not None:
        request.max_tokens = request.max_completion_tokens
        request.max_completion_tokens = None
    if type(request.stop) is str:
        request.stop = [request.stop]
    if request.messages or request.guru is None or request.guru.prompt is None:  # a prompt has messages of its own
        _check_messages(request.messages)
    if request.top_logprobs is not None and not request.logprobs:
        raise InvalidParameter("`top_logprobs` needs `logprobs` to be true.", param="top_logprobs")
    if request.tool_choice is not None:
        _check_tool_choice(request)
    if request.response_format is not None:
        _check_response_format(request.response_format)
    return request, StreamOptions(request.stream, include_usage)


def _decode_carefully(body: bytes) -> tuple[ChatRequest, StreamOptions]:
    """Field by field: keeps what is unknown, and knows where the mistake is."""
    raw = decode_object(body)
    options = take_stream_options(raw)
    longer = take(raw, "max_completion_tokens", Tokens)
    sampling = take_sampling(raw)
    if longer is not None:
        sampling["max_tokens"] = longer
    tools, native = _take_tools(raw)
    request = Body(
        model=require(raw, "model", NonEmpty),
        messages=_take_messages(raw),
        tools=tools,
        native_tools=native,
        tool_choice=take(raw, "tool_choice", str | dict[str, Any]),
        parallel_tool_calls=take(raw, "parallel_tool_calls", bool),
        response_format=take(raw, "response_format", dict[str, Any]),
        reasoning_effort=take(raw, "reasoning_effort", str),
        thinking=take(raw, "thinking", dict[str, Any]),
        metadata=take(raw, "metadata", dict[str, Any]),
        guru=take(raw, "guru", Grounding),
        logprobs=take(raw, "logprobs", bool, False),
        top_logprobs=take(raw, "top_logprobs", TopLogprobs),
        stream=options.stream,
        **sampling,
    )
    request.extra = rest(raw)
    return _finish(request, options)


def encode_chat_request(request: ChatRequest) -> JSON:
    """The JSON of a request: the reverse of `decode_chat_request`, without `guru`, which is not for models."""
    raw: JSON = msgspec.to_builtins(request)
    raw |= raw.pop("extra", {})
    for message in raw["messages"]:
        message |= message.pop("extra", {})
    native = [tool["tool"] for tool in raw.pop("native_tools", []) if tool["format"] == "openai"]
    if native:
        raw["tools"] = [*raw.get("tools", []), *native]
    raw.pop("guru", None)
    raw.pop("betas", None)
    return raw


def _take_messages(raw: JSON) -> list[Message]:
    messages = require(raw, "messages", list[dict[str, Any]])
    decoded: list[Message] = convert([_known(message) for message in messages], list[Message], "messages")
    for place, (message, given) in enumerate(zip(decoded, messages, strict=True)):
        for index, part in enumerate(message.content if isinstance(message.content, list) else ()):
            if isinstance(part, NativePart):
                param = f"messages[{place}].content[{index}].type"
                raise InvalidParameter(f"`{param}` is unknown.", param=param, hint="Leave the part out.")
        message.extra = {
            name: value for name, value in given.items()
            if name not in MEMBERS and name not in ANSWER_ONLY and name not in OLDER and value is not None
        }  # fmt: skip
        if isinstance(given.get("audio"), dict):  # of what was said, the history needs the number alone
            message.extra["audio"] = {"id": given["audio"].get("id")}
    return decoded


OLDER: Final = frozenset({"function_call", "reasoning"})


def _known(given: JSON) -> JSON:
    """The members of a message that we know, the older forms in the words of today."""
    message = {name: value for name, value in given.items() if name in MEMBERS}
    if isinstance(given.get("reasoning"), str) and message.get("reasoning_content") is None:
        message["reasoning_content"] = given["reasoning"] or None
    if isinstance(call := given.get("function_call"), dict) and not message.get("tool_calls"):
        message["tool_calls"] = [{"id": f"call_{call.get('name')}", "type": "function", "function": call}]
    if given.get("role") == "function":
        message |= {"role": "tool", "tool_call_id": f"call_{given.get('name')}"}
    return message


def _take_tools(raw: JSON) -> tuple[list[Tool], list[NativeTool]]:
    """Functions, and tools that the provider runs itself, in their own shape."""
    tools: list[Tool] = []
    native: list[NativeTool] = []
    for place, tool in enumerate(take(raw, "tools", list[dict[str, Any]], [])):
        if tool.get("type", "function") == "function":
            tools.append(convert({"type": "function", **tool}, Tool, f"tools[{place}]"))
        elif isinstance(tool["type"], str):
            native.append(NativeTool("openai", tool))
        else:
            raise InvalidParameter(f"`tools[{place}].type` must be a text.", param=f"tools[{place}].type")
    return tools, native


def _is_foreign(message: Message) -> bool:
    return bool(message.extra) or any(isinstance(part, NativePart) for part in message.content or ())


def _check_messages(messages: list[Message]) -> None:
    if not messages:
        raise InvalidParameter("`messages` is empty.", param="messages", hint="Send at least one message.")
    for index, message in enumerate(messages):
        role = message.role
        if role == "tool" and not message.tool_call_id:
            param = f"messages[{index}].tool_call_id"
            raise InvalidParameter(f"`{param}` is missing: it says which call this answers.", param=param)
        if message.content is None and role != "assistant":
            param = f"messages[{index}].content"
            raise InvalidParameter(f"`{param}` is missing.", param=param)


def _check_tool_choice(request: ChatRequest) -> None:
    choice, names = request.tool_choice, [tool.function.name for tool in request.tools]
    if not request.tools and not request.native_tools and choice not in ("none", "auto"):
        raise InvalidParameter("`tool_choice` needs `tools`.", param="tool_choice")
    if isinstance(choice, str):
        if choice not in ("none", "auto", "required"):
            message = f"`tool_choice` is {choice!r}: it must be none, auto, required or a function."
            raise InvalidParameter(message, param="tool_choice")
        return
    if choice is None or choice.get("type") not in (None, "function"):
        return  # of the provider's own, such as `allowed_tools`
    function = choice.get("function")
    name = function.get("name") if choice.get("type") == "function" and isinstance(function, dict) else None
    if name not in names:
        message = f"`tool_choice` names the function {name!r}, which is not in `tools`."
        raise InvalidParameter(message, param="tool_choice", hint=f"Known: {', '.join(names)}.")


def _check_response_format(value: JSON) -> None:
    kind = value.get("type")
    if kind not in ("text", "json_object", "json_schema"):
        message = f"`response_format.type` is {kind!r}: it must be text, json_object or json_schema."
        raise InvalidParameter(message, param="response_format.type")
    if kind == "json_schema":
        schema = value.get("json_schema")
        if not isinstance(schema, dict) or not isinstance(schema.get("schema"), dict):
            message = "`response_format.json_schema.schema` is missing."
            raise InvalidParameter(message, param="response_format.json_schema.schema")


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
