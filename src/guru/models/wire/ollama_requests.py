"""Ollama's requests to ours: the bodies of `/api/chat`, `/api/generate`, `/api/embed` and `/api/embeddings`.

Spec: https://github.com/ollama/ollama/blob/main/docs/api.md and its `api/types.go`. Everything a body says is carried,
mapped as docs/http-api.md tells, or refused.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Final, Literal, cast

import msgspec
from msgspec import Meta, Struct

from guru.errors import InvalidParameter
from guru.models.wire.fields import JSON, SAMPLING, NonEmpty, convert, decode_object, require, rest, take
from guru.tasks import EmbeddingRequest
from guru.types import (
    ChatRequest,
    FunctionCall,
    Grounding,
    ImagePart,
    ImageUrl,
    Message,
    Part,
    Role,
    TextPart,
    TextRequest,
    Tool,
    ToolCall,
)

__all__ = [
    "LOADING",
    "SAMPLING_OPTIONS",
    "OllamaCall",
    "decode_chat_request",
    "decode_embed_request",
    "decode_generate_request",
    "plain_name",
]

SAMPLING_OPTIONS: Final[dict[str, str]] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "typical_p": "typical_p",
    "repeat_penalty": "repeat_penalty",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}
"""Members of `options` that our requests have too, under the name that they have there."""

LOADING: Final = frozenset({
    "draft_num_predict", "embedding_only", "f16_kv", "logits_all", "low_vram", "main_gpu", "num_batch", "num_ctx",
    "num_gpu", "num_thread", "numa", "use_mlock", "use_mmap", "vocab_only",
})  # fmt: skip
"""Members of `options` that say how a model is loaded. They mean nothing to a model that is not on an Ollama server."""

MAGIC: Final = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
    b"BM": "image/bmp",
}


class OllamaCall(Struct, kw_only=True):
    """A body, read."""

    request: ChatRequest | TextRequest
    loading: JSON
    """`keep_alive` and what of `options` says how the model is loaded: for a model on an Ollama server."""
    empty: bool = False
    """Nothing to answer: the caller wants the model loaded, or unloaded."""


def decode_chat_request(body: bytes) -> OllamaCall:
    """Read the body of `POST /api/chat`. Raises `InvalidParameter` with the place of the mistake in `param`."""
    raw = decode_object(body)
    shared, loading = _take_shared(raw)
    messages = _messages(take(raw, "messages", list[_Message], []))
    guru = take(raw, "guru", Grounding)
    request = ChatRequest(messages=messages, tools=take(raw, "tools", list[Tool], []), guru=guru, **shared)
    request.extra |= _take_extra(raw)
    return OllamaCall(request=request, loading=loading, empty=not (messages or _has_prompt(guru)))


def decode_generate_request(body: bytes) -> OllamaCall:
    """Read the body of `POST /api/generate`: a chat with one question, or, with `raw` or `suffix`, bare text."""
    raw = decode_object(body)
    shared, loading = _take_shared(raw)
    prompt, suffix = take(raw, "prompt", str, ""), take(raw, "suffix", str)
    system, bare = take(raw, "system", str), take(raw, "raw", bool, False)
    images = take(raw, "images", list[str], [])
    for name, hint in (
        ("template", "Leave it out: every model has its own; `raw` sends a prompt that is formatted already."),
        ("context", "Send the conversation to /api/chat as `messages`."),
    ):
        if take(raw, name, str | list[int]):
            raise InvalidParameter(f"`{name}` is not supported.", param=name, hint=hint)
    for name in ("width", "height", "steps"):
        if raw.get(name) is not None:
            hint = "Images are made at /v1/images/generations."
            raise InvalidParameter(f"`{name}` is not supported.", param=name, hint=hint)
    request: ChatRequest | TextRequest
    guru: Grounding | None = None
    if bare or suffix:
        request = _text_request(prompt, suffix, system, images, shared)
    else:
        guru = take(raw, "guru", Grounding)
        messages = [Message("system", system)] if system else []
        if prompt or images or not _has_prompt(guru):
            messages.append(Message("user", _content(prompt, images, "images")))
        request = ChatRequest(messages=messages, guru=guru, **shared)
    request.extra |= _take_extra(raw)
    return OllamaCall(request=request, loading=loading, empty=not (prompt or images or _has_prompt(guru)))


def _has_prompt(guru: Grounding | None) -> bool:
    """Whether a prompt of the library has messages of its own, so that none need follow."""
    return guru is not None and guru.prompt is not None


def decode_embed_request(body: bytes, *, legacy: bool = False) -> tuple[EmbeddingRequest, JSON]:
    """Read the body of `POST /api/embed`, or of `/api/embeddings`. Also says how the model is to be loaded."""
    raw = decode_object(body)
    model = plain_name(require(raw, "model", NonEmpty))
    loading, options = _take_loading(raw)
    if legacy:
        texts = [require(raw, "prompt", str)]
    else:
        given = require(raw, "input", str | list[str])
        texts = [given] if isinstance(given, str) else given
        if take(raw, "truncate", bool, True) is False:
            options["truncate"] = False  # cutting is what models do unless they are told
    if not texts:
        raise InvalidParameter("`input` is empty.", param="input", hint="Send at least one text.")
    dimensions = take(raw, "dimensions", Annotated[int, Meta(ge=0)], 0)
    return EmbeddingRequest(model=model, input=texts, dimensions=dimensions or None, extra=rest(raw) | options), loading


def plain_name(name: str) -> str:
    """A model's name without the tag that Ollama's clients add to names that have none."""
    return name.removesuffix(":latest")


# --------------------------------------------------------------------------- what all have


def _take_shared(raw: JSON) -> tuple[JSON, JSON]:
    """The fields that chat and generate share, and how to load the model."""
    loading, options = _take_loading(raw)
    shared: JSON = {"model": plain_name(require(raw, "model", NonEmpty)), "extra": {}}
    shared["stream"] = take(raw, "stream", bool, True)
    for name, field in SAMPLING_OPTIONS.items():
        if (value := options.pop(name, None)) is not None:
            shared[field] = convert(value, SAMPLING[field], f"options.{name}")
    limit = convert(options.pop("num_predict", None), int | None, "options.num_predict")
    if limit is not None and limit >= 0:  # a negative one is no limit
        shared["max_tokens"] = convert(limit, SAMPLING["max_tokens"], "options.num_predict")
    seed = convert(options.pop("seed", None), int | None, "options.seed")
    if seed is not None and seed >= 0:  # a negative one is a random one
        shared["seed"] = seed
    stop = convert(options.pop("stop", None), list[NonEmpty] | NonEmpty | None, "options.stop")
    shared["stop"] = [stop] if isinstance(stop, str) else stop or []
    shared["logprobs"] = take(raw, "logprobs", bool, False)
    shared["top_logprobs"] = take(raw, "top_logprobs", Annotated[int, Meta(ge=0, le=20)])
    if not shared["logprobs"]:
        shared["top_logprobs"] = None
    shared["extra"] |= rest(options)
    return shared | _take_thinking(raw) | _take_format(raw), loading


def _take_loading(raw: JSON) -> tuple[JSON, JSON]:
    """What says how the model is loaded, and the other options."""
    options = rest(take(raw, "options", dict[str, Any], {}))
    loading = {name: value for name, value in options.items() if name in LOADING}
    keep_alive = take(raw, "keep_alive", float | str)
    if keep_alive is not None:
        loading["keep_alive"] = keep_alive
    return loading, {name: value for name, value in options.items() if name not in LOADING}


def _take_thinking(raw: JSON) -> JSON:
    """`think`: a bool or a level; "medium" is the level that Ollama takes for true."""
    think = take(raw, "think", bool | Literal["low", "medium", "high", "max"])
    if isinstance(think, bool):
        think = "medium" if think else "none"
    return {"reasoning_effort": think} if think else {}


def _take_format(raw: JSON) -> JSON:
    """`format`: "json", or a JSON schema."""
    value = take(raw, "format", str | dict[str, Any])
    if isinstance(value, dict):
        return {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": value}}}
    if value not in (None, "", "json"):
        message = f"`format` is {value!r}: it must be json or a JSON schema."
        raise InvalidParameter(message, param="format")
    return {"response_format": {"type": "json_object"}} if value else {}


def _take_extra(raw: JSON) -> JSON:
    """Fields that are Ollama's alone: what they ask for beyond the usual goes to the model."""
    if take(raw, "truncate", bool, True) is False:
        raw["truncate"] = False
    if take(raw, "shift", bool, True) is False:
        raw["shift"] = False
    if take(raw, "_debug_render_only", bool, False):
        raise InvalidParameter("`_debug_render_only` is not supported.", param="_debug_render_only")
    return rest(raw)


