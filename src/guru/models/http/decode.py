"""Bodies that come compressed although they were asked for as they are."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from guru.errors import ModelError, StreamCut

PIECE = 256 << 10
"""Bytes that come out at once: a small body may unpack to a very large one."""
WINDOW_BITS = {
    "gzip": zlib.MAX_WBITS | 16,
    "x-gzip": zlib.MAX_WBITS | 16,
    "deflate": zlib.MAX_WBITS,
    "raw": -zlib.MAX_WBITS,
}


class Decoder:
    """Unpacks one body. Raises `ModelError` for an encoding that nobody asked for and that Guru does not know."""

    def __init__(self, encoding: str, host: str) -> None:
        self._host = host
        self._encoding = encoding
        self._first = b""
        self._unpack = None if encoding == "deflate" else self._fresh(encoding)

    def _fresh(self, encoding: str) -> zlib._Decompress:
        if encoding not in WINDOW_BITS:
            raise ModelError(
                f"{self._host} sent a body in the encoding {encoding[:40]!r}, which it was not asked for.",
                hint="Turn off compression in the server or the proxy in front of it.",
            )
        return zlib.decompressobj(WINDOW_BITS[encoding])

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Pieces of at most `PIECE` bytes. Raises `StreamCut`."""
        if self._unpack is None:
            data = self._first = self._first + data
            if len(data) < 2:
                return
            self._unpack = self._fresh("deflate" if has_zlib_header(data) else "raw")
        try:
            while data:
                if self._unpack.eof:
                    self._unpack = self._fresh(self._encoding)  # gzip may have several members
                yield from inflate(self._unpack, data)
                data = self._unpack.unused_data
        except zlib.error as error:
            raise StreamCut(f"{self._host} sent a body that cannot be unpacked.", hint="Try again.") from error

    def end(self) -> None:
        """Raises `StreamCut` when the packed data ended too early."""
        if self._unpack is not None and not self._unpack.eof:
            raise StreamCut(f"{self._host} sent a compressed body that ends in the middle.", hint="Try again.")


def has_zlib_header(data: bytes) -> bool:
    """Some servers leave it out (https://www.rfc-editor.org/rfc/rfc9110#section-8.4.1.2 tells of them)."""
    return data[0] & 15 == 8 and (data[0] << 8 | data[1]) % 31 == 0


def inflate(unpack: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    while True:
        piece = unpack.decompress(data, PIECE)
        if piece:
            yield piece
        data = unpack.unconsumed_tail
        if not data and len(piece) < PIECE:
            return
