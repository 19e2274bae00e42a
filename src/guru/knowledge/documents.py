"""Documents: what was ingested, its stored text, its passages and its original file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, Row, delete, func, select

from guru.errors import NotFound
from guru.knowledge.access import check_access, read_lists_of, seen_by, write_list
from guru.knowledge.collections import find_collection, touch
from guru.knowledge.filters import FIELDS
from guru.knowledge.trash import remove_unused
from guru.store.blobs import BlobStore
from guru.store.database import Database
from guru.store.scope import Scope
from guru.store.tables import chunks, collections, document_texts, documents

JSON = dict[str, Any]
Audit = Callable[[Connection, "Document", list[str]], None]
"""Is told in the transaction of a change the document as it was, and its new access list."""


_COLUMNS: Final = {"document": "name", "document_id": "id", "pages": "page_spans"}
"""Where the fields of filters are, of those that are called otherwise."""
_AT_ONCE: Final = 500
"""Documents in one statement."""


class Document(Struct, kw_only=True):
    """A document without its text. `created` and `modified` are ISO 8601, as the file says; others epoch seconds."""

    id: str
    collection: str
    name: str
    """The path relative to what was ingested."""
    title: str | None
    author: str | None
    language: str | None
    media_type: str
    pages: int | None
    bytes: int
    chunks: int
    created: str | None
    modified: str | None
    ingested_at: float
    metadata: JSON
    warnings: list[str]
    access: list[str] = []
    """Who may see it: `user:anna`, `team:legal`, `key:key_…`. Empty: everybody of the tenant."""
    headings: list[JSON] = []
    """`level`, `title`, `start`; only from `Documents.get`, as `page_spans` (`number`, `start`, `end`)."""
    page_spans: list[JSON] = []


class Passage(Struct, kw_only=True):
    """A chunk as it is stored."""

    id: int
    ordinal: int
    page: int | None
    start: int
    end: int
    tokens: int
    heading_path: list[str]
    text: str


class Documents:
    """The documents of every tenant. What somebody may not see does not exist."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs

    async def list(
        self, scope: Scope, collection: str, *, limit: int = 100, after: str | None = None
    ) -> tuple[list[Document], str | None]:
        """Documents by name, from the one after the name `after`; and what to give as `after` for the next ones."""

        def read(connection: Connection) -> list[Document]:
            found = find_collection(connection, scope.tenant, collection)
            query = select_documents(scope).where(documents.c.collection_id == found.id)
            if after is not None:
                query = query.where(documents.c.name > after)
            rows = connection.execute(query.order_by(documents.c.name).limit(limit + 1)).all()
            lists = read_lists_of(connection, [row.id for row in rows])
            return [to_document(row, lists.get(row.id)) for row in rows]

        found = await self._database.read(read)
        return found[:limit], found[limit - 1].name if len(found) > limit else None

    async def get(self, scope: Scope, document_id: str) -> Document:
        """With headings and page spans. Raises `NotFound`."""

        def read(connection: Connection) -> Document:
            row = find_document(connection, scope, document_id)
            document = to_document(row, read_lists_of(connection, [row.id]).get(row.id))
            document.headings, document.page_spans = row.headings, row.page_spans
            return document

        return await self._database.read(read)

    async def named(self, scope: Scope, collection: str, name: str) -> Document:
        """The document of this name. Raises `NotFound`."""
        query = select_documents(scope).where(collections.c.name == collection, documents.c.name == name)
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            raise document_not_found(name)
        return to_document(row)

    async def set_access(
        self,
        scope: Scope,
        document_id: str,
        names: Sequence[str],
        *,
        audit: Audit | None = None,
    ) -> Document:
        """Say who may see a document; nobody named makes it everybody's. Whether the caller may is for the door.

        Raises `NotFound` and `InvalidParameter`.
        """
        wanted = check_access(list(names))

        def change(connection: Connection) -> Document:
            row = find_document(connection, scope, document_id)
            document = to_document(row, read_lists_of(connection, [row.id]).get(row.id))
            if wanted != document.access:
                write_list(connection, scope.tenant, row.collection_id, row.id, wanted)
                touch(connection, row.collection_id)
                if audit is not None:
                    audit(connection, document, wanted)
            document.access = wanted
            return document

        return await self._database.write(change)

    async def delete(self, scope: Scope, document_id: str) -> None:
        """Remove a document and, where no other has the same content, its file. Raises `NotFound`."""

        def remove(connection: Connection) -> None:
            row = find_document(connection, scope, document_id)
            connection.execute(delete(documents).where(documents.c.id == row.id))
            touch(connection, row.collection_id)
            remove_unused(connection, self._blobs, [row.content_hash])

        await self._database.write(remove)

    async def text(self, scope: Scope, document_id: str, start: int = 0, end: int | None = None) -> str:
        """Characters `[start, end)` of the stored text, as far as there are. Raises `NotFound`."""
        length = -1 if end is None else max(0, end - start)
        text = document_texts.c.text
        piece = func.substr(text, start + 1) if length < 0 else func.substr(text, start + 1, length)
        query = (
            select(piece)
            .join_from(documents, document_texts, document_texts.c.document_id == documents.c.id)
            .where(documents.c.id == document_id, seen_by(scope))
        )
        found = await self._database.read(lambda connection: connection.scalar(query))
        if found is None:
            raise document_not_found(document_id)
        return str(found)

    async def chunks(
        self, scope: Scope, document_id: str, *, limit: int = 100, after: int | None = None
    ) -> tuple[Sequence[Passage], int | None]:
        """Passages in order, from the one after ordinal `after`; and what to give as `after` for the next ones."""
        await self._row(scope, document_id)
        columns = [chunks.c[name] for name in Passage.__struct_fields__]
        query = (
            select(*columns)
            .join_from(documents, chunks, chunks.c.document_id == documents.c.id)
            .where(documents.c.id == document_id, seen_by(scope))
        )
        if after is not None:
            query = query.where(chunks.c.ordinal > after)
        query = query.order_by(chunks.c.ordinal).limit(limit + 1)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        found = [Passage(**row._mapping) for row in rows]
        return found[:limit], found[limit - 1].ordinal if len(found) > limit else None

    async def original(self, scope: Scope, document_id: str) -> Path:
        """The file as it was ingested. Raises `NotFound`."""
        return self._blobs.path((await self._row(scope, document_id)).content_hash)

    async def _row(self, scope: Scope, document_id: str) -> Row[Any]:
        return await self._database.read(lambda connection: find_document(connection, scope, document_id))


