"""Puts documents into a collection and takes them out, each in one transaction: never half visible."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, delete, insert, select, update

from guru.knowledge.collections import touch
from guru.knowledge.trash import remove_unused, sweep
from guru.store.blobs import BlobStore
from guru.store.database import Database
from guru.store.tables import chunks, document_texts, documents

Rows = tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]


class Known(Struct, frozen=True):
    """A document that the collection has already."""

    id: str
    content_hash: str
    recipe: str
    source: str | None
    ingested_at: float
    chunks: int


class DocumentWriter:
    """Writes to one collection."""

    def __init__(self, database: Database, blobs: BlobStore, collection_id: str) -> None:
        self._database = database
        self._blobs = blobs
        self._collection_id = collection_id

    async def known(self) -> dict[str, Known]:
        """The documents by name."""
        columns = [documents.c[name] for name in Known.__struct_fields__]
        query = select(documents.c.name, *columns).where(documents.c.collection_id == self._collection_id)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {name: Known(*values) for name, *values in rows}

    async def metadata(self, sources: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The metadata of the documents that came from `sources`, by name."""
        mine = documents.c.collection_id == self._collection_id
        query = select(documents.c.name, documents.c.metadata).where(mine, documents.c.source.in_(list(sources)))
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {row.name: row.metadata for row in rows}

    async def replace(self, batch: Sequence[Rows]) -> None:
        """Put documents in place of those of the same names. All of them appear in one moment, or none."""

        def change(connection: Connection) -> None:
            names = [row["name"] for row, _, _ in batch]
            old = self._digests(connection, documents.c.name.in_(names))
            self._delete(connection, documents.c.name.in_(names))
            for document, text, passages in batch:
                self._blobs.path(document["content_hash"])  # a document without its file is not stored
                connection.execute(insert(documents).values(document))
                connection.execute(insert(document_texts).values(text))
                if passages:
                    connection.execute(insert(chunks), passages)
            touch(connection, self._collection_id)
            remove_unused(connection, self._blobs, old)

        await self._database.write(change)

    async def remove(self, names: Iterable[str]) -> int:
        """Take documents out; returns how many there were."""
        listed = list(names)
        if not listed:
            return 0

        def change(connection: Connection) -> int:
            removed = 0
            for start in range(0, len(listed), 500):
                mine = documents.c.name.in_(listed[start : start + 500])
                old = self._digests(connection, mine)
                removed += self._delete(connection, mine)
                remove_unused(connection, self._blobs, old)
            touch(connection, self._collection_id)
            return removed

        return await self._database.write(change)

    async def adopt(self, names: Sequence[str], source: str | None) -> None:
        """Say that unchanged documents now come from `source`."""
        mine = documents.c.collection_id == self._collection_id

        def change(connection: Connection) -> None:
            for start in range(0, len(names), 500):
                chosen = documents.c.name.in_(names[start : start + 500])
                connection.execute(update(documents).where(mine, chosen).values(source=source))

        if names:
            await self._database.write(change)

    async def sweep(self) -> int:
        """Remove files that nothing needs, of every collection."""
        return await self._database.write(lambda connection: sweep(connection, self._blobs))

    def _digests(self, connection: Connection, which: Any) -> list[str]:
        mine = documents.c.collection_id == self._collection_id
        return list(connection.scalars(select(documents.c.content_hash).where(mine, which)))

    def _delete(self, connection: Connection, which: Any) -> int:
        mine = documents.c.collection_id == self._collection_id
        return connection.execute(delete(documents).where(mine, which)).rowcount
