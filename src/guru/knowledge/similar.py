"""More like this: the documents of a collection whose passages are about what a document is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct
from sqlalchemy import Connection, select

from guru.knowledge.collections import Collections
from guru.knowledge.documents import find_document
from guru.knowledge.index import Snapshot, Views
from guru.knowledge.rows import dot
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

    def __init__(self, database: Database, views: Views, embedding_model: str) -> None:
        self._database = database
        self._views = views
        self._embedding_model = embedding_model

    async def find(self, scope: Scope, document_id: str, k: int) -> list[Similar]:
        """The `k` documents of the same collection that are most like it, best first.

        Exact: all passages are looked at. Raises `NotFound`, and `Conflict` for a collection of another model.
        """

        def look(connection: Connection) -> list[Similar]:
            row = find_document(connection, scope, document_id)
            collection, snapshot = self._views.snapshot(connection, scope, row.collection)
            Collections.check_model(collection, self._embedding_model)
            return [read_similar(connection, *place) for place in nearest(snapshot, document_id, k)]

        return await self._database.read(look)


def nearest(snapshot: Snapshot, document_id: str, k: int) -> list[tuple[int, float]]:
    """For the documents nearest to one: the chunk of theirs that is most like it, and their score."""
    import numpy as np

    if not snapshot.parts:
        return []
    owners = np.concatenate([segment.owners[live] for segment, live in snapshot.parts])
    ids = np.concatenate([segment.ids[live] for segment, live in snapshot.parts])
    packed = np.concatenate([segment.vectors[live] for segment, live in snapshot.parts])
    names, document = np.unique(owners, return_inverse=True)
    mine = np.flatnonzero(names == document_id.encode())
    if not len(mine):
        return []
    means = mean_vectors(packed, document, len(names))
    scores = means @ means[mine[0]]
    scores[mine[0]] = -np.inf
    best = np.lexsort((names, -scores))[: min(k, len(names) - 1)]
    near = dot(packed, means[mine[0]])
    return [(int(max_of(ids, near, document == place)), float(scores[place])) for place in best]


def mean_vectors(packed: NDArray[Any], document: NDArray[Any], count: int) -> NDArray[Any]:
    """Unit vectors, shape (count, dimension): of each document, the mean of its passages."""
    import numpy as np

    sums = np.zeros((count, packed["values"].shape[1]), np.float32)
    for start in range(0, len(packed), 1024):
        block = packed[start : start + 1024]
        owner = document[start : start + 1024]
        runs = np.flatnonzero(np.diff(owner, prepend=-1))  # passages of a document stand together
        vectors = block["values"].astype(np.float32) * block["scale"][:, None]
        np.add.at(sums, owner[runs], np.add.reduceat(vectors, runs, axis=0))
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(sums / np.maximum(lengths, 1e-12))


def max_of(ids: NDArray[Any], scores: NDArray[Any], which: NDArray[Any]) -> Any:
    import numpy as np

    return ids[which][np.argmax(scores[which])]


def read_similar(connection: Connection, chunk_id: int, score: float) -> Similar:
    query = (
        select(documents.c.id, documents.c.name, documents.c.title)
        .add_columns(*(chunks.c[name] for name in ("page", "start", "end", "text")))
        .join_from(chunks, documents, documents.c.id == chunks.c.document_id)
        .where(chunks.c.id == chunk_id)
    )
    return Similar(**connection.execute(query).one()._mapping, score=round(score, 6))
