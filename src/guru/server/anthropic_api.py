"""Anthropic's Messages API, for its clients: every model of this server answers to them.

Spec: https://platform.claude.com/docs/en/api/messages.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from guru.errors import GuruError
from guru.models.wire.anthropic_door_answer import MessageEncoder
from guru.models.wire.anthropic_door_request import decode_messages_request
from guru.server.counting import count
from guru.server.endpoint import Call, post
from guru.server.errors import anthropic_error
from guru.server.road import answer
from guru.server.sse import sse
from guru.store.ids import new_id
from guru.types import Delta, Event, Grounding, Started

encode = msgspec.json.Encoder().encode
STOP = sse("message_stop", {"type": "message_stop"})


class CountTokensBody(Struct, kw_only=True):
    """A prompt whose tokens are counted. Members that are not listed here go to the model."""

    model: str
    messages: list[dict[str, Any]]
    """Of `user`, `assistant` or `system`; `content` is a text or a list of blocks."""
    system: str | list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: dict[str, Any] | None = None
    thinking: dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None
    """`format` (a JSON schema) and `effort`."""


class MessagesBody(CountTokensBody, kw_only=True):
    """A conversation, as Anthropic takes it. Members that are not listed here go to the model, which takes or refuses
    them."""

    max_tokens: int
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    metadata: dict[str, Any] | None = None
    stream: bool = False
    guru: Grounding | None = None


class TokenCount(Struct):
    input_tokens: int


@post("/v1/messages", body=MessagesBody)
async def messages(call: Call) -> Any:
    """Answer a conversation; with `"guru": {"collection": ...}` from the documents of a collection."""
    request = decode_messages_request(await call.body(), betas(call))
    caller = call.caller("messages")

    def encoder(started: Started) -> AnthropicEncoder:
        return AnthropicEncoder(MessageEncoder(new_id("msg"), started.model, trace_id=caller.trace_id), caller.trace_id)

    return await answer(call, request, caller, encoder)


@post("/v1/messages/count_tokens", body=CountTokensBody)
async def count_tokens(call: Call) -> TokenCount:
    """The tokens of a prompt: the provider's own count for Anthropic's models, and a count here for others."""
    request = decode_messages_request(await call.body(), betas(call), counting=True)
    return TokenCount(await count(call, request, call.caller("messages.count_tokens")))


def betas(call: Call) -> list[str]:
    """What the client opts in to; the header may come several times."""
    given = ",".join(call.request.headers.getlist("anthropic-beta"))
    return [name.strip() for name in given.split(",") if name.strip()]


class AnthropicEncoder:
    """Server-sent events, or one message."""

    def __init__(self, codec: MessageEncoder, trace_id: str) -> None:
        self._codec = codec
        self._trace_id = trace_id

    def chunk(self, event: Event) -> bytes:
        block = self._codec.text_block
        if block is not None and type(event) is Delta and is_text(event):  # nearly all of them
            return (
                b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
                b'"delta":{"type":"text_delta","text":%b}}\n\n' % (block, encode(event.text))
            )
        return b"".join(sse(said["type"], said) for said in self._codec.events(event))

    def end(self) -> bytes:
        return STOP

    def failed(self, error: GuruError) -> bytes:
        return sse("error", anthropic_error(error, self._trace_id))

    def collect(self, events: list[Event]) -> bytes:
        return encode(self._codec.collect(events))


def is_text(delta: Delta) -> bool:
    """Whether a piece of the answer is text and nothing else."""
    return bool(delta.text) and not (
        delta.index or delta.reasoning or delta.thinking_block or delta.refusal or delta.extra or delta.tool_calls
    )


DOORS = [messages, count_tokens]
