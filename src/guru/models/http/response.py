"""An answer: its head is there, its body comes."""

from __future__ import annotations

from asyncio import Future, get_running_loop
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import TYPE_CHECKING

from guru.errors import GuruError, ModelError, StreamCut
from guru.models.http.headers import Headers, Raw

if TYPE_CHECKING:
    from guru.models.http.connection import Connection
    from guru.models.http.decode import Decoder

MAX_BODY = 256 << 20
"""Bytes that `read` takes. A generated image or a batch of vectors is well below."""


class Response:
    """Read it to the end or close it: until then it has its connection to itself."""

    __slots__ = ("_connection", "_decoder", "_failure", "_headers", "_waiter", "chunks", "size", "status")

    def __init__(self, connection: Connection) -> None:
        self.status = 0
        self.chunks: list[bytes] = []
        """What has come and was not read; `size` bytes. The connection appends to it."""
        self.size = 0
        self._connection: Connection | None = connection
        self._decoder: Decoder | None = None
        self._failure: GuruError | None = None
        self._waiter: Future[None] | None = None
        self._headers: Headers | Raw = []

    def __repr__(self) -> str:
        return f"<Response {self.status}>"

    @property
    def headers(self) -> Headers:
        if isinstance(self._headers, list):
            self._headers = Headers(self._headers)
        return self._headers

    async def read(self, limit: int = MAX_BODY) -> bytes:
        """The whole body, once. Raises `StreamCut`, `ModelTimeout`, and `ModelError` for more than `limit` bytes."""
        if self._connection is None and self._decoder is None and self._failure is None and self.size <= limit:
            return self._take()
        parts: list[bytes] = []
        size = 0
        async for part in self.iter():
            size += len(part)
            if size > limit:
                await self.aclose()
                raise ModelError(
                    f"The provider's answer is larger than {limit >> 20} MiB.", hint="Ask for less in one request."
                )
            parts.append(part)
        return b"".join(parts)

    async def iter(self) -> AsyncGenerator[bytes]:
        """The body as it comes, in pieces that mean nothing. Raises `StreamCut` and `ModelTimeout`.

        Ending early, by an error, by cancellation or by closing the iterator, drops the connection.
        """
        try:
            while True:
                if self.chunks:
                    data = self._take()
                    if self._decoder is None:
                        yield data
                    else:
                        for piece in self._decoder.feed(data):
                            yield piece
                elif self._failure is not None:
                    raise self._failure
                elif self._connection is None:
                    if self._decoder is not None:
                        self._decoder.end()
                    return
                else:
                    waiter = self._waiter = get_running_loop().create_future()
                    await waiter
        finally:
            if self._connection is not None:
                self._connection.abort()

    async def aclose(self) -> None:
        """Drop the connection unless the body is complete. What was not read is gone."""
        self.chunks.clear()
        if self._connection is not None:
            self._connection.abort()

    async def __aenter__(self) -> Response:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def _take(self) -> bytes:
        chunks = self.chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self.size = 0
        if self._connection is not None:
            self._connection.resume_reading()
        return data

    # ------------------------------------------------------- called by the connection

    def begin(self, status: int, headers: Raw, decoder: Decoder | None) -> None:
        self.status = status
        self._headers = headers
        self._decoder = decoder

    def wake(self) -> None:
        """There is something new for whoever reads."""
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def finish(self, failure: GuruError | None = None) -> None:
        """Nothing more comes, because the body is complete or because of `failure`."""
        self._connection = None
        self._failure = failure
        self.wake()


def closed() -> StreamCut:
    return StreamCut("The answer was closed before it was read to its end.", hint="Send the request again.")
