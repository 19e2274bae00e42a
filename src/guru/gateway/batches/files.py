"""Files by tenant: rows here, content in the blob store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct
from sqlalchemy import Connection, Row, and_, delete, insert, or_, select

from guru.errors import InvalidParameter, NotFound
from guru.gateway.identity import Caller
from guru.knowledge.trash import remove_unused
from guru.store.blobs import BlobStore
from guru.store.database import Database
from guru.store.ids import new_id
from guru.store.scope import Scope
from guru.store.tables import batches, files

Order = Literal["asc", "desc"]
BATCH_DAYS = 30
"""How long files of batches are kept, as OpenAI does. Others stay until they are deleted."""
RUNNING = ("validating", "in_progress", "finalizing", "cancelling")


class File(Struct, kw_only=True):
    """A file as it is kept. Times are seconds since 1970."""

    id: str
    filename: str
    purpose: str
    bytes: int
    digest: str
    created_at: float
    expires_at: float | None


class Page(Struct):
    items: list[Any]
    more: bool


class Files:
    """The files of everybody. One that has expired is not there any more."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self.database = database
        self.blobs = blobs

    async def add(
        self, caller: Caller, filename: str, purpose: str, pieces: AsyncIterator[bytes], *, seconds: float | None = None
    ) -> File:
        """Keep what comes in `pieces`; durable when this returns. `seconds` is how long it is kept."""
        with self.blobs.writer() as blob:
            async for piece in pieces:
                await asyncio.to_thread(blob.write, piece)
            digest, size = await asyncio.to_thread(blob.keep), blob.size
        row = file_row(caller.tenant, caller.person, filename, purpose, digest=digest, size=size, seconds=seconds)

        def write(connection: Connection) -> File:
            self._remove_expired(connection)
            connection.execute(insert(files).values(row))
            return to_file(find_file(connection, caller.private, row["id"]))

        return await self.database.write(write)

    async def get(self, scope: Scope, file_id: str) -> File:
        """Raises `NotFound`."""
        return to_file(await self.database.read(lambda connection: find_file(connection, scope, file_id)))

    async def path(self, scope: Scope, file_id: str) -> Path:
        """The file that holds the content. Raises `NotFound`."""
        return self.blobs.path((await self.get(scope, file_id)).digest)

    async def list(
        self, scope: Scope, *, purpose: str | None = None, limit: int = 100, order: Order = "desc",
        after: str | None = None,
    ) -> Page:  # fmt: skip
        """A page of files by the time they were made. Raises `InvalidParameter` for an unknown `after`."""
        query = select(files).where(scope.of(files), not_expired())
        if purpose is not None:
            query = query.where(files.c.purpose == purpose)
        rows = await self.database.read(
            lambda connection: page(connection, query, files, limit=limit, order=order, after=after)
        )
        return Page([to_file(row) for row in rows[:limit]], len(rows) > limit)

    async def delete(self, scope: Scope, file_id: str) -> None:
        """Raises `NotFound`, and `InvalidParameter` for the input of a batch that runs."""

        def forget(connection: Connection) -> None:
            row = find_file(connection, scope, file_id)
            needed = select(batches.c.id).where(batches.c.input_file_id == file_id, batches.c.status.in_(RUNNING))
            if batch_id := connection.scalar(needed.limit(1)):
                message = f"The batch {batch_id} still reads this file."
                raise InvalidParameter(message, param="file_id", hint="Cancel the batch first.")
            connection.execute(delete(files).where(scope.of(files), files.c.id == file_id))
            remove_unused(connection, self.blobs, [row.digest])

        await self.database.write(forget)

    def _remove_expired(self, connection: Connection) -> None:
        past = files.c.expires_at <= time.time()
        digests = list(connection.scalars(select(files.c.digest).where(past)))
        if digests:
            connection.execute(delete(files).where(past))
            remove_unused(connection, self.blobs, digests)

    def write_lines(self, lines: Iterable[bytes]) -> tuple[str, int] | None:
        """A blob of lines: its digest and size, or None where there are none. Blocks."""
        with self.blobs.writer() as blob:
            for line in lines:
                blob.write(line + b"\n")
            return (blob.keep(), blob.size) if blob.size else None


def file_row(
    tenant: str, owner: str, filename: str, purpose: str, *, digest: str, size: int, seconds: float | None
) -> dict[str, Any]:
    now = time.time()
    if seconds is None and purpose in ("batch", "batch_output"):
        seconds = BATCH_DAYS * 86400
    return {
        "id": new_id("file"), "tenant": tenant, "owner": owner, "filename": filename, "purpose": purpose,
        "digest": digest, "bytes": size, "created_at": now, "expires_at": None if seconds is None else now + seconds,
    }  # fmt: skip


def not_expired() -> Any:
    return or_(files.c.expires_at.is_(None), files.c.expires_at > time.time())


def find_file(connection: Connection, scope: Scope, file_id: str) -> Row[Any]:
    """Raises `NotFound`."""
    query = select(files).where(scope.of(files), files.c.id == file_id, not_expired())
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"There is no file {file_id!r}.", param="file_id", hint="It may have expired or been deleted.")
    return row


def page(
    connection: Connection, query: Any, table: Any, *, limit: int, order: Order, after: str | None
) -> list[Row[Any]]:
    """The rows after the one called `after`, one more than `limit` where there are more."""
    at, key = table.c.created_at, table.c.id
    if after is not None:
        last = connection.execute(query.where(key == after)).one_or_none()
        if last is None:
            raise InvalidParameter(f"There is nothing {after!r} in this list.", param="after")
        if order == "desc":
            query = query.where(or_(at < last.created_at, and_(at == last.created_at, key < last.id)))
        else:
            query = query.where(or_(at > last.created_at, and_(at == last.created_at, key > last.id)))
    sorting = (at.desc(), key.desc()) if order == "desc" else (at, key)
    return list(connection.execute(query.order_by(*sorting).limit(limit + 1)))


def to_file(row: Row[Any]) -> File:
    return File(**{name: getattr(row, name) for name in File.__struct_fields__})
