"""Tasks that are no chat take the road too: embed, rerank, moderate, draw, speak, transcribe."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final, Literal, Protocol

from guru.gateway.cost.tokens import IMAGE_TOKENS, estimate_text
from guru.gateway.identity import Caller
from guru.gateway.steps import PREVIEW, Cache, Limiter, Prices, Router, admit, settle
from guru.observe import names
from guru.observe.spans import CallRecord, Trace, TraceRecord, status_of
from guru.tasks import EmbeddingRequest, Embeddings, TaskModels
from guru.types import Usage

Task = Literal["embeddings", "rerank", "moderations", "images", "speech", "transcriptions"]
METHODS: Final[dict[Task, tuple[str, str]]] = {
    "embeddings": ("embedding_model", "embeddings"),
    "rerank": ("reranker", "rerank"),
    "moderations": ("moderator", "moderate"),
    "images": ("image_model", "generate"),
    "speech": ("speech_model", "speak"),
    "transcriptions": ("transcription_model", "transcribe"),
}
"""How a task's model is found, and what it is asked."""


class Host(Protocol):
    """The road, as far as a task needs it."""

    router: Router
    prices: Prices
    limiter: Limiter | None
    models: TaskModels
    cache: Cache | None

    def begin(self, requested: str, caller: Caller) -> Trace: ...

    def end(self, trace: Trace) -> TraceRecord: ...


async def perform(road: Host, task: Task, request: Any, caller: Caller, *, preview: bool = True) -> Any:
    """The result for a request of `guru.tasks`, as that module pairs them: limited, routed, traced and paid for.

    Without `preview` the trace has nothing of the request's texts.
    """
    trace = road.begin(request.model, caller)
    texts = texts_of(request) if preview else []
    trace.preview = texts[0][:PREVIEW] if texts else None
    reservation = None
    try:
        with trace.span(caller.route):
            tokens = max(1, estimate(request))
            cost = road.prices.estimate(request.model, tokens, 0)
            reservation = await admit(road.limiter, caller, request.model, tokens, cost)
            result = await answer(road, task, request, caller, trace)
            trace.model = result.model
            trace.told(result.usage.prompt_tokens, result.usage.completion_tokens, result.cost or 0.0)
            return result
    except BaseException as error:
        trace.failed(error)
        raise
    finally:
        settle(reservation, road.end(trace).calls)


async def answer(road: Host, task: Task, request: Any, caller: Caller, trace: Trace) -> Any:
    """The result of some deployment, or, for vectors, one that was given before."""
    if task != "embeddings" or road.cache is None:
        return await route(road, task, request, caller, trace)
    result = await road.cache.embedding_model(Routed(road, caller, trace, request.model), caller).embeddings(request)
    if not trace.calls:
        trace.cache = "exact"
    return result


async def route(road: Host, task: Task, request: Any, caller: Caller, trace: Trace) -> Any:
    return await road.router.call(request.model, caller, lambda name: ask(road, task, name, request, trace))


class Routed:
    """The deployments behind a name as one `EmbeddingModel`."""

    def __init__(self, road: Host, caller: Caller, trace: Trace, name: str) -> None:
        self.name = name
        self._road = road
        self._caller = caller
        self._trace = trace

    async def embeddings(self, request: EmbeddingRequest) -> Embeddings:
        result: Embeddings = await route(self._road, "embeddings", request, self._caller, self._trace)
        return result


async def ask(road: Host, task: Task, name: str, request: Any, trace: Trace) -> Any:
    """One attempt, as a span."""
    find, method = METHODS[task]
    model = getattr(road.models, find)(name)
    call = CallRecord(model=model.name)
    began = time.perf_counter()
    with trace.call(f"{task} {model.name}") as span:
        span.attributes |= {names.OPERATION: task, names.REQUEST_MODEL: model.name}
        try:
            result = await getattr(model, method)(request)
        except BaseException as error:
            call.status = status_of(error)
            raise
        else:
            usage: Usage = result.usage
            call.cost = road.prices.cost(model.name, usage)
            call.prompt_tokens, call.completion_tokens = usage.prompt_tokens, usage.completion_tokens
            call.cached_tokens, call.estimated = usage.cached_tokens, usage.estimated
            result.cost = call.cost
            span.attributes |= {names.INPUT_TOKENS: usage.prompt_tokens, names.COST: call.cost}
            return result
        finally:
            call.seconds = time.perf_counter() - began
            trace.add(call)


def texts_of(request: Any) -> Sequence[str]:
    """The texts of a request of any task."""
    return [item for item in inputs_of(request) if isinstance(item, str)]


def estimate(request: Any) -> int:
    """The tokens of a request of any task, before it is made: what a limit reserves."""
    return sum(map(estimate_input, inputs_of(request)))


def estimate_input(item: Any) -> int:
    """The tokens of a text, of a list of token numbers, or of a part as OpenAI's moderation takes them."""
    if isinstance(item, str):
        return estimate_text(item)
    if isinstance(item, list):
        return len(item)
    text = item.get("text") if isinstance(item, dict) else None
    return estimate_text(text) if isinstance(text, str) else IMAGE_TOKENS


def inputs_of(request: Any) -> list[Any]:
    """What a request of any task is about."""
    for name in ("input", "query", "prompt"):
        value = getattr(request, name, None)
        if isinstance(value, str):
            return [value, *getattr(request, "documents", [])]
        if isinstance(value, list):
            return value
    return []
