"""What is known about a model behind one or more aliases, from the traffic that it gets."""

from __future__ import annotations

import math
from collections.abc import Callable

from guru.errors import GuruError
from guru.gateway.routing.breaker import ORDINARY, REFUSED, Breaker

MEMORY = 30.0
"""Seconds over which a measured latency gives way to newer ones."""
FORGET = 60.0
"""Seconds over which a latency that is not measured again fades, so that a slow deployment is tried again."""
LONGEST_REST = 60.0
"""No `Retry-After` takes a deployment out for longer than this many seconds."""
UNKNOWN_BUSY = 1e6
"""Stands for the latency of a deployment that has not answered yet and is being tried."""


class Health:
    """The state of one `provider/model`, shared by every alias that it stands behind."""

    __slots__ = (
        "_clock", "_resting_until", "_stamp", "alive", "breaker", "cancelled", "errors", "failures", "first_token",
        "in_flight", "last_error", "model", "requests",
    )  # fmt: skip

    def __init__(self, model: str, clock: Callable[[], float]) -> None:
        self.model = model
        self._clock = clock
        self.breaker = Breaker(clock)
        self.in_flight = 0
        self.requests = 0
        self.failures = 0
        self.cancelled = 0
        self.errors: dict[str, int] = {}
        """Failures by the name of their class."""
        self.last_error: str | None = None
        self.first_token: float | None = None
        """Seconds to the first token, exponentially weighted."""
        self.alive: bool | None = None
        """What the last active check found; None when there was none."""
        self._stamp = 0.0
        self._resting_until = 0.0

    # ----------------------------------------------------------------------- may it be asked?

    @property
    def rests_for(self) -> float:
        """Seconds that the provider asked to be left alone for (`Retry-After`)."""
        return max(0.0, self._resting_until - self._clock()) if self._resting_until else 0.0

    @property
    def available(self) -> bool:
        return self.breaker.permits() and not self.rests_for

    def why_not(self) -> str:
        """Why it is not `available`, for an error message."""
        if self.rests_for:
            return f"asked for a pause of {self.rests_for:.0f} more seconds"
        last = f" (last: {self.last_error})" if self.last_error else ""
        if self.breaker.state == "half-open":
            return f"is being tried after failures{last}"
        return f"is left alone for {self.breaker.opens_in:.0f} more seconds after failures{last}"

    # ----------------------------------------------------------------------- one request

    def enter(self) -> int:
        """Count a request in. The breaker's ticket; `REFUSED` when it may not be asked now."""
        ticket = ORDINARY if self.breaker.state == "closed" else self.breaker.enter()
        if ticket != REFUSED:
            self.in_flight += 1
            self.requests += 1
        return ticket

    def leave(self, ticket: int, error: BaseException | None, *, failed: bool | None) -> None:
        """Count it out, exactly once. `failed` None: it was cancelled."""
        self.in_flight -= 1
        self.breaker.leave(ticket, None if failed is None else not failed)
        if failed is None:
            self.cancelled += 1
        elif failed and error is not None:
            self.failures += 1
            name = type(error).__name__
            self.errors[name] = self.errors.get(name, 0) + 1
            self.last_error = error.message if isinstance(error, GuruError) else name
            if isinstance(error, GuruError) and error.retry_after:
                self.rest(error.retry_after)

    def rest(self, seconds: float) -> None:
        """Leave it alone for as long as it asked, within reason."""
        self._resting_until = max(self._resting_until, self._clock() + min(seconds, LONGEST_REST))

    # ----------------------------------------------------------------------- latency

    def began(self, seconds: float) -> None:
        """Note how long the first token took."""
        now = self._clock()
        if self.first_token is None:
            self.first_token = seconds
        else:
            keep = math.exp(-max(now - self._stamp, 0.05) / MEMORY)
            self.first_token = keep * self.first_token + (1 - keep) * seconds
        self._stamp = now

    def at_least(self, seconds: float) -> None:
        """Note that a request that was given up had waited this long: it is no faster than that."""
        if self.first_token is None or seconds > self.first_token:
            self.began(seconds)

    def expected_latency(self) -> float:
        """Seconds, times the requests that would wait (as in Finagle's Peak EWMA); fades while nothing is measured."""
        if self.first_token is None:
            return UNKNOWN_BUSY * self.in_flight
        faded = self.first_token * math.exp(-(self._clock() - self._stamp) / FORGET)
        return faded * (self.in_flight + 1)
