"""Counters, histograms and gauges, rendered as Prometheus text (exposition format 0.0.4).

Our own, because it is a page: the event loop is the only writer, so nothing needs a lock, and counting costs one
dictionary access.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from guru.observe.spans import TraceRecord

Labels = tuple[str, ...]
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
MOST_MODELS = 500
"""Names that are told apart. Callers choose the names of models: without an end they could fill the memory."""


class Metric(Protocol):
    name: str
    help: str
    kind: str

    def lines(self) -> Iterable[str]: ...


class Counter:
    """A number that only grows, per combination of label values."""

    kind = "counter"

    def __init__(self, name: str, help: str, labels: Labels = ()) -> None:
        self.name = name
        self.help = help
        self.labels = labels
        self.values: dict[Labels, float] = {} if labels else {(): 0.0}

    def add(self, *values: str, amount: float = 1.0) -> None:
        self.values[values] = self.values.get(values, 0.0) + amount

    def lines(self) -> Iterable[str]:
        for values, value in self.values.items():
            yield f"{self.name}{label_set(self.labels, values)} {number(value)}"


class Histogram:
    """How often an observed value was at most each bound."""

    kind = "histogram"

    def __init__(self, name: str, help: str, labels: Labels = (), bounds: tuple[float, ...] = SECONDS) -> None:
        self.name = name
        self.help = help
        self.labels = labels
        self.bounds = bounds
        self.counts: dict[Labels, list[int]] = {}
        self.sums: dict[Labels, float] = {}

    def observe(self, *values: str, value: float) -> None:
        counts = self.counts.get(values)
        if counts is None:
            counts = self.counts[values] = [0] * (len(self.bounds) + 1)
            self.sums[values] = 0.0
        counts[bisect_left(self.bounds, value)] += 1
        self.sums[values] += value

    def lines(self) -> Iterable[str]:
        names = (*self.labels, "le")
        for values, counts in self.counts.items():
            total = 0
            for bound, count in zip((*map(number, self.bounds), "+Inf"), counts, strict=True):
                total += count
                yield f"{self.name}_bucket{label_set(names, (*values, bound))} {total}"
            yield f"{self.name}_sum{label_set(self.labels, values)} {number(self.sums[values])}"
            yield f"{self.name}_count{label_set(self.labels, values)} {total}"


class Gauge:
    """A number that is looked up when somebody asks. `read` gives a value, or one per label value."""

    def __init__(
        self,
        name: str,
        help: str,
        read: Callable[[], float | Mapping[Labels, float]],
        labels: Labels = (),
        kind: str = "gauge",
    ) -> None:
        self.kind = kind
        self.name = name
        self.help = help
        self.labels = labels
        self.read = read

    def lines(self) -> Iterable[str]:
        value = self.read()
        for values, item in value.items() if isinstance(value, Mapping) else [((), value)]:
            yield f"{self.name}{label_set(self.labels, values)} {number(item)}"


class Metrics:
    """What this server counts. `/metrics` renders it."""

    def __init__(self) -> None:
        self.requests = Counter("guru_requests_total", "Requests that took the road.", ("route", "model", "status"))
        self.duration = Histogram("guru_request_seconds", "From the request to its last event.", ("route",))
        self.first_token = Histogram("guru_first_token_seconds", "From the request to its first token.", ("route",))
        self.cache = Counter("guru_cache_total", "Where answers came from.", ("status",))
        self.calls = Counter("guru_model_calls_total", "Calls of models, retries included.", ("model", "status"))
        self.call_duration = Histogram("guru_model_call_seconds", "From a call to its last event.", ("model",))
        self.tokens = Counter("guru_tokens_total", "Tokens, as the model bills them.", ("model", "kind"))
        self.cost = Counter("guru_cost_usd_total", "US dollars, where the price is known.", ("model",))
        self.errors = Counter("guru_errors_total", "Answers that were errors.", ("type",))
        self._models: set[str] = set()
        self._metrics: list[Metric] = [
            self.requests, self.duration, self.first_token, self.cache, self.calls, self.call_duration, self.tokens,
            self.cost, self.errors,
        ]  # fmt: skip

    def count(self, record: TraceRecord) -> None:
        """Count a request that has ended, and the calls of models that it took."""
        self.requests.add(record.route, self._label(record.model or "none"), record.status)
        self.duration.observe(record.route, value=record.duration)
        if record.first_token is not None:
            self.first_token.observe(record.route, value=record.first_token)
        self.cache.add(record.cache)
        for call in record.calls:
            model = self._label(call.model)
            self.calls.add(model, call.status)
            self.call_duration.observe(model, value=call.seconds)
            self.tokens.add(model, "prompt", amount=call.prompt_tokens)
            self.tokens.add(model, "completion", amount=call.completion_tokens)
            if call.cached_tokens:
                self.tokens.add(model, "cached", amount=call.cached_tokens)
            if call.cost:
                self.cost.add(model, amount=call.cost)

    def _label(self, model: str) -> str:
        """The model's name, or `other` when there are too many."""
        if model not in self._models:
            if len(self._models) >= MOST_MODELS:
                return "other"
            self._models.add(model)
        return model

    def add(self, metric: Metric) -> None:
        """Render one more."""
        self._metrics.append(metric)

    def render(self, *more: Metric) -> str:
        """Everything, as Prometheus text, with `more` that were looked up for this answer."""
        lines: list[str] = []
        for metric in (*self._metrics, *more):
            lines.append(f"# HELP {metric.name} {metric.help}")
            lines.append(f"# TYPE {metric.name} {metric.kind}")
            lines.extend(metric.lines())
        return "\n".join(lines) + "\n"


def label_set(names: Labels, values: Labels) -> str:
    if not names:
        return ""
    pairs = (f'{name}="{escape(value)}"' for name, value in zip(names, values, strict=True))
    return "{" + ",".join(pairs) + "}"


def escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
