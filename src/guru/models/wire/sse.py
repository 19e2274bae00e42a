"""Server-sent events as they come from a provider: bytes in any split to events.

Spec: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream. `id` and `retry` are read
over: nobody reconnects in the middle of an answer.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from guru.errors import StreamCut

MAX_EVENT: Final = 32 << 20
"""Bytes of one event. A generated picture is a few million."""

BOM: Final = b"\xef\xbb\xbf"


class SentEvent(Struct, frozen=True, gc=False):
    data: bytes
    """The lines of `data:`, joined by line feeds; UTF-8, as it came."""
    event: str = ""
    """What stood in `event:`; empty where nothing did."""


class EventStreamParser:
    """Feed it bytes as they come, split anywhere, also inside a character or a line end."""

    def __init__(self, limit: int = MAX_EVENT) -> None:
        self._limit = limit
        self._held: list[bytes] = []  # the beginning of an event, in pieces: joined once, however many they are
        self._size = 0
        self._after_return = False
        self._first = True

    def feed(self, data: bytes) -> list[SentEvent]:
        """The events that are complete now. Raises `StreamCut` when one grows beyond the limit."""
        if self._after_return and data:
            self._after_return = False
            if data[:1] == b"\n":  # the second half of a line end that was counted already
                data = data[1:]
        if (
            not self._held
            and data[:6] == b"data: "
            and data[-2:] == b"\n\n"
            and data.count(b"\n") == 2
            and b"\r" not in data
        ):
            self._first = False  # one whole event in one piece, as most come
            return [SentEvent(data[6:-2])]
        if b"\r" in data:
            self._after_return = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        ends = b"\n\n" in data or (data[:1] == b"\n" and bool(self._held) and self._held[-1].endswith(b"\n"))
        if not ends:
            self._hold(data)
            return []
        if self._held:
            data = b"".join((*self._held, data))
            self._held.clear()
            self._size = 0
        blocks = data.split(b"\n\n")
        self._hold(blocks.pop())
        return self._events(blocks)

    def end(self) -> list[SentEvent]:
        """After the last byte: the event that no empty line closed. Some servers forget the line after their last."""
        rest, self._held = b"".join(self._held), []
        return self._events([rest]) if rest else []

    def _events(self, blocks: list[bytes]) -> list[SentEvent]:
        events = []
        for block in blocks:
            if self._first:
                self._first = False
                block = block.removeprefix(BOM)
            if block.startswith(b"data: ") and b"\n" not in block:  # nearly all of them
                events.append(SentEvent(block[6:]))
            elif (event := _read(block)) is not None:
                events.append(event)
        return events

    def _hold(self, data: bytes) -> None:
        if data:
            self._held.append(data)
            self._size += len(data)
            if self._size > self._limit:
                raise StreamCut(
                    f"The provider sent one event of more than {self._limit >> 20} MiB.", hint="Ask for less at once."
                )


def _read(block: bytes) -> SentEvent | None:
    """The event of a block of lines; None for a block without data, such as a comment that keeps a line open."""
    data: list[bytes] = []
    name = b""
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return SentEvent(b"\n".join(data), name.decode("utf-8", "replace")) if data else None
