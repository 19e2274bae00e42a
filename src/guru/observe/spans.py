"""A trace is what happened to one request: spans, one inside the other, with attributes."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Literal

from msgspec import Struct

from guru.observe import names

Status = Literal["ok", "error", "cancelled"]


class SpanRecord(Struct, kw_only=True):
    """A span as it is kept. `start` and `end` are seconds since the trace's start."""

    id: str
    parent_id: str | None
    name: str
    start: float
    end: float
    status: str
    attributes: dict[str, Any]


class TraceRecord(Struct, kw_only=True, tag="end"):
    """A trace as it is kept. `started_at` is seconds since 1970; durations are seconds."""

    id: str
    tenant: str
    route: str
    model: str | None
    status: str
    error: str | None
    started_at: float
    duration: float
    first_token: float | None
    prompt_tokens: int
    completion_tokens: int
    cost: float
    preview: str | None
    attributes: dict[str, Any]
    spans: list[SpanRecord]


class Span:
    """One step. A context manager: an exception that passes through marks it as failed, and goes on."""

    __slots__ = ("_trace", "attributes", "end", "id", "name", "parent_id", "start", "status")

    def __init__(self, trace: Trace, name: str, attributes: dict[str, Any]) -> None:
        self._trace = trace
        self.name = name
        self.attributes = attributes
        self.id = ""
        self.parent_id: str | None = None
        self.start = self.end = 0.0
        self.status: Status = "ok"

    def set(self, attribute: str, value: Any) -> None:
        """Note one attribute; see `guru.observe.names`."""
        self.attributes[attribute] = value

    def __enter__(self) -> Span:
        self._trace.enter(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None:
            self.status = status_of(error)
            if self.status == "error":
                self.attributes[names.ERROR_TYPE] = type(error).__name__
                self.attributes[names.ERROR_MESSAGE] = str(error)
        self._trace.leave(self)


class Trace:
    """Collects the spans of one request, in the one task that serves it."""

    def __init__(self, trace_id: str, tenant: str, route: str) -> None:
        self.id = trace_id
        self.tenant = tenant
        self.route = route
        self.model: str | None = None
        self.status: Status = "ok"
        self.error: str | None = None
        self.started_at = time.time()
        self.first_token: float | None = None
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.cost = 0.0
        self.preview: str | None = None
        self.attributes: dict[str, Any] = {}
        self._zero = time.perf_counter()
        self._spans: list[Span] = []
        self._open: list[Span] = []

    @property
    def elapsed(self) -> float:
        """Seconds since the trace began."""
        return time.perf_counter() - self._zero

    def span(self, name: str, **attributes: Any) -> Span:
        """A step inside the one that is open now; use it in a `with` statement."""
        return Span(self, name, attributes)

    def enter(self, span: Span) -> None:
        span.id = str(len(self._spans) + 1)
        span.parent_id = self._open[-1].id if self._open else (self._spans[0].id if self._spans else None)
        span.start = self.elapsed
        self._spans.append(span)
        self._open.append(span)

    def leave(self, span: Span) -> None:
        span.end = self.elapsed
        self._open.remove(span)

    def failed(self, error: BaseException) -> None:
        """Note how the request ended, when it ended in an exception."""
        self.status = status_of(error)
        if self.status == "error":
            self.error = str(error) or type(error).__name__

    def told(self, prompt_tokens: int, completion_tokens: int, cost: float) -> None:
        """Note what the client was told that the request has used, which is what counts."""
        self.prompt_tokens, self.completion_tokens, self.cost = prompt_tokens, completion_tokens, cost

    def record(self) -> TraceRecord:
        """The trace as it is now."""
        duration = self.elapsed
        if self._spans:
            self._spans[0].end = duration  # the root: what followed it belongs to it
        return TraceRecord(
            id=self.id, tenant=self.tenant, route=self.route, model=self.model, status=self.status, error=self.error,
            started_at=self.started_at, duration=duration, first_token=self.first_token,
            prompt_tokens=self.prompt_tokens, completion_tokens=self.completion_tokens, cost=self.cost,
            preview=self.preview, attributes=self.attributes,
            spans=[
                SpanRecord(
                    id=span.id, parent_id=span.parent_id, name=span.name, start=span.start,
                    end=span.end or duration, status=span.status, attributes=span.attributes,
                )
                for span in self._spans
            ],
        )  # fmt: skip


def status_of(error: BaseException) -> Status:
    """`cancelled` where the client went away or the server stops (not an `Exception`), else `error`."""
    return "error" if isinstance(error, Exception) else "cancelled"
