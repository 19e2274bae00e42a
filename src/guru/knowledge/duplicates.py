"""Documents of a collection that say nearly the same: copies, versions, the same report in two formats."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from sqlalchemy import Connection, Row, select

from guru.knowledge.access import seen_by
from guru.knowledge.collections import find_collection
from guru.knowledge.minhash import Bands, jaccard, shingles, signature
from guru.store.database import Database
from guru.store.scope import Scope
from guru.store.tables import document_texts, documents

if TYPE_CHECKING:
    from numpy.typing import NDArray

PORTION: Final = 100
"""Texts that are in memory at once."""
REMEMBERED: Final = 200_000
"""Signatures, of 1 kB, that are kept: a document that is changed gets another id."""


class Alike(Struct):
    """A document, and how much of it and of the group's first one is the same, 0 to 1."""

    id: str
    name: str
    similarity: float


class Group(Struct):
    """Documents that say nearly the same as the first of them that was ingested."""

    id: str
    name: str
    duplicates: list[Alike]
    """The most alike first."""


class Duplicates:
    """Finds near-duplicates. Remembers the signatures of documents that it has read."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._signatures: OrderedDict[str, NDArray[Any]] = OrderedDict()

    async def find(self, scope: Scope, collection: str, threshold: float) -> tuple[int, list[Group]]:
        """How many documents there are, and groups of them, each verified: shingles in common of all, Jaccard.

        A document is in one group at most: that of the oldest document that it is at least `threshold` alike. Raises
        `NotFound`. The first call reads every document, a megabyte in about a second.
        """
        rows = await self._database.read(lambda connection: list_documents(connection, scope, collection))
        signatures = await self._sign(scope.tenant, [row.id for row in rows])
        bands = await asyncio.to_thread(Bands, signatures)
        names = {row.id: row.name for row in rows if row.id in signatures}
        age = {document_id: place for place, document_id in enumerate(names)}
        groups: list[Group] = []
        seen: set[str] = set()
        for document_id, name in names.items():
            if document_id in seen:
                continue
            seen.add(document_id)
            others = sorted(bands.near(document_id) - seen, key=age.__getitem__)
            compared = await self._compare(scope.tenant, document_id, others) if others else []
            alike = [
                Alike(other, names[other], round(similarity, 4))
                for other, similarity in compared
                if similarity >= threshold
            ]
            if alike:
                alike.sort(key=lambda item: (-item.similarity, item.name))
                seen.update(item.id for item in alike)
                groups.append(Group(document_id, name, alike))
        return len(rows), groups

    async def _sign(self, tenant: str, ids: Sequence[str]) -> dict[str, NDArray[Any]]:
        """The signatures of the documents that have words and are still there."""
        unknown = [document_id for document_id in ids if document_id not in self._signatures]
        for start in range(0, len(unknown), PORTION):
            portion = unknown[start : start + PORTION]
            self._signatures |= await self._database.read(
                lambda connection, portion=portion: sign(connection, tenant, portion)  # type: ignore[misc]
            )
        found = {document_id: self._signatures[document_id] for document_id in ids if document_id in self._signatures}
        for document_id in found:
            self._signatures.move_to_end(document_id)
        while len(self._signatures) > REMEMBERED:
            self._signatures.popitem(last=False)
        return found

    async def _compare(self, tenant: str, document_id: str, others: Sequence[str]) -> list[tuple[str, float]]:
        """How alike a document is to others, exactly; those that have gone meanwhile are left out."""

        def read(connection: Connection) -> list[tuple[str, float]]:
            mine = dict(read_shingles(connection, tenant, [document_id])).get(document_id)
            if mine is None:
                return []
            found = []
            for start in range(0, len(others), PORTION):
                portion = others[start : start + PORTION]
                found += [(other, jaccard(mine, runs)) for other, runs in read_shingles(connection, tenant, portion)]
            return found

        return await self._database.read(read)


def list_documents(connection: Connection, scope: Scope, collection: str) -> Sequence[Row[Any, Any]]:
    """Those that somebody sees, the oldest first."""
    found = find_collection(connection, scope.tenant, collection)
    query = select(documents.c.id, documents.c.name).where(seen_by(scope), documents.c.collection_id == found.id)
    return connection.execute(query.order_by(documents.c.ingested_at, documents.c.id)).all()


def sign(connection: Connection, tenant: str, ids: Sequence[str]) -> dict[str, NDArray[Any]]:
    return {document_id: signature(runs) for document_id, runs in read_shingles(connection, tenant, ids)}


def read_shingles(connection: Connection, tenant: str, ids: Sequence[str]) -> list[tuple[str, NDArray[Any]]]:
    """The shingles of documents that have words."""
    query = select(document_texts.c.document_id, document_texts.c.text).where(
        document_texts.c.tenant == tenant, document_texts.c.document_id.in_(ids)
    )
    read = ((row.document_id, shingles(row.text)) for row in connection.execute(query))
    return [(document_id, runs) for document_id, runs in read if len(runs)]
