"""A model whose every call is a span: the prompt as it was sent, the answer, tokens, times, cost."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Struct

from guru.errors import UNSENT
from guru.gateway.cost.prices import tier_of
from guru.gateway.steps import Prices, Tokens
from guru.gateway.whole import Whole, answer, whole_of
from guru.observe import names
from guru.observe.spans import CallRecord, Span, Step, Trace, status_of
from guru.protocols import ChatModel
from guru.types import ChatRequest, Completed, Delta, Event, Finished, Sampling, TextRequest, Usage

NOT_PARAMETERS = {"model", "messages", "prompt", "tools", "guru", "metadata", "user", "stream"}


def shape(kind: type[Sampling]) -> tuple[Callable[..., Struct], Callable[[Sampling], tuple[Any, ...]]]:
    """The parameters of a kind of request as a struct, which is encoded without its defaults, and how to read them."""
    fields = [field for field in msgspec.structs.fields(kind) if field.name not in NOT_PARAMETERS]
    members = [
        (field.name, Any, msgspec.field(default_factory=field.default_factory))
        if field.default_factory is not msgspec.NODEFAULT else (field.name, Any, field.default)
        for field in fields
    ]  # fmt: skip
    return msgspec.defstruct("Parameters", members, omit_defaults=True), attrgetter(*(field.name for field in fields))


CHAT, TEXT = shape(ChatRequest), shape(TextRequest)


class TracedModel:
    """Wraps the model of one attempt, and adds what the attempt used to the request's trace."""

    def __init__(
        self,
        model: ChatModel,
        trace: Trace,
        prices: Prices,
        tokens: Tokens,
        *,
        variant: str | None = None,
        content: bool = True,
    ) -> None:
        """`content`: whether prompt and answer are kept."""
        self._model = model
        self._trace = trace
        self._prices = prices
        self._tokens = tokens
        self._variant = variant
        self._content = content
        self.name = model.name

    @property
    def small(self) -> bool:
        return getattr(self._model, "small", False)

    @property
    def context_length(self) -> int:
        return self._model.context_length

    def chat(self, request: ChatRequest) -> AsyncIterator[Event]:
        return self._record(request, self._model.chat(request))

    def complete(self, request: TextRequest) -> AsyncIterator[Event]:
        return self._record(request, self._model.complete(request))

    @property
    def whole(self) -> Whole | None:
        """See `guru.gateway.whole`."""
        return self._whole if whole_of(self._model) is not None else None

    async def _whole(self, request: ChatRequest | TextRequest) -> list[Event]:
        with self._step(request) as span:
            call = self._begin(span, request)
            error: BaseException | None = None
            try:
                events = await answer(self._model, request)
                self._note(call, events)
                return events
            except BaseException as failure:
                error = failure
                raise
            finally:
                self._end(call, request, error)

    async def _record(self, request: ChatRequest | TextRequest, events: AsyncIterator[Event]) -> AsyncGenerator[Event]:
        with self._step(request) as span:
            call = self._begin(span, request)
            error: BaseException | None = None
            try:
                async with aclosing(events) as stream:  # type: ignore[type-var]
                    async for event in stream:
                        if type(event) is Delta:
                            call.piece(event)
                        else:
                            self._note(call, (event,))
                        yield event
            except BaseException as failure:
                error = failure
                raise
            finally:
                self._end(call, request, error, getattr(events, "so_far", None) if call.completed is None else None)

    def _step(self, request: ChatRequest | TextRequest) -> Step:
        return self._trace.call(f"{'text_completion' if isinstance(request, TextRequest) else 'chat'} {self.name}")

    def _begin(self, span: Span, request: ChatRequest | TextRequest) -> Call:
        attributes = span.attributes
        attributes[names.OPERATION] = "text_completion" if isinstance(request, TextRequest) else "chat"
        attributes[names.REQUEST_MODEL] = self.name
        attributes[names.REQUEST_PARAMETERS] = parameters(request)
        if self._content:
            describe(request, span)
        return Call(span, self._trace)

    def _note(self, call: Call, events: Iterable[Event]) -> None:
        for event in events:
            kind = type(event)
            if kind is Delta:
                call.piece(event)  # type: ignore[arg-type]
            elif kind is Finished:
                call.reasons.append(event.reason)  # type: ignore[union-attr]
            elif kind is Completed:
                self._complete(call, event)  # type: ignore[arg-type]
                # Before the event goes on: whoever reads it adds up what all calls have cost.
                self._trace.add(call.record(self.name, self._variant, None))

    def _end(
        self,
        call: Call,
        request: ChatRequest | TextRequest,
        error: BaseException | None,
        said: Completed | None = None,
    ) -> None:
        if call.completed is None:
            self._interrupted(call, request, error, said)
            self._trace.add(call.record(self.name, self._variant, error))
        call.describe(content=self._content)

    def _complete(self, call: Call, event: Completed) -> None:
        call.completed = event
        call.usage = event.usage
        call.cost = self._prices.cost(self.name, event.usage, tier=tier_of(event.extra) if event.extra else None)
        event.cost = call.cost

    def _interrupted(
        self, call: Call, request: ChatRequest | TextRequest, error: BaseException | None, said: Completed | None
    ) -> None:
        """What the provider bills of an answer that was not finished: the prompt, and what was generated so far.

        `said` is what it has told of that: the prompt exactly, the answer as far as it was counted then.
        One that failed before it began, or that was still waiting for a connection, is not billed.
        """
        if not call.pieces and (isinstance(error, Exception) or UNSENT in getattr(error, "__notes__", ())):
            return
        usage = self._tokens.interrupted(self.name, request, call.text())
        if said is not None and said.usage.prompt_tokens:
            generated = max(said.usage.completion_tokens, usage.completion_tokens)
            usage = msgspec.structs.replace(said.usage, completion_tokens=generated, estimated=True)
        # A tier that is asked for is nearly always given: the best that is known of an answer without a word of it.
        asked = {"service_tier": request.extra.get("service_tier")}
        call.usage = usage
        call.cost = self._prices.cost(self.name, usage, tier=tier_of(said.extra if said is not None else asked))


