"""The road: every model call, whatever door it came through, runs here, and all of it is one trace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from guru.gateway.identity import Caller
from guru.gateway.traced import TracedModel
from guru.observe import names
from guru.observe.metrics import Metrics
from guru.observe.spans import Trace
from guru.observe.traces import Tracer
from guru.types import (
    JSON,
    ChatModel,
    ChatRequest,
    Cited,
    Completed,
    Delta,
    Event,
    Grounding,
    Hit,
    Models,
    Retrieved,
    SearchMode,
    Started,
    TextRequest,
    Unsupported,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

PREVIEW = 160


class Passages(Protocol):
    """What a search found. Only the hits matter to the road; the answerer may know more."""

    @property
    def hits(self) -> list[Hit]: ...


class Knowledge(Protocol):
    """What the road needs of the knowledge base."""

    async def retrieve(
        self,
        tenant: str,
        collection: str,
        query: str,
        *,
        k: int | None = None,
        mode: SearchMode = "hybrid",
        filter: JSON | None = None,
    ) -> Passages: ...


class Answerer(Protocol):
    """Answers from passages: streams text, citations, and what no passage stands for."""

    def query(self, request: ChatRequest) -> str:
        """What to search for. Raises `InvalidParameter` when nothing is asked."""
        ...

    def answer(
        self, request: ChatRequest, retrieval: Any, model: ChatModel, record: Callable[[str, Any], None] | None = None
    ) -> AsyncIterator[Event]:
        """`record` is told what was decided on the way, for the trace."""
        ...


class Embedded(Struct):
    """The vectors of some texts, float32, shape (texts, dimension)."""

    model: str
    vectors: NDArray[Any]
    tokens: int


class Road:
    """Route, retrieve (if asked), model, cite, settle."""

    def __init__(
        self,
        models: Models,
        knowledge: Knowledge,
        answerer: Answerer,
        tracer: Tracer,
        metrics: Metrics,
    ) -> None:
        self._models = models
        self._knowledge = knowledge
        self._answerer = answerer
        self._tracer = tracer
        self._metrics = metrics

    async def run(self, request: ChatRequest | TextRequest, caller: Caller) -> AsyncGenerator[Event]:
        """Stream the answer. Close the iterator to cancel; whatever happens, the trace and the usage are kept."""
        trace = self._tracer.begin(caller.trace_id, caller.tenant, caller.route)
        trace.preview = preview(request)
        try:
            with trace.span(caller.route):
                model = self._route(request.model, trace)
                yield Started(model=model.name, trace_id=trace.id)
                if isinstance(request, TextRequest):
                    events = model.complete(request)
                elif request.guru is None:
                    events = model.chat(request)
                else:
                    found = await self._retrieve(request, request.guru, caller, trace)
                    yield Retrieved(found.hits)
                    events = self._cite(request, found, model, trace)
                completed: Completed | None = None
                async with aclosing(events) as stream:  # type: ignore[type-var]
                    async for event in stream:
                        if isinstance(event, Delta) and trace.first_token is None:
                            trace.first_token = trace.elapsed
                        elif isinstance(event, Completed):
                            completed = timed(event, trace)
                        yield event
                if completed is not None:
                    usage = completed.usage
                    trace.told(usage.prompt_tokens, usage.completion_tokens, completed.cost)
        except BaseException as error:
            trace.failed(error)
            raise
        finally:
            self._settle(trace)

    async def embed(self, name: str, texts: Sequence[str], caller: Caller) -> Embedded:
        """The vectors of `texts`, by the model `name`."""
        trace = self._tracer.begin(caller.trace_id, caller.tenant, caller.route)
        trace.preview = texts[0][:PREVIEW] if texts else None
        try:
            with trace.span(caller.route):
                embedder = self._models.embedder(name)
                trace.model = embedder.name
                with trace.span(f"embeddings {embedder.name}") as span:
                    tokens = await asyncio.to_thread(lambda: sum(map(embedder.count_tokens, texts)))
                    vectors = await embedder.embed(texts)
                    trace.prompt_tokens = tokens
                    span.attributes |= {
                        names.OPERATION: "embeddings",
                        names.REQUEST_MODEL: embedder.name,
                        names.INPUTS: len(texts),
                        names.INPUT_TOKENS: tokens,
                        names.DIMENSION: embedder.dimension,
                    }
                return Embedded(embedder.name, vectors, tokens)
        except BaseException as error:
            trace.failed(error)
            raise
        finally:
            self._settle(trace)

    def _route(self, name: str, trace: Trace) -> TracedModel:
        with trace.span("route") as span:
            span.set(names.REQUEST_MODEL, name)
            model = self._models.chat_model(name)
            span.set(names.RESPONSE_MODEL, model.name)
        trace.model = model.name
        return TracedModel(model, trace)

    async def _retrieve(self, request: ChatRequest, grounding: Grounding, caller: Caller, trace: Trace) -> Passages:
        with trace.span("retrieve") as span:
            query, mode = self._answerer.query(request), grounding.mode or "hybrid"
            span.attributes |= {names.COLLECTION: grounding.collection, names.QUERY: query, names.SEARCH_MODE: mode}
            found = await self._knowledge.retrieve(
                caller.tenant, grounding.collection, query, k=grounding.k, mode=mode, filter=grounding.filter
            )
            span.set(names.HITS, found.hits)
        return found

    async def _cite(
        self, request: ChatRequest, found: Passages, model: ChatModel, trace: Trace
    ) -> AsyncGenerator[Event]:
        """The answer with its citations, as they are verified."""
        with trace.span("cite") as span:
            citations: list[Any] = []
            unsupported: list[Any] = []
            notes: list[Any] = []
            span.attributes |= {names.CITATIONS: citations, names.UNSUPPORTED: unsupported, names.NOTES: notes}

            def record(name: str, value: Any) -> None:
                notes.append({"name": name, "value": value})

            async with aclosing(self._answerer.answer(request, found, model, record)) as stream:  # type: ignore[type-var]
                async for event in stream:
                    if isinstance(event, Cited):
                        citations.extend(event.citations)
                    elif isinstance(event, Unsupported):
                        unsupported.append(event)
                    elif isinstance(event, Completed):
                        span.attributes |= {names.OUTCOME: event.outcome, names.CONFIDENCE: event.confidence}
                    yield event

    def _settle(self, trace: Trace) -> None:
        with trace.span("settle") as span:
            span.attributes |= {
                names.INPUT_TOKENS: trace.prompt_tokens,
                names.OUTPUT_TOKENS: trace.completion_tokens,
                names.COST: trace.cost,
            }
        record = self._tracer.end(trace)
        model = record.model or "none"
        self._metrics.requests.add(record.route, model, record.status)
        self._metrics.duration.observe(record.route, value=record.duration)
        if record.first_token is not None:
            self._metrics.first_token.observe(record.route, value=record.first_token)
        self._metrics.tokens.add(model, "prompt", amount=record.prompt_tokens)
        self._metrics.tokens.add(model, "completion", amount=record.completion_tokens)


def timed(event: Completed, trace: Trace) -> Completed:
    """The last event with the times that only the road knows, in seconds."""
    event.timings["total"] = trace.elapsed
    if trace.first_token is not None:
        event.timings["first_token"] = trace.first_token
    return event


def preview(request: ChatRequest | TextRequest) -> str | None:
    """The beginning of what was asked, for lists."""
    if isinstance(request, TextRequest):
        return request.prompt[:PREVIEW] if isinstance(request.prompt, str) else None
    asked = (message.text for message in reversed(request.messages) if message.role == "user")
    return next(asked, "")[:PREVIEW] or None
