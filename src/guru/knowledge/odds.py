"""Probabilities as log odds, in which evidence adds up."""

from __future__ import annotations

import math


def logit(chance: float) -> float:
    """A probability as log odds, within 14 either way."""
    chance = min(max(chance, 1e-6), 1 - 1e-6)
    return math.log(chance / (1 - chance))


def probability(sure: float) -> float:
    """Log odds as a probability."""
    return 1 / (1 + math.exp(-sure))
