"""Documents on their way from those who cut them to the one who embeds and stores them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from guru.knowledge.prepare import Prepared

TEXTS: Final = 128
"""Small documents are embedded together and stored in one transaction until they have so many texts; at first."""
MOST: Final = 2048
"""To so many texts batches grow: a statement costs as much for one document as for twenty, and takes only so many."""
QUICK, SLOW = 0.5, 2.0
"""Seconds to embed and store a batch. Below the first the next is larger, above the second smaller: whoever watches
sees it go on, and little is done again after a kill."""
AHEAD: Final = 8
"""Groups of documents that wait, cut, while others are embedded."""
LINGER: Final = 0.1
"""Seconds that a batch which is not full waits for more: a commit costs as much for one document as for twenty."""


class Batches:
    """A queue that gives as many documents at once as are stored in about a second."""

    def __init__(self, workers: int = 1) -> None:
        """So many `workers` embed at the same time."""
        self._least = self._texts = TEXTS * workers
        self._queue: asyncio.Queue[Sequence[Prepared] | None] = asyncio.Queue(AHEAD)
        self._waiting: deque[Prepared] = deque()
        self._ended = False

    async def put(self, documents: Sequence[Prepared]) -> None:
        await self._queue.put(documents)

    async def end(self) -> None:
        """No more will come."""
        await self._queue.put(None)

    async def next(self) -> list[Prepared]:
        """What is ready, up to the size of a batch or a little more; waits for the first. Empty at the end."""
        batch: list[Prepared] = []
        texts = 0
        while texts < self._texts and (self._waiting or await self._more(bool(batch))):
            document = self._waiting.popleft()
            batch.append(document)
            texts += len(document.passages) + len(document.sentences)
        return batch

    def took(self, seconds: float) -> None:
        """How long the last batch took to embed and store."""
        if seconds < QUICK:
            self._texts = max(self._least, min(self._texts * 2, MOST))
        elif seconds > SLOW:
            self._texts = max(self._texts // 2, self._least)

    async def _more(self, soon: bool) -> bool:
        """Fill what waits; whether it did. `soon`: only if something comes soon."""
        while not self._waiting and not self._ended:
            try:
                found = self._queue.get_nowait()
            except asyncio.QueueEmpty:
                try:
                    async with asyncio.timeout(LINGER if soon else None):
                        found = await self._queue.get()
                except TimeoutError:
                    return False
            if found is None:
                self._ended = True
            else:
                self._waiting.extend(found)
        return bool(self._waiting)
