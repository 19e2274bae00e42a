"""Amazon's event stream: binary messages with headers and two checksums, from bytes in any split.

Spec: https://smithy.io/2.0/aws/amazon-eventstream.html. A message is

    4 bytes  length of all          4 bytes  length of the headers      4 bytes  CRC-32 of these eight
    headers                         payload                             4 bytes  CRC-32 of everything before
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from msgspec import Struct

from guru.errors import StreamCut

PRELUDE: Final = struct.Struct("!III")
CHECKSUM: Final = struct.Struct("!I")
SMALLEST: Final = PRELUDE.size + CHECKSUM.size
MAX_HEADERS: Final = 128 << 10
MAX_PAYLOAD: Final = 24 << 20
"""Bytes, as the specification limits them."""

Value = bool | int | bytes | str
NUMBERS: Final = {2: struct.Struct("!b"), 3: struct.Struct("!h"), 4: struct.Struct("!i"), 5: struct.Struct("!q"),
                  8: struct.Struct("!q")}  # fmt: skip
"""Kinds of values to their form: byte, short, integer, long, and a timestamp in milliseconds."""
LENGTH: Final = struct.Struct("!H")
UUID_SIZE: Final = 16


class EventMessage(Struct, frozen=True):
    headers: dict[str, Value]
    payload: bytes

    def text(self, name: str) -> str:
        """A header that is a text; empty where there is none."""
        value = self.headers.get(name)
        return value if isinstance(value, str) else ""


class AwsEventStream:
    """Feed it bytes as they come."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._needed = PRELUDE.size

    def feed(self, data: bytes) -> list[EventMessage]:
        """The messages that are complete now. Raises `StreamCut` for what is no message."""
        self._held += data
        found: list[EventMessage] = []
        while len(self._held) >= self._needed:
            if self._needed == PRELUDE.size:
                self._needed = self._read_prelude()
                continue
            found.append(_message(bytes(self._held[: self._needed])))
            del self._held[: self._needed]
            self._needed = PRELUDE.size
        return found

    def end(self) -> None:
        """After the last byte. Raises `StreamCut` when a message was cut."""
        if self._held:
            raise broken("ended in the middle of a message")

    def _read_prelude(self) -> int:
        """The length of the message that begins here."""
        total, headers, checksum = PRELUDE.unpack_from(self._held)
        if zlib.crc32(self._held[:8]) != checksum:
            raise broken("has a wrong checksum")
        if total < SMALLEST + headers or headers > MAX_HEADERS or total - headers - SMALLEST > MAX_PAYLOAD:
            raise broken("has a message of an impossible length")
        return int(total)


def _message(data: bytes) -> EventMessage:
    _, size, _ = PRELUDE.unpack_from(data)
    if zlib.crc32(data[: -CHECKSUM.size]) != CHECKSUM.unpack_from(data, len(data) - CHECKSUM.size)[0]:
        raise broken("has a wrong checksum")
    start = PRELUDE.size + size
    try:
        headers = _headers(data[PRELUDE.size : start])
    except (struct.error, IndexError, UnicodeDecodeError):
        raise broken("has headers that cannot be read") from None
    return EventMessage(headers, data[start : -CHECKSUM.size])


def _headers(data: bytes) -> dict[str, Value]:
    headers: dict[str, Value] = {}
    place = 0
    while place < len(data):
        name, place = _piece(data, place + 1, data[place])
        kind = data[place]
        place += 1
        value: Value
        if kind in (0, 1):
            value = kind == 0
        elif kind in NUMBERS:
            value = NUMBERS[kind].unpack_from(data, place)[0]
            place += NUMBERS[kind].size
        elif kind in (6, 7):
            (size,) = LENGTH.unpack_from(data, place)
            raw, place = _piece(data, place + LENGTH.size, size)
            value = raw.decode() if kind == 7 else raw
        elif kind == 9:
            value, place = _piece(data, place, UUID_SIZE)
        else:
            raise broken("has a header of an unknown kind")
        headers[name.decode()] = value
    return headers


def _piece(data: bytes, start: int, size: int) -> tuple[bytes, int]:
    if start + size > len(data):
        raise IndexError
    return data[start : start + size], start + size


def broken(how: str) -> StreamCut:
    return StreamCut(f"The provider's event stream {how}.", hint="Try again.")
