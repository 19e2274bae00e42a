"""OpenAI's API: chat completions, completions, embeddings, models. Its codecs do the translating."""

from __future__ import annotations

import base64
import struct
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta, Struct

from guru.errors import GuruError, InvalidParameter
from guru.gateway.identity import Caller
from guru.models.wire.fields import NonEmpty, decode_object, require, rest, take
from guru.models.wire.openai_chat import decode_chat_request
from guru.models.wire.openai_encoder import ChatEncoder
from guru.models.wire.openai_text import TextEncoder, decode_text_request, shift
from guru.server.anthropic_models import model_info, model_page
from guru.server.endpoint import Call, get, post
from guru.server.errors import openai_error, speaks_anthropic
from guru.server.models_api import find_model, usable_models
from guru.server.road import answer, perform, stream, told, whole
from guru.store.ids import new_id
from guru.tasks import EmbeddingRequest, Embeddings
from guru.types import ChatRequest, Event, Started, TextRequest

encode = msgspec.json.Encoder().encode
MAX_INPUTS = 2048


class Codec(Protocol):
    """A codec of `guru.models.wire`: events to server-sent events, or to one body."""

    def data(self, event: Event) -> bytes: ...

    def body(self, events: list[Event]) -> bytes: ...


class ChatCompletionBody(ChatRequest, kw_only=True):
    """A chat, as OpenAI takes it. Fields that are not listed here go to the model, which takes or refuses them."""

    stream: bool = False
    stream_options: dict[str, Any] | None = None


class CompletionBody(TextRequest, kw_only=True):
    """A prompt to continue, or several."""

    stream: bool = False
    stream_options: dict[str, Any] | None = None


class EmbeddingBody(EmbeddingRequest, kw_only=True):
    """Texts to embed. Fields that are not listed here go to the provider, which takes or refuses them."""

    input: str | list[Any]  # type: ignore[assignment]
    """A text, a list of texts, a list of tokens, or a list of lists of tokens."""
    encoding_format: str = "float"
    """`float` or `base64` (little-endian float32)."""


class OpenAIModel(Struct):
    id: str
    created: int
    owned_by: str
    object: str = "model"


class OpenAIModels(Struct):
    data: list[OpenAIModel]
    object: str = "list"


@post("/v1/chat/completions", body=ChatCompletionBody)
async def chat_completions(call: Call) -> Any:
    """Answer a chat; with `"guru": {"collection": ...}` from the documents of a collection."""
    request, options = decode_chat_request(await call.body())
    caller = call.caller("chat.completions")

    def encoder(started: Started) -> OpenAIEncoder:
        codec = ChatEncoder(
            caller.trace_id.replace("tr_", "chatcmpl_", 1), started.model, int(time.time()), request,
            include_usage=options.include_usage, trace_id=caller.trace_id,
        )  # fmt: skip
        return OpenAIEncoder(codec)

    return await answer(call, request, caller, encoder)


@post("/v1/completions", body=CompletionBody)
async def completions(call: Call) -> Any:
    """Continue a prompt."""
    requests, options = decode_text_request(await call.body())

    def encoder(started: Started) -> OpenAIEncoder:
        codec = TextEncoder(
            new_id("cmpl"), started.model, int(time.time()), requests, include_usage=options.include_usage
        )  # fmt: skip
        return OpenAIEncoder(codec)

    if options.stream:
        return await stream(call, run_prompts(call, requests), encoder)
    return await whole(call, answer_prompts(call, requests), encoder)


async def run_prompts(call: Call, requests: list[TextRequest]) -> AsyncGenerator[Event]:
    """Every prompt takes the road, one after the other; the first one's trace is the request's."""
    for place, (request, caller) in enumerate(zip(requests, callers(call, requests), strict=True)):
        async with aclosing(call.services.answerers.run(request, caller)) as events:
            async for event in events:
                if place == 0 or not isinstance(event, Started):
                    yield shift(event, place * request.n)


async def answer_prompts(call: Call, requests: list[TextRequest]) -> list[Event]:
    """The same, where nobody watches the answers grow."""
    found: list[Event] = []
    for place, (request, caller) in enumerate(zip(requests, callers(call, requests), strict=True)):
        events = await call.services.answerers.answer(request, caller)
        found += [shift(event, place * request.n) for event in events if place == 0 or not isinstance(event, Started)]
    return found


