"""What happens in runs of this process, for those who watch. The rows are the truth; this only makes it quick."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Final

from guru.types import JSON

LOOK_EVERY: Final = 0.5
"""Seconds after which the rows are looked at anyway: another process may carry the run."""
MOST: Final = 10_000
"""Events that wait for a slow watcher. What it misses of the model's words, the step has in the end."""


class News:
    """What one watcher has not yet been told."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[tuple[str, Any] | None] = asyncio.Queue(MOST)

    def put(self, item: tuple[str, Any] | None) -> None:
        if not self._queue.full():
            self._queue.put_nowait(item)

    def waiting(self) -> Iterator[tuple[str, Any]]:
        """The events that are there already."""
        while not self._queue.empty():
            if (item := self._queue.get_nowait()) is not None:
                yield item

    async def until_changed(self) -> AsyncIterator[tuple[str, Any]]:
        """Events, until the rows have changed or are to be looked at anyway."""
        loop = asyncio.get_running_loop()
        end = loop.time() + LOOK_EVERY
        while True:
            try:
                async with asyncio.timeout_at(end):
                    item = await self._queue.get()
            except TimeoutError:
                return
            if item is None:
                return
            yield item


class Live:
    def __init__(self) -> None:
        self._watchers: dict[str, list[News]] = {}

    @contextmanager
    def watching(self, run_id: str) -> Iterator[News]:
        news = News()
        self._watchers.setdefault(run_id, []).append(news)
        try:
            yield news
        finally:
            self._watchers[run_id].remove(news)
            if not self._watchers[run_id]:
                del self._watchers[run_id]

    def changed(self, run_id: str) -> None:
        """Rows of the run have changed."""
        for news in self._watchers.get(run_id, ()):
            news.put(None)

    def tell(self, run_id: str, event: str, data: JSON) -> None:
        for news in self._watchers.get(run_id, ()):
            news.put((event, data))
