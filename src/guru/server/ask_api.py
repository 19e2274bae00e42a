"""Ask a collection: an answer with citations, whole or as a stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from typing import Annotated, Any

from msgspec import Meta, Struct

from guru.errors import InvalidParameter
from guru.gateway.identity import Caller
from guru.models.wire.openai_usage import usage_json
from guru.server.endpoint import Call, post
from guru.server.errors import as_guru_error, guru_error
from guru.server.road import Told, Whole, last_started, streamed, told
from guru.server.sse import EventStream, sse, while_connected
from guru.types import (
    ChatRequest,
    Citation,
    Cited,
    Completed,
    Conflict,
    Delta,
    Disputed,
    Event,
    Grounding,
    Message,
    Progress,
    SearchMode,
    SearchOptions,
    Strategy,
    Unsupported,
    search_options,
)


class Question(SearchOptions, kw_only=True, forbid_unknown_fields=True):
    question: str
    collection: str
    model: str | None = None
    """`default` when it is left out."""
    stream: bool = False
    k: Annotated[int, Meta(ge=1, le=100)] | None = None
    """How many passages the answer may draw on."""
    mode: SearchMode | None = None
    threshold: Annotated[float, Meta(ge=0, le=1)] | None = None
    """Confidence (0 to 1) under which the answer is "not in the documents"."""
    filter: dict[str, Any] | None = None
    strategy: Strategy = "direct"
    """`map_reduce`: ask every document in which something is found, and put what they answer together."""


class Span(Struct):
    start: int
    end: int


class Answer(Struct, kw_only=True):
    answer: str
    citations: list[Citation]
    """Every quote stands verbatim at its offsets in the stored text of its document."""
    outcome: str | None
    """`answered`, `quoted` (shown as quotations) or `declined` (not in the documents)."""
    unsupported: list[Span]
    """Sentences of the answer without a source, as offsets."""
    conflicts: list[Conflict]
    """Where the sources disagree on what was asked; the answer says so too."""
    progress: Progress | None
    """Of an answer over many documents: how many were read, and which were not."""
    confidence: float | None
    model: str
    usage: dict[str, Any]
    cost: float | None
    timings: dict[str, float]
    """Seconds."""
    trace_id: str


@post("/api/v1/ask", answer=Answer)
async def ask(call: Call, body: Question) -> Any:
    """Answer a question from the documents of a collection."""
    if not body.question.strip():
        raise InvalidParameter("`question` is empty.", param="question", hint="Ask something.")
    return await answer_events(call, to_request(body), call.caller("ask"), to_answer)


def to_request(body: Question) -> ChatRequest:
    return ChatRequest(
        model=body.model or "default",
        messages=[Message(role="user", content=body.question)],
        stream=body.stream,
        guru=Grounding(
            body.collection,
            k=body.k,
            mode=body.mode,
            filter=body.filter,
            threshold=body.threshold,
            strategy=body.strategy,
            **search_options(body),
        ),
    )


def to_answer(events: list[Event]) -> Answer:
    """The whole answer from its events."""
    started = last_started(events)
    completed = next(event for event in events if isinstance(event, Completed))
    return Answer(
        answer="".join(event.text for event in events if isinstance(event, Delta)),
        citations=[citation for event in events if isinstance(event, Cited) for citation in event.citations],
        unsupported=[Span(event.start, event.end) for event in events if isinstance(event, Unsupported)],
        conflicts=[conflict for event in events if isinstance(event, Disputed) for conflict in event.conflicts],
        progress=next((event for event in reversed(events) if isinstance(event, Progress)), None),
        outcome=completed.outcome,
        confidence=completed.confidence,
        model=started.model,
        usage=usage_json(completed.usage),
        cost=completed.cost,
        timings=completed.timings,
        trace_id=started.trace_id,
    )


async def answer_events(
    call: Call, request: ChatRequest, caller: Caller, to_answer: Callable[[list[Event]], Told]
) -> Whole | EventStream:
    """The answer in Guru's own words: its events as they come, or what `to_answer` makes of all of them."""
    answerers = call.services.answerers
    if request.stream:
        return await streamed(call, answerers.run(request, caller), partial(stream_events, trace_id=call.trace_id))
    events = await while_connected(call.receive, answerers.answer(request, caller))
    answer = to_answer(events)
    return told(call, answer, answer, last_started(events).cache)


async def stream_events(
    first: Struct, events: AsyncIterator[Any] | AsyncGenerator[Any], trace_id: str
) -> AsyncGenerator[bytes]:
    """Events by the name of their kind; `error` if it fails; always `done` at the end."""
    try:
        async with aclosing(events):  # type: ignore[type-var]
            yield sse(str(first.__struct_config__.tag), first)
            async for event in events:
                yield sse(event.__struct_config__.tag, event)
    except Exception as error:
        yield sse("error", guru_error(as_guru_error(error, trace_id), trace_id))
    yield sse("done", {})


DOORS = [ask]