def callers(call: Call, requests: list[TextRequest]) -> Iterator[Caller]:
    """Who asks, for each prompt: every one has a trace of its own."""
    caller = call.caller("completions")
    yield caller
    for _ in requests[1:]:
        yield msgspec.structs.replace(caller, trace_id=new_id("tr"))


class OpenAIEncoder:
    """A codec's JSON as OpenAI's server-sent events, or as one body."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def chunk(self, event: Event) -> bytes:
        return self._codec.data(event)

    def end(self) -> bytes:
        return b"data: [DONE]\n\n"

    def failed(self, error: GuruError) -> bytes:
        return b"data: " + encode(openai_error(error)) + b"\n\n"

    def collect(self, events: list[Event]) -> bytes:
        return self._codec.body(events)


@post("/v1/embeddings", body=EmbeddingBody)
async def embeddings(call: Call) -> Any:
    """The vectors of texts."""
    request, encoding = decode_embedding_request(await call.body())
    result: Embeddings = await perform(call, "embeddings", request, "embeddings")
    data = [
        {"object": "embedding", "index": index, "embedding": as_base64(vector) if encoding == "base64" else vector}
        for index, vector in enumerate(result.vectors)
    ]
    usage = {"prompt_tokens": result.usage.prompt_tokens, "total_tokens": result.usage.total_tokens}
    answer = {"object": "list", "data": data, "model": result.model, "usage": usage} | result.extra
    return told(call, answer, result)


def decode_embedding_request(body: bytes) -> tuple[EmbeddingRequest, str]:
    """The request and its `encoding_format`. Raises `InvalidParameter`."""
    raw = decode_object(body)
    encoding = take(raw, "encoding_format", str, "float")
    if encoding not in ("float", "base64"):
        raise InvalidParameter(
            f"`encoding_format` is {encoding!r}.", param="encoding_format", hint="Use float or base64."
        )
    request = EmbeddingRequest(
        model=require(raw, "model", NonEmpty),
        input=embedding_inputs(require(raw, "input", str | list[Any])),
        dimensions=take(raw, "dimensions", Annotated[int, Meta(ge=1)]),
        input_type=take(raw, "input_type", str),
        user=take(raw, "user", str),
    )
    request.extra = rest(raw)
    return request, encoding


def as_base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def embedding_inputs(value: str | list[Any]) -> list[str] | list[list[int]]:
    """The texts, or the lists of tokens. Raises `InvalidParameter`."""
    inputs: list[Any] = [value] if isinstance(value, str) or is_tokens(value) else value
    if not inputs:
        raise InvalidParameter("`input` is empty.", param="input", hint="Send at least one text.")
    if len(inputs) > MAX_INPUTS:
        raise InvalidParameter(
            f"`input` has {len(inputs)} texts; {MAX_INPUTS} are allowed.", param="input", hint="Send several requests."
        )
    if all(is_tokens(item) for item in inputs):
        return inputs
    for place, text in enumerate(inputs):
        if not isinstance(text, str) or not text:
            raise InvalidParameter(
                f"`input[{place}]` must be a text that is not empty.", param=f"input[{place}]", hint="Send texts."
            )
    return inputs


def is_tokens(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(token) is int for token in value)


@get("/v1/models", answer=OpenAIModels)
async def openai_models(call: Call) -> Any:
    """The models that the caller can use now, their aliases, and agents. Anthropic's clients get its shape."""
    ready = [model for model in await usable_models(call) if model.status != "not installed"]
    names = [name for model in ready for name in (model.name, *model.aliases) if call.may_use(name)]
    names += await call.services.agents.names(call.caller("models"))
    if speaks_anthropic(call.request.scope):
        return model_page(names, call.request.query_params)
    return OpenAIModels([openai_model(name) for name in names])


@get("/v1/models/{name:path}", answer=OpenAIModel)
async def openai_show_model(call: Call, name: str) -> Any:
    """One model, or an agent."""
    caller = call.caller("models")
    if name not in await call.services.agents.names(caller):
        call.services.directory.allow(caller, name)
        await find_model(call.services, name)
    return model_info(name) if speaks_anthropic(call.request.scope) else openai_model(name)


def openai_model(name: str) -> OpenAIModel:
    return OpenAIModel(id=name, created=0, owned_by=name.partition("/")[0] if "/" in name else "guru")


DOORS = [chat_completions, completions, embeddings, openai_models, openai_show_model]
