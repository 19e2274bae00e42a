"""The road: every model call, whatever door it came through, runs here, and all of it is one trace.

identify -> prompt -> limit -> retrieve -> route -> cache -> model -> cite -> settle. Identifying is done by the door,
before it has a `Caller`; cache, context and routing are models around the model that answers (see `steps`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from typing import Any

import msgspec

from guru.config import Deployment, Settings
from guru.errors import GuruError, InvalidParameter
from guru.gateway import prompting, whole
from guru.gateway.identity import Caller
from guru.gateway.searching import (
    RoadModels,
    Search,
    passages_wanted,
    perform_search,
    retrieve,
    told_hits,
    with_defaults,
)
from guru.gateway.steps import (
    PREVIEW,
    Answerer,
    Cache,
    Context,
    Knowledge,
    Limiter,
    Memory,
    Passages,
    Prices,
    PromptMarks,
    Request,
    Reservation,
    Router,
    Tokens,
    admit,
    settle,
)
from guru.gateway.tasks import Task, perform
from guru.gateway.traced import TracedModel
from guru.gateway.voting import VotingModel
from guru.observe import names
from guru.observe.metrics import Metrics
from guru.observe.spans import Trace, TraceRecord, cost_of
from guru.observe.traces import Tracer
from guru.protocols import ChatModel, PromptLibrary
from guru.tasks import TaskModels
from guru.types import (
    ChatRequest,
    Cited,
    Completed,
    Delta,
    Event,
    Grounding,
    RenderedPrompt,
    Retrieved,
    SelfConsistency,
    Started,
    TextRequest,
    Unsupported,
)


class Road:
    """Takes requests to models and events back."""

    def __init__(
        self,
        *,
        settings: Settings,
        models: TaskModels,
        router: Router,
        prices: Prices,
        tokens: Tokens,
        limiter: Limiter | None = None,
        cache: Cache | None = None,
        context: Context | None = None,
        marks: PromptMarks | None = None,
        knowledge: Knowledge,
        answerer: Answerer,
        memory: Memory | None = None,
        prompts: PromptLibrary | None = None,
        trials: prompting.Trials | None = None,
        tracer: Tracer,
        metrics: Metrics,
    ) -> None:
        self.models = models
        self.router = router
        self.prices = prices
        self.tokens = tokens
        self.limiter = limiter
        self._settings = settings
        self.cache = cache
        self._marks = marks
        self._context = context
        self._knowledge = knowledge
        self._answerer = answerer
        self._memory = memory
        self._prompts = prompts
        self._trials = trials
        self._tracer = tracer
        self._metrics = metrics

    def reload(self, settings: Settings) -> None:
        """Requests that begin from now on are served by the new configuration."""
        self._settings = settings

    async def run(self, request: Request, caller: Caller) -> AsyncGenerator[Event]:
        """Stream the answer. Close the iterator to cancel; whatever happens, the trace and the usage are kept.

        Raises `RateLimited`, `ModelNotFound`, `BadRequest`s and `ModelError`s.
        """
        trace = self.begin(request.model, caller)
        trace.preview = preview(request)
        reservation = None
        prompt: RenderedPrompt | None = None
        ended, failure = None, None
        try:
            with trace.span(caller.route):
                if isinstance(request, ChatRequest) and prompting.has_prompt(request):
                    request, caller, prompt, ended = await prompting.fill_in(
                        self._prompts, self._trials, request, caller, trace
                    )
                    trace.preview = preview(request)
                samples = prompt.self_consistency if prompt else None
                model, reservation = await self._admit(request, caller, trace, samples)
                yield Started(model=model.name, trace_id=trace.id)
                request = await self._remember(request, caller, trace)
                async with aclosing(self._events(request, model, caller, trace)) as events:
                    async for event in events:
                        if type(event) is not Delta or trace.first_token is None:
                            note((event,), trace)
                        if type(event) is Started and event.model == model.name and event.cache == "miss":
                            continue  # as planned
                        if prompt is not None and type(event) is Completed:
                            prompting.tell(event, prompt)
                        yield event
                self._answered(request, caller)
        except BaseException as error:
            trace.failed(error)
            failure = error
            raise
        finally:
            record = self.end(trace)
            settle(reservation, record.calls)
            if ended is not None:
                ended(failure, record)
            failure = None  # else this frame and the error would keep each other

    async def answer(self, request: Request, caller: Caller) -> list[Event]:
        """All events of an answer that is not streamed: what `run` gives, with less work on the way.

        Cancel it to cancel the work. Raises as `run` does.
        """
        if isinstance(request, ChatRequest) and (grounding_of(request) or prompting.has_prompt(request)):
            return await whole.collect(self.run(request, caller))
        trace = self.begin(request.model, caller)
        trace.preview = preview(request)
        reservation = None
        try:
            with trace.span(caller.route):
                model, reservation = await self._admit(request, caller, trace)
                events = await whole.answer(model, await self._remember(request, caller, trace))
                note(events, trace)
                if type(events[0]) is not Started:
                    events.insert(0, Started(model=model.name, trace_id=trace.id))
                self._answered(request, caller)
                return events
        except BaseException as error:
            trace.failed(error)
            raise
        finally:
            settle(reservation, self.end(trace).calls)

    async def _admit(
        self, request: Request, caller: Caller, trace: Trace, samples: SelfConsistency | None = None
    ) -> tuple[ChatModel, Reservation | None]:
        """The model that answers, once the limits let the request pass."""
        check_grounding(request)
        prompt, answer = self.tokens.estimate(request)
        if self._remembers(request, caller):
            prompt += self._memory.room  # type: ignore[union-attr]
        model = self._model(request, caller, trace, prompt, samples)
        if samples is not None:
            prompt, answer = prompt * samples.samples, answer * samples.samples
        cost = self.prices.estimate(model.name, prompt, answer)
        return model, await admit(self.limiter, caller, request.model, prompt + answer, cost)

    def _remembers(self, request: Request, caller: Caller) -> bool:
        return self._memory is not None and self._memory.wanted(request, caller)

    async def _remember(self, request: Request, caller: Caller, trace: Trace) -> Request:
        """The request with what is remembered of the person who asks, where it uses memory."""
        if self._memory is None or isinstance(request, TextRequest) or not self._memory.wanted(request, caller):
            return request
        try:
            with trace.span("memory") as span:
                prepared, note = await self._memory.prepare(request, caller)
                span.set(names.MEMORY, note)
        except GuruError as error:
            trace.attributes[names.MEMORY] = {"failed": str(error)}
            return request
        trace.attributes[names.MEMORY] = note
        return prepared

    def _answered(self, request: Request, caller: Caller) -> None:
        if self._memory is not None and isinstance(request, ChatRequest) and self._memory.wanted(request, caller):
            self._memory.answered(request, caller)

    async def perform(self, task: Task, request: Any, caller: Caller) -> Any:
        """The result for a request of `guru.tasks`. Raises as `run` does."""
        return await perform(self, task, request, caller)

    def begin(self, requested: str, caller: Caller) -> Trace:
        """A new trace for a request, on disk before anybody hears of it."""
        trace = self._tracer.begin(caller.trace_id, caller.tenant, caller.route)
        trace.requested = requested
        trace.key, trace.team, trace.user, trace.tags = caller.key, caller.team, caller.user, caller.tags
        return trace

    def end(self, trace: Trace) -> TraceRecord:
        """Keep a trace and count what it says."""
        record = self._tracer.end(trace)
        self._metrics.count(record)
        if (prompt := trace.attributes.get(names.PROMPT_NAME)) is not None:
            self._metrics.count_prompt(f"{prompt}@{trace.attributes[names.PROMPT_VERSION]}", record)
        return record

    @property
    def keeps_content(self) -> bool:
        """Whether what people, models and tools write is kept with traces."""
        return self._settings.traces.content

    def _model(
        self, request: Request, caller: Caller, trace: Trace, tokens: int, samples: SelfConsistency | None = None
    ) -> ChatModel:
        """The model that answers: routed, with a context that fits, asked once or several times, behind the cache."""

        def route(name: str) -> ChatModel:
            return self.route(name, request, caller, trace)

        model = route(request.model)
        trace.model = model.name
        alias = self._settings.models.get(request.model)
        if self._context is not None and isinstance(request, ChatRequest):
            known = tokens if request.guru is None and not self._remembers(request, caller) else None
            model = self._context.model(
                model, request.model, route, caller.tenant, tokens=known, record=trace.attributes.__setitem__
            )
        if samples is not None:
            model = VotingModel(model, samples, trace.attributes.__setitem__)
        if self.cache is not None:
            if self._remembers(
                request, caller
            ):  # an answer that knows somebody is nobody else's, nor kept when forgotten
                caller = msgspec.structs.replace(caller, cache="off")
            model = self.cache.model(model, caller, alias.cache if alias else None)
        return model

    def route(self, name: str, request: Request, caller: Caller, trace: Trace) -> ChatModel:
        """The deployments behind a name, whose every call is a span of the trace. Raises `ModelNotFound`."""

        def attempt(model: ChatModel, deployment: Deployment) -> ChatModel:
            if self._marks is not None:
                model = self._marks.model(model)
            return TracedModel(
                model, trace, self.prices, self.tokens, variant=deployment.label, content=self._settings.traces.content
            )

        return self.router.model(name, request, caller, attempt)

    async def search(self, search: Search, caller: Caller) -> Passages:
        """The passages that a search finds. Raises what the knowledge base and the models raise."""
        return await perform_search(self, self._knowledge, self._settings.knowledge, search, caller)

    def _events(self, request: Request, model: ChatModel, caller: Caller, trace: Trace) -> AsyncGenerator[Event]:
        if isinstance(request, TextRequest):
            return model.complete(request)  # type: ignore[return-value]
        grounding = grounding_of(request)
        if grounding is None:
            return model.chat(request)  # type: ignore[return-value]
        return self._grounded(request, grounding, model, caller, trace)

    async def _grounded(
        self, request: ChatRequest, grounding: Grounding, model: ChatModel, caller: Caller, trace: Trace
    ) -> AsyncGenerator[Event]:
        """Retrieve passages and answer from them."""
        settings = self._settings.knowledge
        with trace.span("retrieve") as span:
            models = RoadModels(self, settings.query_model or request.model, caller, trace)
            query, note = await self._answerer.search_query(request, models)
            wanted = passages_wanted(grounding, settings)
            search = Search(
                grounding.collection, query, k=wanted, mode=grounding.mode or settings.mode, filter=grounding.filter,
                options=with_defaults(grounding, settings), to_read=True,
            )  # fmt: skip
            found = await retrieve(self._knowledge, search, caller, models=models, span=span, note=note)
        yield Retrieved(told_hits(grounding, found.hits))
        async with aclosing(self._cite(request, found, model, trace)) as events:
            async for event in events:
                yield event

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

            events: AsyncIterator[Event] = self._answerer.answer(request, found, model, record)
            async with aclosing(events) as stream:  # type: ignore[type-var]
                async for event in stream:
                    if isinstance(event, Cited):
                        citations.extend(event.citations)
                    elif isinstance(event, Unsupported):
                        unsupported.append(event)
                    elif isinstance(event, Completed):
                        span.attributes |= {names.OUTCOME: event.outcome, names.CONFIDENCE: event.confidence}
                    yield event


def grounding_of(request: ChatRequest) -> Grounding | None:
    """What a request is to be answered from; None where it is not from documents."""
    return request.guru if request.guru is not None and request.guru.collection else None


def check_grounding(request: Request) -> None:
    """Raises `InvalidParameter` for a `guru` that says nothing, or two things at once."""
    guru = request.guru if isinstance(request, ChatRequest) else None
    if guru is None:
        return
    if not guru.collection and guru.memory is None:
        hint = "Name a collection to answer from or a prompt to begin with, or ask for memory."
        raise InvalidParameter("`guru.collection` is missing.", param="guru.collection", hint=hint)
    if guru.collection and guru.memory:
        hint = "Leave one of them out: an answer from documents rests on them alone."
        raise InvalidParameter(
            "`guru.collection` and `guru.memory` exclude each other.", param="guru.memory", hint=hint
        )


def note(events: Iterable[Event], trace: Trace) -> None:
    """Write down what events say of the whole request, and into them what only the road knows."""
    for event in events:
        kind = type(event)
        if kind is Delta:
            if trace.first_token is None:
                trace.first_token = trace.elapsed
        elif kind is Started:
            event.trace_id = trace.id  # type: ignore[union-attr]
            trace.model, trace.cache = event.model, event.cache  # type: ignore[union-attr]
            trace.variant = event.variant  # type: ignore[union-attr]
        elif kind is Completed:
            complete(event, trace)  # type: ignore[arg-type]


def complete(event: Completed, trace: Trace) -> None:
    """Add to the last event what only the road knows: times, in seconds, and what everything has cost."""
    event.timings["total"] = trace.elapsed
    if trace.first_token is not None:
        event.timings["first_token"] = trace.first_token
    event.cost = cost_of(trace.calls)
    if (memory := trace.attributes.get(names.MEMORY)) is not None:
        event.extra = event.extra | {"guru": event.extra.get("guru", {}) | {"memory": memory}}
    trace.told(event.usage.prompt_tokens, event.usage.completion_tokens, event.cost or 0.0)


def preview(request: Request) -> str | None:
    """The beginning of what was asked, for lists."""
    if isinstance(request, TextRequest):
        return request.prompt[:PREVIEW] if isinstance(request.prompt, str) else None
    for message in reversed(request.messages):
        if message.role == "user":
            return message.text[:PREVIEW] or None
    return None
