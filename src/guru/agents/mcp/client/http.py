"""The HTTP that the client needs. Whoever composes the program hands it in: features do not share code."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

MOST_BYTES = 16 << 20
"""Of one message."""


class HttpAnswer(Protocol):
    """Read it to the end, or close it."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """By lower-case names."""
        ...

    def iter(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


class Http(Protocol):
    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", *, idle: float
    ) -> HttpAnswer:
        """The head of the answer is there. Redirects are not followed. `idle`: seconds of silence that are too many.

        Raises `GuruError`.
        """
        ...


async def read_all(answer: HttpAnswer, limit: int = MOST_BYTES) -> bytes:
    """The whole body. Raises `ValueError` when it is larger than `limit`, and `GuruError`."""
    parts, size = [], 0
    try:
        async for part in answer.iter():
            size += len(part)
            if size > limit:
                raise ValueError(f"The answer is larger than {limit >> 20} MiB.")
            parts.append(part)
    finally:
        await answer.aclose()
    return b"".join(parts)
