"""What happens in runs of this process, for those who watch. The rows are the truth; this only makes it quick."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from guru.agents.records import storable
from guru.types import JSON

LOOK_EVERY: Final = 0.5
"""Seconds after which the rows are looked at anyway: another process may carry the run."""
MOST: Final = 10_000
"""Events that wait for a slow watcher. What it misses of the model's words, the step has in the end."""
GREW: Final = ("answer", None)
"""There is more of the answer. It is read from the draft: a watcher who is slow has nothing of it piling up."""


class LiveDraft:
    """Implements `guru.agents.performing.Draft` for a run, in the words that its row will have."""

    def __init__(self, grew: Callable[[], None]) -> None:
        self.pieces: list[str] = []
        self._grew = grew

    def begin(self, before: str) -> None:
        before = storable(before)
        if "".join(self.pieces) != before:
            self.pieces = [before] if before else []

    def add(self, text: str) -> None:
        if text := storable(text):
            self.pieces.append(text)
            self._grew()


class News:
    """What one watcher has not yet been told."""

    def __init__(self, draft: Callable[[], LiveDraft | None] = lambda: None) -> None:
        self._queue: asyncio.Queue[tuple[str, Any] | None] = asyncio.Queue(MOST)
        self._draft = draft
        self._pieces: list[str] | None = None
        self._told = 0
        """Pieces, and characters, of the draft that the watcher has."""
        self._length = 0
        self._grown = False

    def put(self, item: tuple[str, Any] | None) -> None:
        if not self._queue.full():
            self._queue.put_nowait(item)

    def grew(self) -> None:
        """The draft has grown. Said once, until the watcher has read it."""
        if not self._grown and not self._queue.full():
            self._grown = True
            self._queue.put_nowait(GREW)

    def waiting(self) -> Iterator[tuple[str, Any]]:
        """The events that are there already."""
        while not self._queue.empty():
            if (item := self._read(self._queue.get_nowait())) is not None:
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
            if (event := self._read(item)) is not None:
                yield event

    def rest(self, answer: str) -> tuple[str, Any] | None:
        """What the watcher has not of an answer that is written; all of it, where they have the draft of another."""
        told = "".join((self._pieces or [])[: self._told])
        start = len(told) if answer.startswith(told) else 0
        return ("answer", {"start": start, "text": answer[start:]}) if answer[start:] else None

    def _read(self, item: tuple[str, Any] | None) -> tuple[str, Any] | None:
        if item is not GREW:
            return item
        self._grown = False
        draft = self._draft()
        if draft is None:
            return None
        if draft.pieces is not self._pieces:
            self._pieces, self._told, self._length = draft.pieces, 0, 0
        text = "".join(draft.pieces[self._told :])
        start, self._told, self._length = self._length, len(draft.pieces), self._length + len(text)
        return ("answer", {"start": start, "text": text}) if text else None


class Live:
    def __init__(self) -> None:
        self._watchers: dict[str, list[News]] = {}
        self._drafts: dict[str, LiveDraft] = {}

    @contextmanager
    def watching(self, run_id: str) -> Iterator[News]:
        news = News(lambda: self._drafts.get(run_id))
        if run_id in self._drafts:
            news.grew()
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

    @contextmanager
    def drafting(self, run_id: str) -> Iterator[LiveDraft]:
        """While a run is worked on. If it has an answer in the end, that is in its row."""

        def grew() -> None:
            for news in self._watchers.get(run_id, ()):
                news.grew()

        draft = self._drafts[run_id] = LiveDraft(grew)
        try:
            yield draft
        finally:
            if self._drafts.get(run_id) is draft:
                del self._drafts[run_id]
