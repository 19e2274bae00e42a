"""What fetching pages needs of an HTTP client, which the server hands in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct


class Answer(Struct):
    """The head of an answer, and its body as it comes."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: AsyncIterator[bytes]
    """Raises `DownloadError` when it breaks off."""


class Fetcher(Protocol):
    def get(
        self, url: str, headers: Mapping[str, str], *, private: bool, seconds: float
    ) -> AbstractAsyncContextManager[Answer]:
        """Send one GET and follow no redirect. `seconds` is how long the head, and each piece after it, may take.

        Unless `private`, the address that is connected to is not one of this machine or of a private network.
        Raises `DownloadError`.
        """
        ...
