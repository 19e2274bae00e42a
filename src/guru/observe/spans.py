"""A trace is what happened to one request: spans, one inside the other, with attributes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from operator import attrgetter
from types import TracebackType
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

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


class TraceRecord(Struct, tag="end"):
    """A trace as it is kept. `started_at` is seconds since 1970; durations are seconds."""

    id: str
    tenant: str
    route: str
    requested: str | None = None
    """The model or alias that was asked for."""
    model: str | None = None
    key: str | None = None
    team: str | None = None
    user: str | None = None
    cache: str = "miss"
    variant: str | None = None
    calls: list[CallRecord] = []
    status: str = "ok"
    error: str | None = None
    started_at: float = 0.0
    first_token: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    preview: str | None = None
    duration: float = 0.0
    tags: list[str] = []
    attributes: msgspec.Raw = EMPTY
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

    __slots__ = ("_attributes", "_leaf", "_name", "_span", "_trace")

    def __init__(self, trace: Trace, name: str, attributes: dict[str, Any], leaf: bool) -> None:
        self._trace = trace
        self._name = name
        self._attributes = attributes
        self._leaf = leaf

    def __enter__(self) -> Span:
        span = self._span = self._trace.enter(self._name, self._attributes, self._leaf)
        return span

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        span = self._span
        if error is not None:
            span.status = status_of(error)
            if span.status == "error":
                span.attributes[names.ERROR_TYPE] = type(error).__name__
                span.attributes[names.ERROR_MESSAGE] = str(error)
        self._trace.leave(span, self._leaf)


class Trace(Struct):
    """Collects the spans of one request, in the one task that serves it. Its fields are those of `TraceRecord`."""

    id: str
    tenant: str
    route: str
    requested: str | None = None
    model: str | None = None
    key: str | None = None
    team: str | None = None
    user: str | None = None
    tags: tuple[str, ...] = ()
    cache: str = "miss"
    variant: str | None = None
    calls: list[CallRecord] = []
    status: Status = "ok"
    error: str | None = None
    started_at: float = field(default_factory=time.time)
    first_token: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    preview: str | None = None
    attributes: dict[str, Any] = {}
    _told: bool = False
    _zero: float = field(default_factory=time.perf_counter)
    _spans: list[Span] = []
    _open: list[Span] = []

    @property
    def elapsed(self) -> float:
        """Seconds since the trace began."""
        return time.perf_counter() - self._zero

    def span(self, name: str, **attributes: Any) -> Step:
        """A step inside the one that is open now; use it in a `with` statement."""
        return Step(self, name, attributes, False)

    def call(self, name: str) -> Step:
        """A step for the call of a model: nothing lies inside it, and others may begin before it ends."""
        return Step(self, name, {}, True)

    def enter(self, name: str, attributes: dict[str, Any], leaf: bool) -> Span:
        """Open a span. `leave` closes it."""
        spans, opened = self._spans, self._open
        parent = opened[-1].id if opened else spans[0].id if spans else None
        span = Span(str(len(spans) + 1), parent, name, time.perf_counter() - self._zero, attributes)
        spans.append(span)
        if not leaf:
            opened.append(span)
        return span

    def leave(self, span: Span, leaf: bool) -> None:
        span.end = self.elapsed
        if not leaf:
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
        for span in self._spans:
            if not span.end:
                span.end = duration  # still open
        attributes = msgspec.Raw(encode(self.attributes)) if self.attributes else EMPTY
        rest = (duration, list(self.tags), attributes, msgspec.Raw(encode(self._spans)))
        return TraceRecord(*(_same(self) + rest))


_same = attrgetter(*TraceRecord.__struct_fields__[: TraceRecord.__struct_fields__.index("duration")])
"""What a record has from its trace as it is: its first fields."""


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
