"""How many batches ask their lines here at a time; those that a provider runs do not count."""

from __future__ import annotations

import asyncio


class Turns:
    """A semaphore whose number can change. Use it in an `async with` statement."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._running = 0
        self._changed = asyncio.Event()

    def change(self, at_once: int) -> None:
        self._at_once = at_once
        self._changed.set()

    async def __aenter__(self) -> None:
        while self._running >= self._at_once:
            self._changed.clear()
            await self._changed.wait()
        self._running += 1

    async def __aexit__(self, *_: object) -> None:
        self._running -= 1
        self._changed.set()
