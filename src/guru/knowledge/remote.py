"""Files that are elsewhere: on the web, in a bucket. They are brought when their turn comes, if they have changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

from msgspec import Struct

from guru.errors import NotFound, UnreadableDocument
from guru.store.blobs import BlobStore

JSON = dict[str, Any]
_BLOCK: Final = 1 << 20


class Gone(NotFound):
    """The file is no longer where it was, says who has it: with `prune` its document goes too."""


class Fetched(Struct, kw_only=True, frozen=True):
    """A file that was brought, and is a blob now."""

    digest: str
    size: int
    filename: str
    """A name with the ending that its kind has, for the parser."""
    metadata: JSON
    """Kept with the document, and given to the next fetch: where it came from, and how to see whether it changed."""
    charset: str | None = None
    """The encoding of a text, as the place says."""
    modified: str | None = None
    """ISO 8601, as the place says."""


Fetch = Callable[[JSON], Awaitable[Fetched | None]]
"""Brings a file, given the metadata of the document that there is (`{}`: none); None when it has not changed.

Raises `Gone`, `DownloadError`, `UnreadableDocument`.
"""


class RemoteFile(Struct, frozen=True):
    """A file to ingest that is elsewhere. `name` is its address."""

    name: str
    source: str
    fetch: Fetch
    found: bool = False

    @property
    def shown(self) -> str:
        return self.name


async def keep_stream(blobs: BlobStore, pieces: AsyncIterator[bytes], limit: int, setting: str) -> tuple[str, int]:
    """Keep what comes as a blob: its digest and size. Raises `UnreadableDocument` for more than `limit` bytes."""
    with await asyncio.to_thread(blobs.writer) as writer:
        waiting = bytearray()
        size = 0
        async for piece in pieces:
            size += len(piece)
            if size > limit:
                raise UnreadableDocument(
                    f"The file has more than {limit / 1e6:,.0f} MB.", hint=f"Raise {setting} if it is wanted."
                )
            waiting += piece
            if len(waiting) >= _BLOCK:
                await asyncio.to_thread(writer.write, bytes(waiting))
                waiting.clear()
        await asyncio.to_thread(writer.write, bytes(waiting))
        return await asyncio.to_thread(writer.keep), size
