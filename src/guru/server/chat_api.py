"""Guru's own small chat: a message in, a text out; whole, as server-sent events, or over a WebSocket."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from guru.errors import InvalidParameter
from guru.models.wire.openai_usage import usage_json
from guru.server.ask_api import answer_events
from guru.server.endpoint import Call, post
from guru.server.road import last_started
from guru.types import JSON, ChatRequest, Citation, Cited, Completed, Delta, Event, Finished, Grounding, Message, Role


class ContextMessage(Struct, forbid_unknown_fields=True):
    role: Role
    content: str


class ChatMessage(Struct, kw_only=True, forbid_unknown_fields=True):
    message: str = ""
    """May be left out where a prompt says all."""
    context: str | list[ContextMessage] | None = None
    """What the model should know: a text, or the messages before this one."""
    model: str | None = None
    """`default` when it is left out, or the one that the prompt is meant for."""
    collection: str | None = None
    """Answer from its documents, with citations."""
    memory: bool | None = None
    """Use what is remembered of you, and remember what you say."""
    prompt: str | None = None
    """A prompt of the library, `name`, `name@prod` or `name@3`, whose messages come before all others."""
    variables: JSON = {}
    """What is filled into it."""
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    stream: bool = False


class ChatAnswer(Struct, kw_only=True):
    text: str
    citations: list[Citation]
    outcome: str | None
    """With a collection: `answered`, `quoted` or `declined`."""
    confidence: float | None
    finish_reason: str | None
    model: str
    usage: dict[str, Any]
    cost: float | None
    timings: dict[str, float]
    """Seconds."""
    trace_id: str
    prompt: JSON | None = None
    """The version of the prompt that it came of: `name`, `version`, `label`; of several samples the `votes` too."""


@post("/api/v1/chat", answer=ChatAnswer)
async def chat(call: Call, body: ChatMessage) -> Any:
    """Answer a message. With `stream`, the events are those of `/api/v1/ask`."""
    await choose_model(call, body)
    return await answer_events(call, to_request(body, to_messages(body)), call.caller("chat"), to_answer)


async def choose_model(call: Call, body: ChatMessage) -> None:
    """The model that the prompt is meant for, where the caller names none. Raises what the library raises."""
    if body.model is None and body.prompt is not None:
        found = await call.services.prompts.of(call.tenant).version(body.prompt)
        body.model = found.definition.model


def to_messages(body: ChatMessage) -> list[Message]:
    """The context and the message. Raises `InvalidParameter`."""
    if not body.message.strip() and body.prompt is None:
        raise InvalidParameter("`message` is empty.", param="message", hint="Add it: say something.")
    before = body.context or []
    if isinstance(before, str):
        before = [ContextMessage("system", before)]
    said = [Message("user", body.message)] if body.message.strip() else []
    return [*(Message(role=item.role, content=item.content) for item in before), *said]


def to_request(body: ChatMessage, messages: list[Message]) -> ChatRequest:
    return ChatRequest(
        model=body.model or "default",
        messages=messages,
        temperature=body.temperature,
        max_tokens=body.max_tokens,
        stream=body.stream,
        guru=to_guru(body),
    )


def to_guru(body: ChatMessage) -> Grounding | None:
    """Raises `InvalidParameter`."""
    if body.variables and body.prompt is None:
        raise InvalidParameter("`variables` are those of a `prompt`, which is missing.", param="variables")
    if not (body.collection or body.memory or body.prompt):
        return None
    return Grounding(body.collection or "", memory=body.memory, prompt=body.prompt, variables=body.variables)


def to_answer(events: list[Event]) -> ChatAnswer:
    """The whole answer from its events."""
    started = last_started(events)
    completed = next(event for event in events if isinstance(event, Completed))
    return ChatAnswer(
        text="".join(event.text for event in events if isinstance(event, Delta)),
        citations=[citation for event in events if isinstance(event, Cited) for citation in event.citations],
        outcome=completed.outcome,
        confidence=completed.confidence,
        finish_reason=next((event.reason for event in events if isinstance(event, Finished)), None),
        model=started.model,
        usage=usage_json(completed.usage),
        cost=completed.cost,
        timings=completed.timings,
        trace_id=started.trace_id,
        prompt=completed.extra.get("guru", {}).get("prompt"),
    )


DOORS = [chat]
