"""Puts documents into a collection and takes them out, each in one transaction: never half visible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, delete, select, update

from guru.errors import NotFound
from guru.knowledge.access import may_see, own_access, read_lists_of, write_list
from guru.knowledge.collections import touch
from guru.knowledge.embedding_cache import readers_of
from guru.knowledge.trash import remove_unused, sweep
from guru.knowledge.vectors import ChunkVectors, put_beside
from guru.store.blobs import BlobStore
from guru.store.bulk import insert_rows
from guru.store.database import Database
from guru.store.ids import new_id
from guru.store.scope import Scope
from guru.store.tables import chunks, collections, document_texts, documents

Rows = tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]


class ModelChanged(Exception):
    """The collection has another embedding model than the one that documents were embedded for: do it again."""


class Beside(Struct, frozen=True):
    """Vectors by a second model of documents that are stored."""

    model: str
    vectors: list[list[ChunkVectors]]
    """Of each document, in the order of its chunks."""


class Known(Struct, frozen=True):
    """A document that the collection has already."""

    id: str
    content_hash: str
    recipe: str
    source: str | None
    ingested_at: float
    chunks: int


class DocumentWriter:
    """Writes to one collection, as far as somebody may.

    A document keeps its access list when it is replaced, unless it gets another one: by `access`, which holds for
    all that is written, or else by its own front matter. Only an administrator changes the list of a document that
    has one.
    """

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        collection_id: str,
        scope: Scope,
        *,
        access: Sequence[str] | None = None,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._collection_id = collection_id
        self._scope = scope
        self._access = access

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

    async def lists(self) -> dict[str, list[str]]:
        """The access lists by the names of the documents that have one."""
        return await self._database.read(self._lists)

    async def readers(self, metadata: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
        """Who will see documents, given by name with their metadata, as `readers_of` writes it.

        Of a list that does not name whoever writes nothing is to be learned: it is written as no other ever is.
        """
        lists = await self._database.read(lambda connection: self._lists(connection, documents.c.name.in_(metadata)))
        found = {}
        for name, matter in metadata.items():
            wanted = self._wanted(matter)
            listed = lists.get(name, []) if wanted is None else wanted
            found[name] = readers_of(listed) if may_see(self._scope, listed) else new_id("unseen")
        return found

    def refusal(self, old: Sequence[str], metadata: Mapping[str, Any] | None = None) -> str | None:
        """Why a document with the list `old` may not be replaced by one with this metadata; None: it may."""
        if not may_see(self._scope, old):
            return "There is a document of this name that you may not see. Choose another name."
        wanted = self._wanted(metadata or {})
        if old and wanted is not None and wanted != list(old) and self._scope.names is not None:
            return "Only an administrator changes who may see a document that has an access list."
        return None

    async def replace(self, batch: Sequence[Rows], beside: Beside | None = None) -> dict[str, str]:
        """Put documents in place of those of the same names. All of them appear in one moment, or none.

        Returns by name, with the reason, those that may not be replaced, and so were left as they are. Raises
        `ModelChanged`, and `NotFound` for a collection that was deleted meanwhile.
        """

        def change(connection: Connection) -> dict[str, str]:
            self._check_model(connection, {row["embedding_model"] for row, _, _ in batch}, beside)
            lists = self._lists(connection, documents.c.name.in_([row["name"] for row, _, _ in batch]))
            refused = {
                row["name"]: reason
                for row, _, _ in batch
                if (reason := self.refusal(lists.get(row["name"], []), row["metadata"])) is not None
            }
            accepted = [rows for rows in batch if rows[0]["name"] not in refused]
            names = [row["name"] for row, _, _ in accepted]
            old = self._digests(connection, documents.c.name.in_(names))
            self._delete(connection, documents.c.name.in_(names))
            for document, _, _ in accepted:
                self._blobs.path(document["content_hash"])  # a document without its file is not stored
            insert_rows(connection, documents, [document for document, _, _ in accepted])
            insert_rows(connection, document_texts, [text for _, text, _ in accepted])
            insert_rows(connection, chunks, [row for _, _, passages in accepted for row in passages])
            second = (
                {row["id"]: given for (row, _, _), given in zip(batch, beside.vectors, strict=True)} if beside else {}
            )
            for document, _, _ in accepted:
                if beside is not None:
                    rows = self._chunks(connection, document["id"])
                    put_beside(connection, beside.model, rows, second[document["id"]])
                wanted = self._wanted(document["metadata"])
                if listed := lists.get(document["name"]) if wanted is None else wanted:  # a new document has no list
                    self._write_list(connection, document["id"], listed)
            touch(connection, self._collection_id)
            remove_unused(connection, self._blobs, old)
            return refused

        return await self._database.write(change)

    async def relist(self, names: Sequence[str]) -> None:
        """Give unchanged documents the access list that all of this ingest get, where that may still be changed."""

        def change(connection: Connection) -> None:
            for start in range(0, len(names), 500):
                ids = self._ids(connection, documents.c.name.in_(names[start : start + 500]))
                lists = read_lists_of(connection, list(ids.values()))
                for document_id in ids.values():
                    if self.refusal(lists.get(document_id, [])) is None:
                        self._write_list(connection, document_id, self._access or [])
            touch(connection, self._collection_id)

        if names:
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

    def _check_model(self, connection: Connection, models: set[str], beside: Beside | None) -> None:
        mine = collections.c.id == self._collection_id
        current = connection.scalar(select(collections.c.embedding_model).where(mine))
        if current is None:
            raise NotFound("The collection was deleted meanwhile.")
        if models - {current} and (beside is None or beside.model != current):
            raise ModelChanged

    @staticmethod
    def _chunks(connection: Connection, document_id: str) -> Sequence[Any]:
        query = select(chunks.c.id, chunks.c.tenant, chunks.c.collection_id).where(chunks.c.document_id == document_id)
        return connection.execute(query.order_by(chunks.c.ordinal)).all()

    def _lists(self, connection: Connection, *conditions: Any) -> dict[str, list[str]]:
        ids = self._ids(connection, *conditions)
        lists = read_lists_of(connection, list(ids.values()))
        return {name: lists[document_id] for name, document_id in ids.items() if document_id in lists}

    def _ids(self, connection: Connection, *conditions: Any) -> dict[str, str]:
        mine = documents.c.collection_id == self._collection_id
        rows = connection.execute(select(documents.c.name, documents.c.id).where(mine, *conditions))
        return {row.name: row.id for row in rows}

    def _wanted(self, metadata: Mapping[str, Any]) -> list[str] | None:
        return list(self._access) if self._access is not None else own_access(metadata)

    def _write_list(self, connection: Connection, document_id: str, names: Sequence[str]) -> None:
        write_list(connection, self._scope.tenant, self._collection_id, document_id, names)

    def _digests(self, connection: Connection, which: Any) -> list[str]:
        mine = documents.c.collection_id == self._collection_id
        return list(connection.scalars(select(documents.c.content_hash).where(mine, which)))

    def _delete(self, connection: Connection, which: Any) -> int:
        mine = documents.c.collection_id == self._collection_id
        return connection.execute(delete(documents).where(mine, which)).rowcount
