"""Probabilities as log odds, in which evidence adds up."""

from __future__ import annotations

import math


def logit(chance: float) -> float:
    """A probability as log odds, within 14 either way."""
    chance = min(max(chance, 1e-6), 1 - 1e-6)
    return math.log(chance / (1 - chance))


def mixed(one: float, other: float, weight: float) -> float:
    """The log odds of two probabilities of the same, the first with this `weight`, 0 to 1: who is surer counts more."""
    return weight * logit(one) + (1 - weight) * logit(other)


def probability(sure: float) -> float:
    """Log odds as a probability."""
    return 1 / (1 + math.exp(-sure))
