"""Requests to providers that speak OpenAI's chat completions, with the ways in which they differ from it.

Spec: https://platform.openai.com/docs/api-reference/chat/create.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct

from guru.errors import InvalidParameter
from guru.types import (
    JSON,
    ChatRequest,
    FilePart,
    ImagePart,
    Message,
    NativePart,
    RefusalPart,
    Sampling,
    TextPart,
    TextRequest,
    Tool,
)

__all__ = ["Dialect", "effort_of", "encode_chat", "encode_text"]

Shape = tuple[Callable[..., Struct], Callable[[Sampling], tuple[Any, ...]]]


def _shape(*names: str) -> Shape:
    """Fields as a struct that is encoded without those that are None, and how to read them from a request."""
    fields = [(name, Any, None) for name in names]
    return msgspec.defstruct("Given", fields, omit_defaults=True), attrgetter(*names)


FIELDS: Final = (
    "temperature", "top_p", "top_k", "min_p", "typical_p", "repeat_penalty", "presence_penalty", "frequency_penalty",
    "logit_bias", "seed", "user", "max_tokens",
)  # fmt: skip
"""Fields of `Sampling` that go over as they are, or under another name. None is left out."""
SHARED: Final = _shape(*FIELDS)
CHAT: Final = _shape(
    *FIELDS, "top_logprobs", "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort", "metadata"
)
_rare = attrgetter("tool_calls", "reasoning_content", "thinking_blocks", "is_error", "extra")
PLAIN: Final[tuple[Any, ...]] = (None, None, None, None, {})
"""Of a message that goes over as it is."""

LOW_UNDER: Final = 4_096
MEDIUM_UNDER: Final = 16_384
"""Tokens of a budget for thinking, under which it counts as little or as a middling effort."""


class Dialect(Struct, frozen=True, kw_only=True):
    """How a provider differs from OpenAI. What it does not take at all is in its table of parameters."""

    who: str = "OpenAI"
    """In errors."""
    names: Mapping[str, str] = {}
    """Fields of `ChatRequest` to the provider's names for them."""
    unsent: frozenset[str] = frozenset()
    """Fields that it does not have, and on which no answer depends."""
    developer: bool = True
    """Whether it knows the role `developer`; otherwise it is sent as `system`."""
    reasoning: str | None = None
    """The member of a message in which earlier reasoning goes back; None: it stays here."""
    cache_control: bool = False
    """Whether it takes Anthropic's marks for the prompt cache; otherwise they are left out: they change no answer."""
    file_url: bool = False
    """Whether a file may be an address, given as `file_data`."""
    tool_images: bool = False
    """Whether a tool's result may hold pictures; otherwise they follow in a message of the user's."""
    stream_usage: bool = True
    """Whether `stream_options.include_usage` must be asked for."""


def encode_chat(request: ChatRequest, model: str, dialect: Dialect) -> JSON:
    """The body. `model` as the provider calls it. Its values may be structs: encode it with msgspec.

    Raises `InvalidParameter` for what chat completions cannot say.
    """
    body: JSON = {"model": model, "messages": encode_messages(request.messages, dialect)}
    _sampling(body, request, dialect, CHAT)
    if request.logprobs:
        body["logprobs"] = True
    if request.tools or request.native_tools:
        body["tools"] = _tools(request, dialect)
    if request.thinking is not None and request.reasoning_effort is None and (effort := effort_of(request.thinking)):
        body[dialect.names.get("reasoning_effort", "reasoning_effort")] = effort
    if request.extra:
        body |= request.extra
    return body


def encode_text(request: TextRequest, model: str, dialect: Dialect) -> JSON:
    """The body of a text completion, for providers that still have them."""
    body: JSON = {"model": model, "prompt": request.prompt}
    _sampling(body, request, dialect, SHARED)
    if request.logprobs:
        body["logprobs"] = request.top_logprobs or 0
    if request.suffix is not None:
        body["suffix"] = request.suffix
    if request.echo:
        body["echo"] = True
    return body | request.extra


def effort_of(thinking: JSON) -> str | None:
    """The `reasoning_effort` for Anthropic's `thinking`; None leaves it to the model."""
    budget = thinking.get("budget_tokens")
    if thinking.get("type") != "enabled" or not isinstance(budget, int):
        return None
    return "low" if budget < LOW_UNDER else "medium" if budget < MEDIUM_UNDER else "high"


