"""Tests that are valid at any look: a release is watched all the time and stopped as soon as the evidence is there.

An ordinary test that is looked at after every request calls half of all equal versions different sooner or later.
A confidence sequence holds at all times at once: the probability that it ever misses the truth is at most alpha.

- Rates and scores (0 to 1): the values that a mixture of bets has not ruled out. Under the mean m, the product of
  (q/m)^x ((1-q)/(1-m))^(1-x) is a supermartingale for every q, and so is its mixture over q ~ Beta(1/2, 1/2); by
  Ville's inequality it exceeds 1/alpha with probability alpha at most. For errors this is the beta-binomial mixture of
  the sequential probability ratio test. H. Robbins, "Statistical methods related to the law of the iterated logarithm",
  1970, https://doi.org/10.1214/aoms/1177696786; R. Johari et al., "Always valid inference", 2022,
  https://doi.org/10.1287/opre.2021.2135; I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables
  by betting", 2024, https://doi.org/10.1093/jrsssb/qkad009.
- Means (logarithms of latency and cost): the normal mixture with estimated variance, which holds asymptotically, so it
  says nothing before `BURN_IN` values. I. Waudby-Smith et al., "Time-uniform central limit theory and asymptotic
  confidence sequences", 2024, https://doi.org/10.1214/24-AOS2408; S. R. Howard et al., "Time-uniform, nonparametric,
  nonasymptotic confidence sequences", 2021, https://doi.org/10.1214/20-AOS1991.
"""

from __future__ import annotations

import math
from collections.abc import Callable

BURN_IN = 30
TIGHTEST_AT = 500
"""Values at which the normal mixture is narrowest."""
EDGE = 1e-9

Interval = tuple[float, float]


def log_evidence(count: float, total: float, mean: float) -> float:
    """The logarithm of the mixture's capital against `mean`, after `count` values in [0, 1] that sum to `total`."""
    rest = count - total
    mixed = math.lgamma(total + 0.5) + math.lgamma(rest + 0.5) - math.lgamma(count + 1.0) - math.log(math.pi)
    return mixed - total * math.log(max(mean, EDGE)) - rest * math.log(max(1.0 - mean, EDGE))


def bounded_interval(count: float, total: float, alpha: float) -> Interval:
    """Means in [0, 1] that are not ruled out, by bisection; everything while there is nothing."""
    if count <= 0:
        return 0.0, 1.0
    limit, best = math.log(1.0 / alpha), min(max(total / count, 0.0), 1.0)
    lower = bisect(0.0, best, lambda mean: log_evidence(count, total, mean) >= limit) if total > 0 else 0.0
    upper = bisect(1.0, best, lambda mean: log_evidence(count, total, mean) >= limit) if total < count else 1.0
    return lower, upper


def bisect(outside: float, inside: float, ruled_out: Callable[[float], bool]) -> float:
    """The border between a value that is ruled out and one that is not, seen from outside."""
    for _ in range(40):
        middle = (outside + inside) / 2
        if ruled_out(middle):
            outside = middle
        else:
            inside = middle
    return outside


def mean_interval(count: int, total: float, squares: float, alpha: float) -> Interval:
    """Means that are not ruled out, after `count` values with this sum and sum of squares."""
    if count < BURN_IN:
        return -math.inf, math.inf
    mean = total / count
    variance = max(squares / count - mean * mean, 1e-12)
    logarithm = -2.0 * math.log(alpha)
    rho2 = (logarithm + math.log(logarithm) + 1.0) / TIGHTEST_AT
    scaled = count * rho2 + 1.0
    width = math.sqrt(variance * scaled / (count * count * rho2) * math.log(scaled / (alpha * alpha)))
    return mean - width, mean + width


def spend(alpha: float, epoch: int) -> float:
    """What of `alpha` epoch number `epoch` (from 1) may use: 1/2, 1/6, 1/12 ..., which sum to 1."""
    return alpha / (epoch * (epoch + 1))