def select_documents(scope: Scope) -> Any:
    """Rows of the documents that somebody sees, with the names of their collections."""
    join = documents.join(collections, collections.c.id == documents.c.collection_id)
    return select(documents, collections.c.name.label("collection")).select_from(join).where(seen_by(scope))


def find_document(connection: Connection, scope: Scope, document_id: str) -> Row[Any]:
    """The row of a document. Raises `NotFound`, also for one that somebody may not see."""
    row: Row[Any] | None = connection.execute(
        select_documents(scope).where(documents.c.id == document_id)
    ).one_or_none()
    if row is None:
        raise document_not_found(document_id)
    return row


def allowed_documents(
    connection: Connection,
    scope: Scope,
    collection_id: str,
    accepts: Callable[[dict[str, Any]], bool],
    fields: Iterable[str] = (*FIELDS, "metadata"),
) -> frozenset[str]:
    """The ids of the documents of a collection that somebody sees and a filter accepts, which looks at `fields`."""
    columns = {field: documents.c[_COLUMNS.get(field, field)] for field in fields}
    query = select(documents.c.id, *columns.values()).where(documents.c.collection_id == collection_id, seen_by(scope))
    rows = connection.execute(query, execution_options={"yield_per": 1000})
    return frozenset(number for number, *values in rows if accepts(filter_fields(columns, values)))


def read_fields(connection: Connection, ids: Sequence[str]) -> Iterator[tuple[Row[Any], JSON]]:
    """Some documents (`id`, `chunks`) with all that a filter sees of them. Whose they are is for the caller to know."""
    names = (*FIELDS, "metadata")
    columns = [documents.c[_COLUMNS.get(name, name)] for name in names]
    query = select(documents.c.id, documents.c.chunks, *columns)
    for start in range(0, len(ids), _AT_ONCE):
        for row in connection.execute(query.where(documents.c.id.in_(ids[start : start + _AT_ONCE]))):
            yield row, filter_fields(names, row[2:])


def filter_fields(names: Iterable[str], values: Iterable[Any]) -> JSON:
    """What a filter sees of a document (`filters.FIELDS`)."""
    found = dict(zip(names, values, strict=True))
    if "pages" in found:
        found["pages"] = len(found["pages"]) or None
    return found


def to_document(row: Row[Any], access: list[str] | None = None) -> Document:
    values = {name: row._mapping[name] for name in Document.__struct_fields__[:-3] if name != "pages"}
    return Document(**values, pages=len(row.page_spans) or None, access=access or [])


def document_not_found(document_id: str) -> NotFound:
    return NotFound(f"There is no document {document_id!r}.", hint="It may have been replaced or removed since.")