def _text_request(prompt: str, suffix: str | None, system: str | None, images: list[str], shared: JSON) -> TextRequest:
    """A prompt that is continued as it stands."""
    if system or images:
        name = "system" if system else "images"
        hint = "Write it into the prompt, or leave out `raw` and `suffix`."
        raise InvalidParameter(f"`{name}` cannot be combined with `raw` or `suffix`.", param=name, hint=hint)
    for name in ("reasoning_effort", "response_format"):
        if name in shared:
            param = "think" if name == "reasoning_effort" else "format"
            message = f"`{param}` cannot be combined with `raw` or `suffix`."
            raise InvalidParameter(message, param=param, hint="Leave one out.")
    return TextRequest(prompt=prompt, suffix=suffix, **shared)


# --------------------------------------------------------------------------- messages


class _Function(Struct, forbid_unknown_fields=True):
    name: str
    arguments: dict[str, Any] = {}
    index: int | None = None
    description: str | None = None


class _ToolCall(Struct, forbid_unknown_fields=True):
    function: _Function
    id: str | None = None
    type: str = "function"


class _Message(Struct, forbid_unknown_fields=True):
    role: str
    content: str | None = None
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None
    name: str | None = None


def _messages(given: list[_Message]) -> list[Message]:
    """Messages in our shape. Ollama knows calls by name, we by id: those that have none are numbered."""
    messages: list[Message] = []
    open_calls: list[ToolCall] = []
    for place, each in enumerate(given):
        path = f"messages[{place}]"
        role = each.role.lower()
        if role not in ("system", "developer", "user", "assistant", "tool"):
            hint = "It must be system, user, assistant or tool."
            raise InvalidParameter(f"`{path}.role` is {each.role!r}.", param=f"{path}.role", hint=hint)
        content = _content(each.content or "", each.images or [], f"{path}.images")
        message = Message(cast("Role", role), content, name=each.name)
        if each.thinking:
            message.reasoning_content = each.thinking
        if each.tool_calls:
            message.tool_calls = [_call(call, f"call_{place}_{number}") for number, call in enumerate(each.tool_calls)]
            open_calls = list(message.tool_calls)
            message.content = message.content or None
        if role == "tool":
            message.tool_call_id = _answered(each, open_calls, path)
            message.name = each.tool_name or each.name
        messages.append(message)
    return messages


