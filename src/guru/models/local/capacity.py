"""Who may decode now: slots and tokens of context, given out in the order of asking."""

from __future__ import annotations

import threading
from collections import deque


class Capacity:
    """A fair two-fold semaphore for threads.

    llama.cpp shares one pool of context between its slots and, when it overflows, fails every request in it. So a
    request enters only when its prompt and its longest answer fit into what is left.
    """

    def __init__(self, slots: int, tokens: int) -> None:
        self._slots = slots
        self._tokens = tokens
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    def acquire(self, slots: int, tokens: int, cancelled: threading.Event) -> bool:
        """Wait until `slots` and `tokens` are free and all earlier callers are served. False when cancelled."""
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            self._changed.wait_for(lambda: cancelled.is_set() or self._admits(ticket, slots, tokens))
            self._queue.remove(ticket)
            if not cancelled.is_set():
                self._slots -= slots
                self._tokens -= tokens
            self._changed.notify_all()
            return not cancelled.is_set()

    def release(self, slots: int, tokens: int) -> None:
        with self._changed:
            self._slots += slots
            self._tokens += tokens
            self._changed.notify_all()

    def wake(self) -> None:
        """Let waiting threads see that they were cancelled."""
        with self._changed:
            self._changed.notify_all()

    def _admits(self, ticket: object, slots: int, tokens: int) -> bool:
        return self._queue[0] is ticket and self._slots >= slots and self._tokens >= tokens
