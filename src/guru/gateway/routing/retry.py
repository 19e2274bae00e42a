"""What an error means for the next attempt, and how long to wait before it."""

from __future__ import annotations

import random
from enum import Enum

from guru.errors import (
    ConfigurationError,
    ContextTooLong,
    GuruError,
    InvalidParameter,
    ModelError,
    ModelNotFound,
    ModelTimeout,
    ModelUnavailable,
    ProviderRefused,
    UpstreamRateLimited,
)

BASE = 0.25
LONGEST = 8.0
"""Seconds: the wait before retry n is drawn from [0, min(LONGEST, BASE * 2 ** n)].
https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/ ("full jitter")"""
PATIENCE = 20.0
"""A provider that wants a longer pause than this many seconds is not waited for: the caller is told the pause."""
PATIENCE_WITH_FALLBACK = 1.0
"""The same, where another model could answer at once."""


class Verdict(Enum):
    AGAIN = "again"
    """Another deployment, and later perhaps this one again."""
    ELSEWHERE = "elsewhere"
    """Another deployment; this one will say the same again."""
    LARGER = "larger"
    """Only a deployment with a larger context."""
    RAISE = "raise"
    """The request itself is at fault: the caller is told."""


def judge(error: BaseException) -> Verdict:
    """What to do about a failed attempt that has not shown the caller anything."""
    if isinstance(error, ContextTooLong):
        return Verdict.LARGER
    if isinstance(error, InvalidParameter):
        return Verdict.ELSEWHERE  # a parameter that this provider does not take; another may
    if isinstance(error, GuruError):
        if isinstance(error, ModelError) and error.retryable:
            return Verdict.AGAIN
        if isinstance(error, ModelError | ModelNotFound | ConfigurationError):
            return Verdict.ELSEWHERE
        return Verdict.AGAIN if error.retryable else Verdict.RAISE
    return Verdict.ELSEWHERE  # a bug of ours or of a library: another provider's code may not have it


def is_failure(error: BaseException) -> bool | None:
    """Whether an error speaks against the deployment; None when it says nothing about it."""
    if isinstance(error, InvalidParameter):
        return None
    return judge(error) in (Verdict.AGAIN, Verdict.ELSEWHERE)


def backoff(retry: int, random: random.Random) -> float:
    """Seconds to wait before retry number `retry` (from 0)."""
    return random.uniform(0.0, min(LONGEST, BASE * 2.0**retry))


class Failures:
    """What was tried for a request, and how it failed: the source of the error that the caller sees."""

    __slots__ = ("_name", "_skipped", "_tried", "_waits", "last")

    def __init__(self, name: str) -> None:
        self._name = name
        self._tried: dict[str, list[GuruError]] = {}
        self._skipped: dict[str, str] = {}
        self._waits: list[float] = []
        self.last: GuruError | None = None

    def add(self, model: str, error: BaseException) -> GuruError:
        """Note that an attempt failed."""
        shown = error if isinstance(error, GuruError) else broken(model, error)
        self._tried.setdefault(model, []).append(shown)
        self.last = shown
        return shown

    def skip(self, model: str, reason: str, wait: float = 0.0) -> None:
        """Note that a deployment was not tried, and after how many seconds it may be."""
        self._skipped[model] = reason
        if wait:
            self._waits.append(wait)

    def error(self) -> GuruError:
        """One error for all: that of the only deployment as it was last, several as one that says what was tried."""
        errors = [error for tried in self._tried.values() for error in tried]
        if len(self._tried) == 1 and not self._skipped.keys() - self._tried.keys():
            return errors[-1]
        if errors and all(isinstance(error, ContextTooLong) for error in errors):
            return errors[-1]  # of the largest that was asked
        parts = [describe(model, tried) for model, tried in self._tried.items()]
        parts += [f"{model}: {reason}" for model, reason in self._skipped.items() if model not in self._tried]
        count = f"{len(parts)} deployment{'s' if len(parts) != 1 else ''} of `{self._name}` failed"
        waits = [*(error.retry_after for error in errors if error.retry_after), *self._waits]
        kind = common_kind(errors)
        return kind(
            f"{count}: {'; '.join(parts) or 'none could be asked'}",
            hint=errors[-1].hint if len(set(map(type, errors))) == 1 else "See /api/v1/routes for their state.",
            retry_after=min(waits, default=None),
        )


def describe(model: str, errors: list[GuruError]) -> str:
    last = errors[-1]
    times = f" ({len(errors)} times)" if len(errors) > 1 else ""
    return f"{model}: {last.status} {last.message.rstrip('.')}{times}"


def common_kind(errors: list[GuruError]) -> type[GuruError]:
    """The class of an error about several: theirs where they agree, else one that says whether to try again."""
    kinds = {type(error) for error in errors}
    if len(kinds) == 1 and kinds <= {UpstreamRateLimited, ModelTimeout, ProviderRefused, InvalidParameter}:
        return kinds.pop()
    if all(isinstance(error, ModelNotFound) for error in errors) and errors:
        return ModelNotFound
    if not errors or any(error.retryable for error in errors):
        return ModelUnavailable
    return ModelError


def broken(model: str, error: BaseException) -> ModelError:
    """An exception that no provider should let out, without its text, which may hold anything."""
    return ModelError(f"The call to {model} broke with {type(error).__name__}.", hint="The server's log has the rest.")
