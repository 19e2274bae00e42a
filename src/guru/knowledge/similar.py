"""More like this: the documents of a collection whose passages are about what a document is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct
from sqlalchemy import Connection, select

from guru.knowledge.documents import find_document
from guru.knowledge.index.base import Index, Snapshot
from guru.knowledge.rows import dot, read_vectors
from guru.knowledge.vectors import VECTOR
from guru.store.database import Database
from guru.store.scope import Scope
from guru.store.tables import chunks, documents

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Similar(Struct, kw_only=True):
    """A document that is like another, and its passage that is most like it."""

    id: str
    name: str
    title: str | None
    score: float
    """Cosine of the mean of its passages with the mean of the other's."""
    page: int | None
    start: int
    end: int
    text: str
    """The passage, whose place is `[start, end)` of the document's stored text."""


class MoreLikeThis:
    """Finds documents by what they are about, from the vectors that search has."""

    def __init__(self, database: Database, index: Index) -> None:
        self._database = database
        self._index = index

    async def find(self, scope: Scope, document_id: str, k: int) -> list[Similar]:
        """The `k` documents of the same collection that are most like it, best first.

        Exact: all passages are looked at. Raises `NotFound`.
        """

        def look(connection: Connection) -> list[Similar]:
            row = find_document(connection, scope, document_id)
            _, snapshot = self._index.snapshot(connection, scope, row.collection)
            return [read_similar(connection, *found) for found in nearest(snapshot, document_id, k)]

        return await self._database.read(look)


def nearest(snapshot: Snapshot, document_id: str, k: int) -> list[tuple[str, float, NDArray[Any]]]:
    """The ids of the documents nearest to one, their scores, and the vector that they are near to."""
    import numpy as np

    names, means = snapshot.means()
    if document_id not in names:
        return []
    mine = names.index(document_id)
    scores = means @ means[mine]
    scores[mine] = -np.inf
    best = np.lexsort((names, -scores))[: min(k, len(names) - 1)].tolist()
    return [(names[place], float(scores[place]), means[mine]) for place in best]


def read_similar(connection: Connection, document_id: str, score: float, vector: NDArray[Any]) -> Similar:
    """With the passage of the document that is nearest to `vector`."""
    passages = select(chunks.c.id, VECTOR).where(chunks.c.document_id == document_id)
    ids, blobs = zip(*connection.execute(passages.order_by(chunks.c.id)), strict=True)
    nearest_id = ids[int(dot(read_vectors(blobs), vector).argmax())]
    query = (
        select(documents.c.id, documents.c.name, documents.c.title)
        .add_columns(*(chunks.c[name] for name in ("page", "start", "end", "text")))
        .join_from(chunks, documents, documents.c.id == chunks.c.document_id)
        .where(chunks.c.id == nearest_id)
    )
    return Similar(**connection.execute(query).one()._mapping, score=round(score, 6))
