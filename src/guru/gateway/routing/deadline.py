"""Time limits: on a whole request, until the first token, and on silence in the middle of a stream.

One timer for all attempts, not one per event: it looks how long each task has been waiting for its upstream, and
sets itself again. Time that the caller takes to read is not the upstream's.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

from guru.errors import ModelTimeout

INFINITE = float("inf")
GRAIN = 0.02
"""Seconds between two looks: a thousand requests whose times end one after the other are not looked at a thousand
times."""


class Alarm:
    """One timer, which rings for every watch. In another loop than before it begins anew."""

    __slots__ = ("_at", "_loop", "_timer", "_watches")

    def __init__(self) -> None:
        self._watches: set[Watch] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._at = INFINITE

    def add(self, watch: Watch, due: float) -> None:
        """Look at `watch` at that time, and as often as it wants from then on."""
        self._watches.add(watch)
        if due < self._at or asyncio.get_running_loop() is not self._loop:
            self._set(due)

    def remove(self, watch: Watch) -> None:
        """Let go of a watch. The timer is left as it is: it rings once more, and finds nothing."""
        self._watches.discard(watch)

    def _set(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._at = due
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(max(due - monotonic(), 0.001), self._ring)

    def _ring(self) -> None:
        self._timer, self._at = None, INFINITE
        now = monotonic()
        soonest = min((watch.check(now) for watch in tuple(self._watches)), default=INFINITE)
        if soonest < self._at:
            self._set(max(soonest, now + GRAIN))


class Watch:
    """Interrupts whoever waits for an upstream for too long. All times are of `time.monotonic`.

    `wait` before every wait and `done` after it; `stop` at the end. The wait is cancelled as `asyncio.timeout` does
    it; `expired` tells that from a cancellation from outside.
    """

    __slots__ = (
        "_alarm", "_begun", "_cancelling", "_ends", "_first", "_idle", "_model", "_since", "_started", "_task",
        "_total", "fired",
    )  # fmt: skip

    def __init__(
        self, model: str, alarm: Alarm, *, ends: float, total: float, first_token: float | None, idle: float
    ) -> None:
        """`ends` is when everything is over, `total` (seconds) what it is called in the error."""
        self._model = model
        self._started = monotonic()
        self._ends = ends
        self._total = total
        self._first = self._started + first_token if first_token is not None else INFINITE
        self._idle = idle
        self._begun = False
        self._task: asyncio.Task[Any] | None = None
        self._since = self._started
        self.fired: str | None = None
        """What took too long, once it has interrupted a wait."""
        self._cancelling = 0
        self._alarm = alarm
        alarm.add(self, min(ends, self._first, self._started + idle))

    def wait(self) -> None:
        """A wait for the upstream begins, in the current task."""
        self._since = monotonic()
        self._task = asyncio.current_task()

    def done(self) -> None:
        """The wait is over, with an event."""
        self._task = None

    def began(self) -> None:
        """The first token is here: from now on silence counts."""
        self._begun = True

    def stop(self) -> None:
        self._alarm.remove(self)
        self._task = None

    def expired(self) -> ModelTimeout | None:
        """The timeout, when it was this watch that cancelled the wait and nobody else did."""
        if self.fired is None:
            return None
        message, self.fired = self.fired, None
        task = asyncio.current_task()
        if task is not None and task.uncancel() > self._cancelling:
            return None  # cancelled from outside as well
        return ModelTimeout(message, hint="Try again, or raise the alias's time limit.")

    def check(self, now: float) -> float:
        """Interrupt the wait if it has taken too long; otherwise, when to look again."""
        waiting = self._task is not None
        idle_ends = self._since + self._idle if self._begun else INFINITE
        first_ends = INFINITE if self._begun else self._first
        due = min(self._ends, idle_ends if waiting else INFINITE, first_ends)
        if now >= due and self._task is not None:
            self._alarm.remove(self)
            self.fired = self._reason(due == self._ends, due == first_ends)
            self._cancelling = self._task.cancelling()
            self._task.cancel()
            return INFINITE
        # Not due yet, or the caller is reading: look again.
        return min(due, now + self._idle) if now < due else now + 0.05

    def _reason(self, total: bool, first: bool) -> str:
        if total:
            return f"{self._model} took longer than {self._total:g} seconds."
        if first:
            return f"{self._model} gave no first token in {self._first - self._started:g} seconds."
        return f"{self._model} was silent for {self._idle:g} seconds in the middle of its answer."