class Call:
    """What is known of a call so far."""

    def __init__(self, span: Span, trace: Trace) -> None:
        self._span = span
        self._trace = trace
        self._deltas: list[Delta] = []
        self.reasons: list[str] = []
        self.completed: Completed | None = None
        self.usage = Usage()
        self.cost: float | None = 0.0

    @property
    def pieces(self) -> int:
        return len(self._deltas)

    def piece(self, event: Delta) -> None:
        if not self._deltas:
            self._span.attributes[names.FIRST_CHUNK] = self._trace.elapsed - self._span.start
        self._deltas.append(event)

    def text(self) -> str:
        """Everything that was generated."""
        return "".join(
            event.text + event.reasoning + "".join(part.arguments for part in event.tool_calls)
            for event in self._deltas
        )

    def describe(self, *, content: bool) -> None:
        """Write down what came of it."""
        attributes = self._span.attributes
        if content:
            attributes[names.OUTPUT_MESSAGES] = self._answers()
        usage, done = self.usage, self.completed
        attributes[names.FINISH_REASONS] = self.reasons
        attributes[names.INPUT_TOKENS] = usage.prompt_tokens
        attributes[names.OUTPUT_TOKENS] = usage.completion_tokens
        attributes[names.COST] = self.cost
        if usage.cached_tokens:
            attributes[names.CACHED_TOKENS] = usage.cached_tokens
        if usage.estimated:
            attributes[names.USAGE_ESTIMATED] = True
        if done is not None:
            attributes[names.RESPONSE_MODEL] = done.model
            if done.timings:
                attributes[names.TIMINGS] = dict(done.timings)

    def record(self, model: str, variant: str | None, error: BaseException | None) -> CallRecord:
        usage = self.usage
        status = "ok" if self.completed is not None else "error" if error is None else status_of(error)
        return CallRecord(
            model=model, variant=variant, status=status,
            prompt_tokens=usage.prompt_tokens, completion_tokens=usage.completion_tokens,
            cached_tokens=usage.cached_tokens, cache_write_tokens=usage.cache_write_tokens,
            reasoning_tokens=usage.reasoning_tokens, cost=self.cost, estimated=usage.estimated,
            seconds=self._trace.elapsed - self._span.start,
        )  # fmt: skip

    def _answers(self) -> list[dict[str, Any]]:
        if len(self._deltas) == 1:
            (event,) = self._deltas
            return [{"role": "assistant", "content": event.text, "tool_calls": event.tool_calls}]
        texts: dict[int, list[str]] = {}
        tools: dict[int, list[Any]] = {}
        for event in self._deltas:
            texts.setdefault(event.index, []).append(event.text)
            if event.tool_calls:
                tools.setdefault(event.index, []).extend(event.tool_calls)
        return [
            {"role": "assistant", "content": "".join(parts), "tool_calls": tools.get(index, [])}
            for index, parts in sorted(texts.items())
        ]


def describe(request: ChatRequest | TextRequest, span: Span) -> None:
    """The prompt as it is sent."""
    if isinstance(request, TextRequest):
        span.attributes[names.INPUT_MESSAGES] = request.prompt
        return
    span.attributes[names.INPUT_MESSAGES] = request.messages
    if request.tools:
        span.attributes[names.TOOLS] = request.tools
    if request.metadata:
        span.attributes[names.METADATA] = request.metadata


def parameters(request: ChatRequest | TextRequest) -> Struct:
    """What the caller asked for, apart from the prompt and what was left at its default."""
    make, read = TEXT if isinstance(request, TextRequest) else CHAT
    return make(*read(request))
