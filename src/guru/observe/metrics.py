"""Counters, histograms and gauges, rendered as Prometheus text (exposition format 0.0.4).

Our own, because it is a page: the event loop is the only writer, so nothing needs a lock, and counting costs one
dictionary access.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from guru.observe.spans import CallRecord, TraceRecord

Labels = tuple[str, ...]
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
MOST_MODELS = 500
"""Names that are told apart. Callers choose the names of models: without an end they could fill the memory."""


class Metric(Protocol):
    name: str
    help: str
    kind: str

    def lines(self) -> Iterable[str]: ...


class Count:
    """A number that only grows."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0.0


class Counter:
    """A number that only grows, per combination of label values."""

    kind = "counter"

    def __init__(self, name: str, help: str, labels: Labels = ()) -> None:
        self.name = name
        self.help = help
        self.labels = labels
        self.counted: dict[Labels, Count] = {} if labels else {(): Count()}

    def add(self, *values: str, amount: float = 1.0) -> None:
        self.of(values).number += amount

    def of(self, values: Labels) -> Count:
        """The number with these label values."""
        found = self.counted.get(values)
        if found is None:
            found = self.counted[values] = Count()
        return found

    def lines(self) -> Iterable[str]:
        for values, count in self.counted.items():
            yield f"{self.name}{label_set(self.labels, values)} {number(count.number)}"


class Observed:
    """The observations of one combination of label values."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Histogram:
    """How often an observed value was at most each bound."""

    kind = "histogram"

    def __init__(self, name: str, help: str, labels: Labels = (), bounds: tuple[float, ...] = SECONDS) -> None:
        self.name = name
        self.help = help
        self.labels = labels
        self.bounds = bounds
        self.observed: dict[Labels, Observed] = {}

    def observe(self, *values: str, value: float) -> None:
        self.of(values).observe(value)

    def of(self, values: Labels) -> Observed:
        """What was observed with these label values."""
        found = self.observed.get(values)
        if found is None:
            found = self.observed[values] = Observed(self.bounds)
        return found

    def lines(self) -> Iterable[str]:
        names = (*self.labels, "le")
        for values, observed in self.observed.items():
            total = 0
            for bound, count in zip((*map(number, self.bounds), "+Inf"), observed.counts, strict=True):
                total += count
                yield f"{self.name}_bucket{label_set(names, (*values, bound))} {total}"
            yield f"{self.name}_sum{label_set(self.labels, values)} {number(observed.sum)}"
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
        self.prompts = Counter(
            "guru_prompt_requests_total", "Requests that began with a prompt of the library.", ("prompt", "status")
        )
        self.prompt_cost = Counter("guru_prompt_cost_usd_total", "US dollars, by version of a prompt.", ("prompt",))
        self.errors = Counter("guru_errors_total", "Answers that were errors.", ("type",))
        self._models: set[str] = set()
        self._of_requests: dict[Labels, OfRequests] = {}
        self._of_calls: dict[Labels, OfCalls] = {}
        self._metrics: list[Metric] = [
            self.requests, self.duration, self.first_token, self.cache, self.calls, self.call_duration, self.tokens,
            self.cost, self.prompts, self.prompt_cost, self.errors,
        ]  # fmt: skip

    def count(self, record: TraceRecord) -> None:
        """Count a request that has ended, and the calls of models that it took."""
        request = (record.route, self._label(record.model or "none"), record.status, record.cache)
        counters = self._of_requests.get(request)
        if counters is None:
            counters = self._of_requests[request] = OfRequests(self, *request)
        counters.count(record)
        for call in record.calls:
            kind = (self._label(call.model), call.status)
            counted = self._of_calls.get(kind)
            if counted is None:
                counted = self._of_calls[kind] = OfCalls(self, *kind)
            counted.count(call)

    def count_prompt(self, prompt: str, record: TraceRecord) -> None:
        """Count a request that began with a version of the library's prompt, as `name@3`."""
        label = self._label(prompt)
        self.prompts.add(label, record.status)
        self.prompt_cost.add(label, amount=record.cost)

    def _label(self, model: str) -> str:
        """The name of a model or a prompt, or `other` when there are too many."""
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


class OfRequests:
    """What counts the requests of one route, model, status and place in the cache, looked up once."""

    def __init__(self, metrics: Metrics, route: str, model: str, status: str, cache: str) -> None:
        self._requests = metrics.requests.of((route, model, status))
        self._cache = metrics.cache.of((cache,))
        self._duration = metrics.duration.of((route,))
        self._metrics, self._route = metrics, route

    def count(self, record: TraceRecord) -> None:
        self._requests.number += 1
        self._cache.number += 1
        self._duration.observe(record.duration)
        if record.first_token is not None:
            self._metrics.first_token.of((self._route,)).observe(record.first_token)


class OfCalls:
    """What counts the calls of one model that ended in one way, looked up once."""

    def __init__(self, metrics: Metrics, model: str, status: str) -> None:
        self._calls = metrics.calls.of((model, status))
        self._duration = metrics.call_duration.of((model,))
        self._prompt = metrics.tokens.of((model, "prompt"))
        self._completion = metrics.tokens.of((model, "completion"))
        self._metrics, self._model = metrics, model

    def count(self, call: CallRecord) -> None:
        self._calls.number += 1
        self._duration.observe(call.seconds)
        self._prompt.number += call.prompt_tokens
        self._completion.number += call.completion_tokens
        if call.cached_tokens:
            self._metrics.tokens.add(self._model, "cached", amount=call.cached_tokens)
        if call.cost:
            self._metrics.cost.add(self._model, amount=call.cost)


def label_set(names: Labels, values: Labels) -> str:
    if not names:
        return ""
    pairs = (f'{name}="{escape(value)}"' for name, value in zip(names, values, strict=True))
    return "{" + ",".join(pairs) + "}"


def escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
