"""A model whose every call is a span: the prompt as it was sent, the answer, tokens, times, cost."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from guru.observe import names
from guru.observe.spans import Span, Trace
from guru.types import ChatModel, ChatRequest, Completed, Delta, Event, Finished, Sampling, TextRequest

NOT_PARAMETERS = {"model", "messages", "prompt", "tools", "guru", "metadata", "user"}


class TracedModel:
    """Wraps the model that answers one request, and adds what each call used to its trace."""

    def __init__(self, model: ChatModel, trace: Trace) -> None:
        self._model = model
        self._trace = trace
        self.name = model.name
        self.context_length = model.context_length
        self.small: bool = getattr(model, "small", False)

    def chat(self, request: ChatRequest) -> AsyncIterator[Event]:
        return self._record("chat", request.messages, request, self._model.chat(request))

    def complete(self, request: TextRequest) -> AsyncIterator[Event]:
        return self._record("text_completion", request.prompt, request, self._model.complete(request))

    async def _record(
        self, operation: str, prompt: Any, request: Sampling, events: AsyncIterator[Event]
    ) -> AsyncGenerator[Event]:
        with self._trace.span(f"{operation} {self.name}") as span:
            span.attributes |= {
                names.OPERATION: operation,
                names.REQUEST_MODEL: self.name,
                names.REQUEST_PARAMETERS: parameters(request),
                names.INPUT_MESSAGES: prompt,
            }
            if isinstance(request, ChatRequest):
                span.attributes |= {names.TOOLS: request.tools, names.METADATA: request.metadata or {}}
            call = Call(span, self._trace)
            try:
                async with aclosing(events) as stream:  # type: ignore[type-var]
                    async for event in stream:
                        call.note(event)
                        yield event
            finally:
                call.settle()


class Call:
    """What is known of a call so far."""

    def __init__(self, span: Span, trace: Trace) -> None:
        self._span = span
        self._trace = trace
        self._texts: dict[int, list[str]] = {}
        self._tools: dict[int, list[Any]] = {}
        self._reasons: list[str] = []
        self._pieces = 0
        self._completed: Completed | None = None

    def note(self, event: Event) -> None:
        match event:
            case Delta():
                if not self._pieces:
                    self._span.set(names.FIRST_CHUNK, self._trace.elapsed - self._span.start)
                self._pieces += 1
                self._texts.setdefault(event.index, []).append(event.text)
                if event.tool_calls:
                    self._tools.setdefault(event.index, []).extend(event.tool_calls)
            case Finished():
                self._reasons.append(event.reason)
            case Completed():
                self._completed = event
            case _:
                pass

    def settle(self) -> None:
        """Write down what was used; where the model had no time to say, the pieces that came are counted."""
        done = self._completed
        prompt_tokens = done.usage.prompt_tokens if done else 0
        completion_tokens = done.usage.completion_tokens if done else self._pieces
        self._trace.prompt_tokens += prompt_tokens
        self._trace.completion_tokens += completion_tokens
        self._trace.cost += done.cost if done else 0.0
        answers = [
            {"role": "assistant", "content": "".join(texts), "tool_calls": self._tools.get(index, [])}
            for index, texts in sorted(self._texts.items())
        ]
        self._span.attributes |= {
            names.OUTPUT_MESSAGES: answers,
            names.FINISH_REASONS: self._reasons,
            names.INPUT_TOKENS: prompt_tokens,
            names.OUTPUT_TOKENS: completion_tokens,
        }
        if done is None:
            self._span.set(names.USAGE_ESTIMATED, True)
            return
        self._span.attributes |= {
            names.RESPONSE_MODEL: done.model,
            names.CACHED_TOKENS: done.usage.cached_tokens,
            names.COST: done.cost,
            names.TIMINGS: dict(done.timings),
        }


def parameters(request: Sampling) -> dict[str, Any]:
    """What the caller asked for, apart from the prompt and what was left at its default."""
    return {
        name: value
        for name in request.__struct_fields__
        if name not in NOT_PARAMETERS and (value := getattr(request, name)) not in (None, [], {}, False)
    }