def _call(call: _ToolCall, fallback: str) -> ToolCall:
    arguments = msgspec.json.encode(call.function.arguments).decode()
    return ToolCall(id=call.id or fallback, function=FunctionCall(call.function.name, arguments))


def _answered(message: _Message, open_calls: list[ToolCall], path: str) -> str:
    """The id of the call that a tool's message answers: by id, by name, or the next one in order."""
    if message.tool_call_id:
        open_calls[:] = [call for call in open_calls if call.id != message.tool_call_id]
        return message.tool_call_id
    name = message.tool_name or message.name
    for call in open_calls:
        if name in (None, call.function.name):
            open_calls.remove(call)
            return call.id
    called = f" of {name!r}" if name else ""
    hint = "Send the assistant's message with its `tool_calls` before it."
    raise InvalidParameter(f"`{path}` answers a call{called} that was not made.", param=path, hint=hint)


def _content(text: str, images: list[str], path: str) -> str | list[Part]:
    if not images:
        return text
    parts: list[Part] = [TextPart(text)] if text else []
    for place, image in enumerate(images):
        parts.append(ImagePart(ImageUrl(f"data:{_media_type(image, f'{path}[{place}]')};base64,{image}")))
    return parts


def _media_type(image: str, path: str) -> str:
    """Ollama's images say nothing of their kind; their first bytes do."""
    try:
        binascii.a2b_base64(image, strict_mode=True)
        head = base64.b64decode(image[:16])
    except ValueError:
        hint = "Send the image's bytes in base64."
        raise InvalidParameter(f"`{path}` is no base64.", param=path, hint=hint) from None
    for magic, media_type in MAGIC.items():
        if head.startswith(magic):
            return media_type
    raise InvalidParameter(f"`{path}` is no PNG, JPEG, GIF, WebP or BMP image.", param=path)