def _sampling(body: JSON, request: Sampling, dialect: Dialect, shape: Shape) -> None:
    make, read = shape
    given: JSON = msgspec.to_builtins(make(*read(request)))  # without what is None
    for name in dialect.unsent & given.keys():
        del given[name]
    for name in dialect.names.keys() & given.keys():
        given[dialect.names[name]] = given.pop(name)
    body |= given
    if request.stop:
        body["stop"] = request.stop
    if request.n != 1:
        body[dialect.names.get("n", "n")] = request.n
    if request.stream:
        body["stream"] = True
        if dialect.stream_usage:
            # Without it a stream ends without its usage, and what it cost could only be guessed.
            body["stream_options"] = {"include_usage": True}


# --------------------------------------------------------------------------- messages


def encode_messages(messages: list[Message], dialect: Dialect) -> list[Any]:
    """The messages, as they are where nothing in them is foreign to the provider."""
    encoded: list[Any] = []
    pictures: list[JSON] = []
    for place, message in enumerate(messages):
        if pictures and message.role != "tool":
            encoded.append({"role": "user", "content": pictures})
            pictures = []
        if _is_plain(message, dialect):
            encoded.append(message)
            continue
        raw = _message(message, f"messages[{place}]", dialect)
        if message.role == "tool" and isinstance(message.content, list) and not dialect.tool_images:
            pictures += _take_pictures(raw, message)
        encoded.append(raw)
    if pictures:
        encoded.append({"role": "user", "content": pictures})
    return encoded


def _is_plain(message: Message, dialect: Dialect) -> bool:
    return (
        (type(message.content) is str or message.content is None)
        and _rare(message) == PLAIN
        and (message.role != "developer" or dialect.developer)
    )


def _message(message: Message, path: str, dialect: Dialect) -> JSON:
    raw: JSON = {"role": "system" if message.role == "developer" and not dialect.developer else message.role}
    if isinstance(message.content, list):
        raw["content"] = [
            _part(part, f"{path}.content[{place}]", dialect) for place, part in enumerate(message.content)
        ]
    elif message.content is not None or message.tool_calls:
        raw["content"] = message.content
    for name in ("name", "tool_call_id", "refusal"):
        if (value := getattr(message, name)) is not None:
            raw[name] = value
    if message.tool_calls is not None:
        raw["tool_calls"] = [
            call if call.cache_control is UNSET or dialect.cache_control
            else {"id": call.id, "type": call.type, "function": call.function}
            for call in message.tool_calls
        ]  # fmt: skip
    if message.reasoning_content is not None and dialect.reasoning is not None:
        raw[dialect.reasoning] = message.reasoning_content
    return raw | message.extra


def _part(part: Any, path: str, dialect: Dialect) -> Any:
    if isinstance(part, NativePart):
        if part.text is None:
            hint = f"Leave it out, or use the provider that wrote it: {part.format}."
            raise InvalidParameter(f"`{path}` means nothing to {dialect.who}.", param=path, hint=hint)
        return TextPart(part.text)
    if isinstance(part, FilePart) and "file_url" in part.file:
        if not dialect.file_url:
            hint = "Send the file itself, as `file_data`."
            raise InvalidParameter(f"`{path}`: {dialect.who} takes no address of a file.", param=path, hint=hint)
        file = {name: value for name, value in part.file.items() if name != "file_url"}
        return FilePart(
            file | {"file_data": part.file["file_url"]}, part.cache_control if dialect.cache_control else None
        )
    if not dialect.cache_control and getattr(part, "cache_control", None) is not None:
        return msgspec.structs.replace(part, cache_control=None)
    return part


def _take_pictures(raw: JSON, message: Message) -> list[JSON]:
    """OpenAI's tools answer in text: what else is in a result follows in a message of its own."""
    texts = [part for part in raw["content"] if isinstance(part, TextPart | RefusalPart)]
    others = [part for part in raw["content"] if not isinstance(part, TextPart | RefusalPart)]
    if not others:
        return []
    kind = "pictures" if all(isinstance(part, ImagePart) for part in others) else "files"
    raw["content"] = texts or f"See the {kind} in the next message of the user."
    said = f"The {kind} of the result of tool call {message.tool_call_id}:"
    return [{"type": "text", "text": said}, *msgspec.to_builtins(others)]


def _tools(request: ChatRequest, dialect: Dialect) -> list[Any]:
    tools: list[Any] = [
        tool if tool.cache_control is None or dialect.cache_control else Tool(tool.function) for tool in request.tools
    ]
    for place, native in enumerate(request.native_tools):
        if native.format != "openai":
            kind = native.tool.get("type") or next(iter(native.tool), place)
            raise InvalidParameter(
                f"`tools`: {kind!r} is a tool of {native.format}'s own, which {dialect.who} does not have.",
                param="tools", hint="Leave it out, or use a model of that provider.",
            )  # fmt: skip
        tools.append(native.tool)
    return tools
