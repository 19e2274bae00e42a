"""Who works and who waits in a run. Where all wait, and nothing is due soon, it is put down: then it holds nothing.

A branch that waits parks itself. Whoever wakes it counts it as working in the same moment, so that a run is never put
down under a branch that has just begun to work.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

HOLD: Final = 2.0
"""Seconds: a wait that is over sooner is not worth being put down for."""


class Pulse:
    """One for each time that a run is carried out, which begins with one branch."""

    def __init__(self) -> None:
        self._working = 1
        self._parked: dict[asyncio.Future[Any], tuple[str | None, float | None]] = {}
        self.still: asyncio.Future[float | None] = asyncio.get_running_loop().create_future()
        """Done when all wait: its result is when the first of them goes on by itself, if ever."""

    def fork(self, branches: int) -> None:
        """A branch becomes several, and does not work itself meanwhile."""
        self._working += branches - 1

    def leave(self) -> None:
        """A branch has come to its end, others go on."""
        self._working -= 1
        self._look()

    def forget(self, branches: int) -> None:
        """So many were cancelled before they began."""
        self._working -= branches

    @property
    def asked(self) -> list[str]:
        """The steps that wait for a person."""
        return [path for path, _ in self._parked.values() if path is not None]

    async def until(self, when: float) -> None:
        """Wait until a time."""
        if when > time.time():
            await self._park(None, when)

    async def answer(self, path: str, until: float | None) -> dict[str, Any] | None:
        """What a person says to a step; None when the time is over."""
        if until is not None and until <= time.time():
            return None
        found: dict[str, Any] | None = await self._park(path, until)
        return found

    def give(self, path: str, answer: dict[str, Any]) -> None:
        """Somebody has answered."""
        for future, (asked, _) in list(self._parked.items()):
            if asked == path:
                self._wake(future, answer)

    async def _park(self, path: str | None, until: float | None) -> Any:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        timer = loop.call_later(until - time.time(), self._wake, future, None) if until is not None else None
        self._parked[future] = (path, until)
        self._working -= 1
        self._look()
        try:
            return await future
        finally:
            if timer is not None:
                timer.cancel()
            if self._parked.pop(future, None) is not None:  # cancelled: it works again, at its own end
                self._working += 1

    def _wake(self, future: asyncio.Future[Any], value: Any) -> None:
        if self.still.done() or future.done():
            return
        self._parked.pop(future, None)
        self._working += 1
        future.set_result(value)

    def _look(self) -> None:
        if self._working or self.still.done() or not self._parked:
            return
        soonest = min((until for _, until in self._parked.values() if until is not None), default=None)
        if soonest is None or soonest > time.time() + HOLD:
            self.still.set_result(soonest)
