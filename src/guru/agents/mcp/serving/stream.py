"""The messages that answer one HTTP request, in order: written by what works, read by who sends them, perhaps later.

A legacy client that lost its connection asks for what came after the last message that it saw. So messages are kept,
within limits, and a stream may have one reader after the other. Whoever wants to know that the reader is gone before
the stream has ended is told by `left`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable

from guru.agents.mcp.messages import encode
from guru.types import JSON

KEPT = 512
"""Messages that a stream remembers. Who comes back for older ones goes without them."""
KEPT_BYTES = 4 << 20


class Stream:
    """`resumable`: each message has an id, which the client can name when it comes back."""

    def __init__(self, name: str = "", *, resumable: bool = False, left: Callable[[], None] | None = None) -> None:
        self.name = name
        self.resumable = resumable
        self._left = left
        self.first: asyncio.Event = asyncio.Event()
        """Set with the first message, and at the end."""
        self.ended = False
        self._messages: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self.count = 0
        """Messages written so far."""
        self._reader = 0
        self._news = asyncio.Event()

    def write(self, message: JSON) -> None:
        data = encode(message)
        self.count += 1
        self._messages.append((self.count, data))
        self._bytes += len(data)
        while len(self._messages) > KEPT or (self._bytes > KEPT_BYTES and len(self._messages) > 1):
            self._bytes -= len(self._messages.popleft()[1])
        self.first.set()
        self._news.set()

    @property
    def kept(self) -> Iterable[tuple[int, bytes]]:
        """Those that it remembers, with their numbers."""
        return self._messages

    def end(self) -> None:
        """Nothing more comes."""
        self.ended = True
        self.first.set()
        self._news.set()

    def hang_up(self) -> None:
        """Send the reader away, who will come back."""
        self._reader += 1
        self._news.set()
        if self._left is not None:
            self._left()

    async def read(self, after: int = 0, *, prime: bool = False, retry: int | None = None) -> AsyncIterator[bytes]:
        """Messages as server-sent events, from the one after number `after`. A new reader ends the one before.

        `prime`: an event without data comes first, so that the client can come back before there is any other;
        `retry` are the milliseconds after which it should.
        """
        self._reader += 1
        me = self._reader
        try:
            if prime:
                wait = f"retry: {retry}\n" if retry is not None else ""
                yield f"id: {self.name}-{after}\n{wait}data: \n\n".encode()
            while True:
                self._news.clear()
                for number, data in list(self._messages):
                    if number > after and self._reader == me:
                        yield self._event(number, data)
                        after = number  # only now is it known that somebody took it
                if self._reader != me or (self.ended and after >= self.count):
                    return
                await self._news.wait()
                if self._reader != me:
                    self._news.set()  # it was for the other one
                    return
        finally:
            if self._left is not None and self._reader == me and not (self.ended and after >= self.count):
                self._left()

    def _event(self, number: int, data: bytes) -> bytes:
        return as_event(data, f"{self.name}-{number}" if self.resumable else None)


def as_event(data: bytes, id: str | None) -> bytes:
    """A message as a server-sent event."""
    place = f"id: {id}\n".encode() if id is not None else b""
    return place + b"event: message\ndata: " + data + b"\n\n"


def place(event_id: str) -> tuple[str, int] | None:
    """The stream that an event's id names, and the number of the event; None for what is no id of ours."""
    name, _, number = event_id.rpartition("-")
    return (name, int(number)) if name and number.isascii() and number.isdigit() and len(number) < 12 else None
