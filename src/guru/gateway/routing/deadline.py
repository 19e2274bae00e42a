"""Time limits: on a whole request, until the first token, and on silence in the middle of a stream.

One timer per attempt, not one per event: it looks how long the task has been waiting for the upstream, and sets
itself again. Time that the caller takes to read is not the upstream's.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

from guru.errors import ModelTimeout

INFINITE = float("inf")


class Watch:
    """Interrupts whoever waits for an upstream for too long. All times are of `time.monotonic`.

    `wait` before every wait and `done` after it; `stop` at the end. The wait is cancelled as `asyncio.timeout` does
    it; `expired` tells that from a cancellation from outside.
    """

    __slots__ = (
        "_begun", "_cancelling", "_ends", "_first", "_idle", "_loop", "_model", "_since", "_started", "_task", "_timer",
        "_total", "fired",
    )  # fmt: skip

    def __init__(self, model: str, *, ends: float, total: float, first_token: float | None, idle: float) -> None:
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
        self._loop = asyncio.get_running_loop()
        soonest = min(ends, self._first, self._started + idle) - self._started
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(max(soonest, 0.0), self._check)

    def wait(self) -> None:
        """A wait for the upstream begins, in the current task."""
        self._since = monotonic()
        self._task = asyncio.current_task(self._loop)

    def done(self) -> None:
        """The wait is over, with an event."""
        self._task = None

    def began(self) -> None:
        """The first token is here: from now on silence counts."""
        self._begun = True

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._task = None

    def expired(self) -> ModelTimeout | None:
        """The timeout, when it was this watch that cancelled the wait and nobody else did."""
        if self.fired is None:
            return None
        message, self.fired = self.fired, None
        task = asyncio.current_task(self._loop)
        if task is not None and task.uncancel() > self._cancelling:
            return None  # cancelled from outside as well
        return ModelTimeout(message, hint="Try again, or raise the alias's time limit.")

    def _check(self) -> None:
        now = monotonic()
        waiting = self._task is not None
        idle_ends = self._since + self._idle if self._begun else INFINITE
        first_ends = INFINITE if self._begun else self._first
        due = min(self._ends, idle_ends if waiting else INFINITE, first_ends)
        if now >= due and self._task is not None:
            self._timer = None
            self.fired = self._reason(due == self._ends, due == first_ends)
            self._cancelling = self._task.cancelling()
            self._task.cancel()
            return
        # Not due yet, or the caller is reading: look again.
        after = min(due, now + self._idle) - now if now < due else 0.05
        self._timer = self._loop.call_later(max(after, 0.001), self._check)

    def _reason(self, total: bool, first: bool) -> str:
        if total:
            return f"{self._model} took longer than {self._total:g} seconds."
        if first:
            return f"{self._model} gave no first token in {self._first - self._started:g} seconds."
        return f"{self._model} was silent for {self._idle:g} seconds in the middle of its answer."
