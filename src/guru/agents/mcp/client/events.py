"""Server-sent events whose place is remembered, so that a stream can be resumed.

Specification: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

from collections.abc import Iterator

from guru.agents.mcp.client.http import MOST_BYTES


class EventReader:
    """Feed it bytes as they come; it gives the data of events, and remembers where the stream can be resumed."""

    def __init__(self) -> None:
        self.last_id: str | None = None
        self.retry: float | None = None
        """Seconds to wait before coming back, if the server said."""
        self._held = b""

    def feed(self, data: bytes) -> Iterator[str]:
        """Raises `ValueError` for an event that is too large."""
        text = (self._held + data).replace(b"\r\n", b"\n")
        if text.endswith(b"\r"):  # half of a line end, perhaps
            text, rest = text[:-1], b"\r"
        else:
            rest = b""
        *blocks, held = text.replace(b"\r", b"\n").split(b"\n\n")
        self._held = held + rest
        if len(self._held) > MOST_BYTES:
            raise ValueError(f"An event is larger than {MOST_BYTES >> 20} MiB.")
        for block in blocks:
            if said := self._read(block.decode("utf-8", "replace")):
                yield said

    def _read(self, block: str) -> str:
        lines = []
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                lines.append(value)
            elif name == "id" and "\0" not in value:
                self.last_id = value or None
            elif name == "retry" and value.isascii() and value.isdigit():
                self.retry = min(int(value[:9]) / 1000, 60.0)
        return "\n".join(lines)
