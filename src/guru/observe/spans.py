"""A trace is what happened to one request: spans, one inside the other, with attributes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Literal

import msgspec
from msgspec import Struct

from guru.observe import names

EMPTY = msgspec.Raw(b"{}")
NONE = msgspec.Raw(b"[]")
Status = Literal["ok", "error", "cancelled"]


def plain(value: object) -> object:
    """Anything else that found its way into an attribute: a number of numpy's as a number, the rest as text."""
    return value.item() if hasattr(value, "item") else repr(value)


encode = msgspec.json.Encoder(enc_hook=plain).encode


class CallRecord(Struct, kw_only=True, omit_defaults=True):
    """One call of a model, as its provider bills it: what the accounts are made of."""

    model: str
    variant: str | None = None
    status: str = "ok"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost: float | None = 0.0
    """US dollars; None where the price is not known."""
    estimated: bool = False
    """The tokens were counted here, because the provider had no chance to say."""
    shadow: bool = False
    """A mirrored call, whose answer nobody saw."""
    seconds: float = 0.0


class TraceRecord(Struct, kw_only=True, tag="end"):
    """A trace as it is kept. `started_at` is seconds since 1970; durations are seconds."""

    id: str
    tenant: str
    route: str
    requested: str | None = None
    """The model or alias that was asked for."""
    model: str | None
    key: str | None = None
    team: str | None = None
    user: str | None = None
    tags: list[str] = []
    cache: str = "miss"
    variant: str | None = None
    status: str
    error: str | None
    started_at: float
    duration: float
    first_token: float | None
    prompt_tokens: int
    completion_tokens: int
    cost: float
    preview: str | None
    attributes: msgspec.Raw = EMPTY
    calls: list[CallRecord] = []
    spans: msgspec.Raw = NONE
    """JSON of a list of `Span`, encoded once."""


class Span(Struct):
    """One step, as it is kept. `start` and `end` are seconds since the trace's start."""

    id: str
    parent_id: str | None
    name: str
    start: float
    attributes: dict[str, Any]
    end: float = 0.0
    status: Status = "ok"

    def set(self, attribute: str, value: Any) -> None:
        """Note one attribute; see `guru.observe.names`."""
        self.attributes[attribute] = value


class Step:
    """A span that is open inside a `with`. An exception that passes through marks it as failed, and goes on."""

    __slots__ = ("_attributes", "_name", "_span", "_trace")

    def __init__(self, trace: Trace, name: str, attributes: dict[str, Any]) -> None:
        self._trace = trace
        self._name = name
        self._attributes = attributes

    def __enter__(self) -> Span:
        span = self._span = self._trace.enter(self._name, self._attributes)
        return span

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        span = self._span
        if error is not None:
            span.status = status_of(error)
            if span.status == "error":
                span.attributes[names.ERROR_TYPE] = type(error).__name__
                span.attributes[names.ERROR_MESSAGE] = str(error)
        self._trace.leave(span)


class Trace:
    """Collects the spans of one request, in the one task that serves it."""

    def __init__(self, trace_id: str, tenant: str, route: str) -> None:
        self.id = trace_id
        self.tenant = tenant
        self.route = route
        self.requested: str | None = None
        self.model: str | None = None
        self.key: str | None = None
        self.team: str | None = None
        self.user: str | None = None
        self.tags: tuple[str, ...] = ()
        self.cache = "miss"
        self.variant: str | None = None
        self.calls: list[CallRecord] = []
        self.status: Status = "ok"
        self.error: str | None = None
        self.started_at = time.time()
        self.first_token: float | None = None
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.cost = 0.0
        self.preview: str | None = None
        self.attributes: dict[str, Any] = {}
        self._told = False
        self._zero = time.perf_counter()
        self._spans: list[Span] = []
        self._open: list[Span] = []

    @property
    def elapsed(self) -> float:
        """Seconds since the trace began."""
        return time.perf_counter() - self._zero

    def span(self, name: str, **attributes: Any) -> Step:
        """A step inside the one that is open now; use it in a `with` statement."""
        return Step(self, name, attributes)

    def enter(self, name: str, attributes: dict[str, Any]) -> Span:
        """Open a span. `leave` closes it."""
        spans, opened = self._spans, self._open
        parent = opened[-1].id if opened else spans[0].id if spans else None
        span = Span(str(len(spans) + 1), parent, name, time.perf_counter() - self._zero, attributes)
        spans.append(span)
        opened.append(span)
        return span

    def leave(self, span: Span) -> None:
        span.end = self.elapsed
        self._open.remove(span)

    def failed(self, error: BaseException) -> None:
        """Note how the request ended, when it ended in an exception."""
        self.status = status_of(error)
        if self.status == "error":
            self.error = str(error) or type(error).__name__

    def add(self, call: CallRecord) -> None:
        """Note a call of a model, and what it used."""
        self.calls.append(call)
        if not self._told:
            self.prompt_tokens += call.prompt_tokens
            self.completion_tokens += call.completion_tokens
            self.cost += call.cost or 0.0

    def told(self, prompt_tokens: int, completion_tokens: int, cost: float) -> None:
        """Note what the client was told that the request has used: that counts, also of calls that end after it."""
        self._told = True
        self.prompt_tokens, self.completion_tokens, self.cost = prompt_tokens, completion_tokens, cost

    def record(self) -> TraceRecord:
        """The trace as it is now."""
        duration = self.elapsed
        if self._spans:
            self._spans[0].end = duration  # the root: what followed it belongs to it
        for span in self._open:
            span.end = duration  # of what is still open
        return TraceRecord(
            id=self.id, tenant=self.tenant, route=self.route, requested=self.requested, model=self.model,
            key=self.key, team=self.team, user=self.user, tags=list(self.tags), cache=self.cache, variant=self.variant,
            status=self.status, error=self.error, started_at=self.started_at, duration=duration,
            first_token=self.first_token, prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens, cost=self.cost, preview=self.preview,
            attributes=msgspec.Raw(encode(self.attributes)) if self.attributes else EMPTY,
            calls=self.calls, spans=msgspec.Raw(encode(self._spans)),
        )  # fmt: skip


def cost_of(calls: Iterable[CallRecord]) -> float | None:
    """US dollars; None where a price is not known and no other call has cost anything."""
    known, unknown = 0.0, False
    for call in calls:
        if call.cost is None:
            unknown = True
        else:
            known += call.cost
    return None if unknown and not known else known


def status_of(error: BaseException) -> Status:
    """`cancelled` where the client went away or the server stops (not an `Exception`), else `error`."""
    return "error" if isinstance(error, Exception) else "cancelled"
