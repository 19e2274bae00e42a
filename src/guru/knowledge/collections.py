"""Collections: named sets of documents that are searched together, embedded by one model."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, Row, and_, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from guru.errors import Conflict, Forbidden, InvalidParameter, NotFound
from guru.knowledge.access import hidden_documents, seen_by
from guru.knowledge.trash import remove_unused
from guru.store.blobs import BlobStore
from guru.store.database import Database
from guru.store.ids import new_id
from guru.store.scope import Scope
from guru.store.tables import chunks, collections, documents
from guru.types import JSON

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_NAMED: Final = select(collections).where(
    collections.c.tenant == bindparam("tenant"), collections.c.name == bindparam("name")
)


class Collection(Struct, kw_only=True):
    """A collection as it was when it was read. Times are seconds since 1970."""

    id: str
    name: str
    embedding_model: str
    generation: int
    """Raised by every change that a search can see."""
    previous_model: str | None = None
    """The one before the last change, as long as its vectors are kept."""
    switched_at: float | None = None
    """When it became the previous one."""
    documents: int
    chunks: int
    bytes: int
    """Of the original files."""
    created_at: float
    updated_at: float
    settings: JSON = {}
    """Its own, which go before those of the configuration."""


class Collections:
    """The collections of every tenant."""

    def __init__(self, database: Database, blobs: BlobStore, embedding_model: Callable[[], str]) -> None:
        """`embedding_model` says which model new collections get."""
        self._database = database
        self._blobs = blobs
        self._embedding_model = embedding_model

    async def create(
        self,
        tenant: str,
        name: str,
        *,
        exist_ok: bool = False,
        settings: JSON | None = None,
        embedding_model: str | None = None,
    ) -> Collection:
        """Make an empty collection, with `settings` of its own; its model is the configured one, where none is named.

        Raises `InvalidParameter` for a bad name, `Conflict` if it exists.
        """
        if not NAME.fullmatch(name):
            raise InvalidParameter(
                f"{name!r} cannot name a collection.",
                hint="Use up to 64 of a-z, 0-9, dot, dash and underscore; begin with a letter or digit.",
                param="name",
            )
        now = time.time()
        row = {
            "id": new_id("col"), "tenant": tenant, "name": name, "settings": settings or {}, "generation": 0,
            "embedding_model": embedding_model or self._embedding_model(), "created_at": now, "updated_at": now,
        }  # fmt: skip
        try:
            await self._database.write(lambda connection: connection.execute(insert(collections).values(row)))
        except IntegrityError:
            if not exist_ok:
                raise Conflict(
                    f"There is a collection {name!r} already.", hint="Choose another name.", param="name"
                ) from None
        return await self.get(Scope(tenant), name)

    async def get(self, scope: Scope, name: str) -> Collection:
        """With what is in it for somebody. Raises `NotFound`."""
        found = await self._database.read(lambda connection: read_collections(connection, scope, name))
        if not found:
            raise collection_not_found(name)
        return found[0]

    async def list(self, scope: Scope) -> list[Collection]:
        """In the order of their names."""
        return await self._database.read(lambda connection: read_collections(connection, scope))

    async def configure(self, scope: Scope, name: str, changes: JSON) -> Collection:
        """Change settings of a collection; None takes one back to the configuration's. Documents are cut anew when they
        are ingested the next time. Raises `NotFound`.
        """

        def change(connection: Connection) -> None:
            row = find_collection(connection, scope.tenant, name)
            settings = {key: value for key, value in {**row.settings, **changes}.items() if value is not None}
            values = {"settings": settings, "updated_at": time.time()}
            connection.execute(update(collections).where(collections.c.id == row.id).values(values))

        await self._database.write(change)
        return await self.get(scope, name)

    async def delete(self, scope: Scope, name: str) -> None:
        """Remove a collection with all that is in it, and the files that no other one has.

        Raises `NotFound`, and `Forbidden` where it holds documents that the caller may not see.
        """

        def remove(connection: Connection) -> None:
            collection = find_collection(connection, scope.tenant, name)
            if hidden_documents(connection, scope, collection.id):
                raise Forbidden(
                    f"The collection {name!r} holds documents that you may not see.",
                    hint="Ask an administrator to delete it.",
                )
            mine = documents.c.collection_id == collection.id
            digests = connection.scalars(select(documents.c.content_hash).where(mine).distinct()).all()
            # Not left to the cascade, which looks for the chunks of one document at a time.
            connection.execute(delete(chunks).where(chunks.c.collection_id == collection.id))
            connection.execute(delete(collections).where(collections.c.id == collection.id))
            remove_unused(connection, self._blobs, digests)

        await self._database.write(remove)


def find_collection(connection: Connection, tenant: str, name: str) -> Row[Any]:
    """The row of a collection. Raises `NotFound`."""
    row = connection.execute(_NAMED, {"tenant": tenant, "name": name}).one_or_none()
    if row is None:
        raise collection_not_found(name)
    return row


def read_collections(connection: Connection, scope: Scope, name: str | None = None) -> list[Collection]:
    """The collections of a tenant, or the one called `name`, with counts of what somebody sees in the same snapshot."""
    inside = and_(documents.c.collection_id == collections.c.id, seen_by(scope))
    query = (
        select(
            collections.c.id,
            collections.c.name,
            collections.c.embedding_model,
            collections.c.generation,
            collections.c.previous_model,
            collections.c.switched_at,
            collections.c.created_at,
            collections.c.updated_at,
            collections.c.settings,
            func.count(documents.c.id).label("documents"),
            func.coalesce(func.sum(documents.c.chunks), 0).label("chunks"),
            func.coalesce(func.sum(documents.c.bytes), 0).label("bytes"),
        )
        .join_from(collections, documents, inside, isouter=True)
        .where(collections.c.tenant == scope.tenant, *([collections.c.name == name] if name else []))
        .group_by(collections.c.id)
        .order_by(collections.c.name)
    )
    return [Collection(**row._mapping) for row in connection.execute(query)]


def touch(connection: Connection, collection_id: str) -> None:
    """Say that what a search can see has changed; part of the transaction that changes it."""
    change = {"generation": collections.c.generation + 1, "updated_at": time.time()}
    connection.execute(update(collections).where(collections.c.id == collection_id).values(change))


def collection_not_found(name: str) -> NotFound:
    return NotFound(
        f"There is no collection {name!r}.", hint="`guru collections list` shows those there are.", param="collection"
    )
