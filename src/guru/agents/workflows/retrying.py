"""When a step is tried again, and how long after: as `Retry` of Amazon States Language has it."""

from __future__ import annotations

import random
from collections.abc import Sequence

from guru.agents.workflows.definition import Retry
from guru.agents.workflows.errors import matches

LONGEST = 86_400.0 * 31
"""Seconds."""


def rule_of(rules: Sequence[Retry], error: str) -> int | None:
    """The number of the first rule that means an error."""
    return next((number for number, rule in enumerate(rules) if matches(rule.errors, error)), None)


def pause_of(rule: Retry, before: int) -> float:
    """Seconds until the next try by this rule, after so many by it."""
    try:
        pause = rule.interval * rule.backoff**before
    except OverflowError:
        pause = LONGEST
    pause = min(pause, rule.max_delay or LONGEST)
    return random.uniform(0.0, pause) if rule.jitter == "full" else pause
