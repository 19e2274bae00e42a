"""What is counted of a variant, and how two variants compare."""

from __future__ import annotations

import math
from typing import Literal

from msgspec import Struct

from guru.config import ReleaseSettings
from guru.gateway.releases.sequential import Interval, bounded_interval, mean_interval, spend

METRICS = 4
"""errors, latency, cost, quality: each may use a quarter of the error that is allowed."""
LEAST_COST = 1e-7
"""US dollars: stands for nothing, whose logarithm would be none."""
LEAST_SECONDS = 1e-4

Arm = Literal["candidate", "baseline"]
Verdict = Literal["worse", "better", "within", "unclear"]


class Counts(Struct):
    """Sums over the requests of one variant. Latencies and costs are summed as logarithms."""

    requests: int = 0
    errors: int = 0
    timed: int = 0
    latency: float = 0.0
    latency2: float = 0.0
    """Sum of the squares."""
    paid: int = 0
    cost: float = 0.0
    cost2: float = 0.0
    dollars: float = 0.0
    scores: int = 0
    score: float = 0.0

    def add(self, *, failed: bool, seconds: float | None, dollars: float | None) -> None:
        """`dollars` is None where the price is not known: then there is nothing to compare."""
        self.requests += 1
        self.errors += failed
        if failed:
            return
        if seconds is not None:
            logarithm = math.log(max(seconds, LEAST_SECONDS))
            self.timed += 1
            self.latency += logarithm
            self.latency2 += logarithm * logarithm
        if dollars is None:
            return
        logarithm = math.log(max(dollars, LEAST_COST))
        self.paid += 1
        self.cost += logarithm
        self.cost2 += logarithm * logarithm
        self.dollars += dollars

    def plus(self, other: Counts) -> Counts:
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})

    def judged(self, change: float, *, first: bool) -> None:
        """Add a score from 0 to 1, or the difference to the one that its author gave before."""
        self.scores += first
        self.score += change


class Comparison(Struct, kw_only=True):
    """One metric of two variants. `latency` and `cost` are compared as ratios of geometric means."""

    metric: Literal["errors", "latency", "cost", "quality"]
    candidate: float | None
    baseline: float | None
    allowed: float
    """By how much it may be worse: a difference for errors and quality, a share for latency and cost."""
    difference: float | None
    """Positive: the candidate is worse. In the terms of `allowed`."""
    at_least: float | None
    """The smallest and the largest difference that the data allow, at all times at once."""
    at_most: float | None
    verdict: Verdict


def compare(candidate: Counts, baseline: Counts, settings: ReleaseSettings, epoch: int) -> list[Comparison]:
    """All metrics. The chance that equal variants are ever called worse, in any of them, is at most 1 - confidence."""
    alpha = spend((1.0 - settings.confidence) / METRICS, epoch) / 2  # half for each variant's interval

    def rates(counts: Counts) -> Interval:
        return bounded_interval(counts.requests, counts.errors, alpha)

    def scores(counts: Counts) -> Interval:
        return bounded_interval(counts.scores, min(max(counts.score, 0.0), counts.scores), alpha)

    def latencies(counts: Counts) -> Interval:
        return mean_interval(counts.timed, counts.latency, counts.latency2, alpha)

    def costs(counts: Counts) -> Interval:
        return mean_interval(counts.paid, counts.cost, counts.cost2, alpha)

    errors = share(candidate.errors, candidate.requests), share(baseline.errors, baseline.requests)
    quality = share(candidate.score, candidate.scores), share(baseline.score, baseline.scores)
    return [
        difference("errors", errors, rates(candidate), rates(baseline), settings.max_error_increase),
        ratio(
            "latency", means(candidate.latency, candidate.timed, baseline.latency, baseline.timed),
            latencies(candidate), latencies(baseline), settings.max_latency_increase,
        ),
        ratio(
            "cost", means(candidate.cost, candidate.paid, baseline.cost, baseline.paid),
            costs(candidate), costs(baseline), settings.max_cost_increase,
        ),
        difference("quality", quality, scores(candidate), scores(baseline), settings.max_quality_decrease, sign=-1),
    ]  # fmt: skip


Pair = tuple[float | None, float | None]


def difference(
    metric: Literal["errors", "quality"], values: Pair, candidate: Interval, baseline: Interval, allowed: float,
    *, sign: int = 1,
) -> Comparison:  # fmt: skip
    """Of two rates. `sign` -1: more is better."""
    if sign > 0:
        low, high = candidate[0] - baseline[1], candidate[1] - baseline[0]
    else:
        low, high = baseline[0] - candidate[1], baseline[1] - candidate[0]
    mine, theirs = values
    found = sign * (mine - theirs) if mine is not None and theirs is not None else None
    return Comparison(
        metric=metric, candidate=mine, baseline=theirs, allowed=allowed, difference=found,
        at_least=low, at_most=high, verdict=verdict(low, high, allowed),
    )  # fmt: skip


def ratio(
    metric: Literal["latency", "cost"], values: Pair, candidate: Interval, baseline: Interval, allowed: float
) -> Comparison:
    """Of two means of logarithms."""
    low, high = math.expm1(min(candidate[0] - baseline[1], 700)), math.expm1(min(candidate[1] - baseline[0], 700))
    mine, theirs = values
    known = mine is not None and theirs is not None and math.isfinite(high)
    return Comparison(
        metric=metric,
        candidate=math.exp(mine) if mine is not None else None,
        baseline=math.exp(theirs) if theirs is not None else None,
        allowed=allowed,
        difference=math.expm1(mine - theirs) if mine is not None and theirs is not None else None,
        at_least=low if known else None,
        at_most=high if known else None,
        verdict=verdict(low, high, allowed) if known else "unclear",
    )


def verdict(low: float, high: float, allowed: float) -> Verdict:
    if low > allowed:
        return "worse"
    if high < 0:
        return "better"
    return "within" if high <= allowed else "unclear"


def share(part: float, whole: int) -> float | None:
    return part / whole if whole else None


def means(mine: float, count: int, theirs: float, their_count: int) -> Pair:
    return share(mine, count), share(theirs, their_count)
