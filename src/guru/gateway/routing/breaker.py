"""A circuit breaker: a deployment that keeps failing is left alone for a while, then tried with one request.

    closed ── too many failures ──▶ open ── pause over ──▶ half-open ── the probe succeeds ──▶ closed
                                     ▲                         │
                                     └── the probe fails ──────┘   (the pause doubles)

Both a run of failures and a high share of failures open it: the first finds a dead deployment within a few
requests, the second one that fails every other time and so never fails often in a row.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal

BreakerState = Literal["closed", "open", "half-open"]

CONSECUTIVE = 8
"""Failures in a row that open it. More than Envoy's 5: at a third of faults, which retries hide from callers, five in
a row come by chance every few hundred requests, eight every fifteen thousand."""
RATE = 0.5
MINIMUM = 20
"""Requests in the window before the rate counts."""
WINDOW = 60.0
SLICES = 6
PAUSE = 5.0
LONGEST_PAUSE = 60.0

REFUSED, ORDINARY, PROBE = 0, 1, 2
"""What `enter` says: not now, go on, go on as the one probe."""


class Breaker:
    """Every `enter` that was not refused is followed by exactly one `leave`, with what `enter` had said."""

    __slots__ = ("_clock", "_consecutive", "_pause", "_probing", "_slices", "_until", "opened", "state")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.state: BreakerState = "closed"
        self.opened = 0
        """How many times it has opened."""
        self._consecutive = 0
        self._pause = PAUSE
        self._until = 0.0
        self._probing = False
        self._slices: deque[list[float]] = deque(maxlen=SLICES)  # [number of the slice, successes, failures]

    @property
    def opens_in(self) -> float:
        """Seconds until a request may pass again; 0 when one may now."""
        if self.state == "open":
            return max(0.0, self._until - self._clock())
        return 0.0

    def permits(self) -> bool:
        """Whether `enter` would let a request pass."""
        if self.state == "closed":
            return True
        if self.state == "open":
            return self._clock() >= self._until
        return not self._probing

    def enter(self) -> int:
        """Ask to pass. `PROBE` is given to one request at a time."""
        if self.state == "closed":
            return ORDINARY
        if not self.permits():
            return REFUSED
        self.state = "half-open"
        self._probing = True
        return PROBE

    def leave(self, ticket: int, succeeded: bool | None) -> None:
        """Say how it went. None: it was cancelled, which says nothing about the deployment."""
        if ticket == PROBE:
            self._probing = False
            if succeeded:
                self.close()
            elif succeeded is False:
                self._open(min(self._pause * 2, LONGEST_PAUSE))
        elif succeeded is not None and self.state == "closed":  # a latecomer from before it opened changes nothing
            self._count(succeeded)

    def close(self) -> None:
        """Trust the deployment again, and forget its failures."""
        self.state = "closed"
        self._consecutive = 0
        self._pause = PAUSE
        self._slices.clear()

    def trip(self) -> None:
        """Open now: an active check has found the deployment dead."""
        if self.state == "closed":
            self._open(PAUSE)

    def retry_soon(self) -> None:
        """End the pause: an active check has found the deployment back. The next request is the probe."""
        if self.state == "open":
            self._until = min(self._until, self._clock())

    def _count(self, succeeded: bool) -> None:
        number = self._clock() // (WINDOW / SLICES)
        slices = self._slices
        if not slices or slices[-1][0] != number:
            slices.append([number, 0, 0])
        if succeeded:
            slices[-1][1] += 1
            self._consecutive = 0
            return
        slices[-1][2] += 1
        self._consecutive += 1
        if self._consecutive >= CONSECUTIVE or self._rate_exceeded(number):
            self._open(PAUSE)

    def _rate_exceeded(self, number: float) -> bool:
        recent = [entry for entry in self._slices if entry[0] > number - SLICES]
        failures = sum(entry[2] for entry in recent)
        total = failures + sum(entry[1] for entry in recent)
        return total >= MINIMUM and failures >= RATE * total

    def _open(self, pause: float) -> None:
        self.state = "open"
        self.opened += 1
        self._pause = pause
        self._until = self._clock() + pause
