"""Errors that say which limit of whom, and when to try again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from guru.config import LimitSettings
from guru.errors import BudgetExceeded, GuruError, RateLimited, TooLarge
from guru.gateway.limits.headers import duration
from guru.gateway.limits.rules import Headers, Rule

Kind = Literal["requests", "tokens", "concurrency", "budget"]
BUSY = 1.0
"""Seconds to wait where nobody knows when a running request ends."""


def refusal(rule: Rule, kind: Kind, wait: int, headers: Headers, ends: float = 0.0) -> GuruError:
    """What a caller is told. `wait` is in microseconds; `ends`, of a budget's period, in seconds since 1970."""
    limits = rule.limits or LimitSettings()
    error: GuruError
    if kind == "budget":
        assert rule.budget is not None
        again = datetime.fromtimestamp(ends, UTC)
        error = BudgetExceeded(
            f"{rule.title} has used its budget of {rule.budget.usd:.2f} US dollars a {rule.budget.per}.",
            hint=f"It begins anew at {again:%Y-%m-%d %H:%M} UTC; an administrator can raise it.",
            retry_after=wait / 1e6,
        )
    elif kind == "concurrency":
        error = RateLimited(
            f"{rule.title} has {limits.concurrency} requests running, which is as many as it may at once.",
            hint="Try again when one of them has ended.",
            retry_after=BUSY,
        )
    else:
        limit = limits.rpm if kind == "requests" else limits.tpm
        error = RateLimited(
            f"{rule.title} has used its {limit:,} {kind} a minute.",
            hint=f"Try again in {duration(wait)}.",
            retry_after=wait / 1e6,
        )
    error.headers = headers
    return error


def never_fits(rule: Rule, tokens: int) -> TooLarge:
    """A request that waiting does not help: it alone needs more than a whole minute brings."""
    assert rule.limits is not None and rule.limits.tpm is not None
    return TooLarge(
        f"The request may need {tokens:,} tokens; "
        f"{rule.scope} {rule.name or rule.id} has {rule.limits.tpm:,} a minute.",
        hint="Shorten the prompt, or lower `max_tokens`.",
    )
