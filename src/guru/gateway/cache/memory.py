"""Answers in this process: bounded in bytes, the least recently used go first."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from msgspec import Struct

OVERHEAD: Final = 350
"""Bytes that an entry takes besides its answer: the key, this struct, places in two dictionaries."""


class Entry(Struct):
    """An answer. Old ones stay for `stale` until their room is needed."""

    answer: bytes
    until: float
    """When it is no longer shown, on the store's clock."""
    extra: int = 0
    """Bytes kept elsewhere for it, such as a vector."""

    @property
    def size(self) -> int:
        return len(self.answer) + self.extra + OVERHEAD


class MemoryStore:
    """Belongs to one event loop."""

    def __init__(self, max_bytes: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self.evicted = 0
        self.on_evict: Callable[[bytes], None] = lambda key: None
        """Told of every key that goes."""
        self._clock = clock
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes, *, stale: bool = False) -> bytes | None:
        """The answer; one that is too old only when `stale`."""
        entry = self._entries.get(key)
        if entry is None or (not stale and entry.until <= self._clock()):
            return None
        self._entries.move_to_end(key)
        return entry.answer

    def put(self, key: bytes, answer: bytes, ttl: float, extra: int = 0) -> bool:
        """Keep an answer for `ttl` seconds. False when it is too large to be kept: over an eighth of all."""
        entry = Entry(answer, self._clock() + ttl, extra)
        if entry.size > self.max_bytes // 8:
            return False
        self.remove(key)
        self._entries[key] = entry
        self.bytes += entry.size
        while self.bytes > self.max_bytes:
            oldest = next(iter(self._entries))
            self.remove(oldest)
            self.evicted += 1
        return True

    def remove(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= entry.size
            self.on_evict(key)

    def clear(self) -> None:
        for key in list(self._entries):
            self.remove(key)
