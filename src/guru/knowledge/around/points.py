"""Documents, or passages, of a collection as points: what somebody may see of them, and their vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct
from sqlalchemy import Connection, select

from guru.knowledge.access import seen_by
from guru.knowledge.collections import find_collection
from guru.knowledge.documents import allowed_documents
from guru.knowledge.index.stored import BATCH, sum_runs
from guru.knowledge.index.stored import unit as unit_vectors
from guru.knowledge.rows import read_vectors, unpack_vectors
from guru.knowledge.vectors import VECTOR
from guru.store.scope import Scope
from guru.store.tables import chunks, documents
from guru.types import JSON

if TYPE_CHECKING:
    from numpy.typing import NDArray

Unit = Literal["documents", "passages"]
Accepts = Callable[[JSON], bool]
AT_ONCE: Final = 500
"""Ids in one query: what every SQL database takes."""


class About(Struct):
    """What is shown of a document."""

    id: str
    name: str
    title: str | None
    language: str | None


class Points(Struct, frozen=True):
    """Documents by their age, or passages by their ids, with vectors of unit length."""

    unit: Unit
    vectors: NDArray[Any]
    """float32, shape (n, dimension). Of a document, the mean of its passages."""
    owners: list[About]
    """The document of each point."""
    chunks: NDArray[Any]
    """Ids of all passages, in the order of `places`."""
    places: NDArray[Any]
    """For each of `chunks` the point that it belongs to."""
    closeness: NDArray[Any]
    """For each of `chunks` its cosine with its point."""
    without: int
    """Documents that somebody sees and that have no passage: they are no points."""

    def __len__(self) -> int:
        return len(self.owners)

    def chunks_of(self, points: Sequence[int], most: int) -> list[int]:
        """Ids of the passages of some points: of each the nearest to it first, in turns, up to `most`."""
        import numpy as np

        wanted = np.full(len(self), -1, np.int64)
        wanted[list(points)] = np.arange(len(points))
        mine = np.flatnonzero(wanted[self.places] >= 0)
        order = mine[np.lexsort((self.chunks[mine], -self.closeness[mine], wanted[self.places[mine]]))]
        begins = np.flatnonzero(np.diff(self.places[order], prepend=-1))
        turn = np.arange(len(order)) - np.repeat(begins, np.diff([*begins, len(order)]))
        return [int(chunk) for chunk in self.chunks[order[np.argsort(turn, kind="stable")[:most]]]]


def read_points(connection: Connection, scope: Scope, collection: str, unit: Unit, accepts: Accepts | None) -> Points:
    """The points of a collection, of the documents that somebody sees and a filter accepts.

    They are read from the rows, whatever index there is. Raises `NotFound`.
    """
    import numpy as np

    row = find_collection(connection, scope.tenant, collection)
    mine = (seen_by(scope), documents.c.collection_id == row.id)
    allowed = None if accepts is None else allowed_documents(connection, scope, row.id, accepts)
    columns = (documents.c.id, documents.c.name, documents.c.title, documents.c.language)
    found = connection.execute(select(*columns).where(*mine).order_by(documents.c.ingested_at, documents.c.name)).all()
    about = [About(*item) for item in found if allowed is None or item.id in allowed]
    numbers = {item.id: number for number, item in enumerate(about)}
    join = chunks.join(documents, documents.c.id == chunks.c.document_id)
    passages = select(chunks.c.id, chunks.c.document_id, VECTOR).select_from(join).where(*mine)
    ids, owner, blobs = read_passages(connection, passages, numbers)
    if not len(ids):
        return Points(unit, unpack_vectors(read_vectors([])), [], ids, owner, np.zeros(0, np.float32), len(about))
    order = np.argsort(ids) if unit == "passages" else np.lexsort((ids, owner))
    ids, owner, packed = ids[order], owner[order], read_vectors(blobs)[order]
    kept, place = np.unique(owner, return_inverse=True)
    without = len(about) - len(kept)
    if unit == "passages":
        owners, close = [about[number] for number in owner], np.ones(len(ids), np.float32)
        return Points(unit, length_one(unpack_vectors(packed)), owners, ids, np.arange(len(ids)), close, without)
    vectors = means(packed, place, len(kept))
    owners = [about[number] for number in kept]
    return Points(unit, vectors, owners, ids, place, closeness(packed, place, vectors), without)


def read_passages(
    connection: Connection, query: Any, numbers: dict[str, int]
) -> tuple[NDArray[Any], NDArray[Any], list[bytes]]:
    """Ids, numbers of documents, and vectors as they are stored, of the passages of documents that have a number."""
    import numpy as np

    rows = [
        (row.id, numbers[row.document_id], row.vector)
        for batch in connection.execute(query, execution_options={"yield_per": BATCH}).partitions()
        for row in batch
        if row.document_id in numbers
    ]
    ids, owner = (np.array([row[column] for row in rows], np.int64) for column in (0, 1))
    return ids, owner, [row[2] for row in rows]


def means(packed: NDArray[Any], place: NDArray[Any], count: int) -> NDArray[Any]:
    """The mean directions of the passages of each point, which stand together; float32, shape (count, dimension)."""
    import numpy as np

    sums = np.zeros((count, packed["values"].shape[1]), np.float32)
    for start in range(0, len(packed), BATCH):
        owner = place[start : start + BATCH]
        runs = np.flatnonzero(np.diff(owner, prepend=-1))
        np.add.at(sums, owner[runs], sum_runs(packed[start : start + BATCH], runs))
    return length_one(sums)


def length_one(vectors: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    return np.asarray(unit_vectors(vectors), np.float32)


def closeness(packed: NDArray[Any], place: NDArray[Any], vectors: NDArray[Any]) -> NDArray[Any]:
    """The cosine of each packed passage with its point, float32."""
    import numpy as np

    result = np.empty(len(packed), np.float32)
    for start in range(0, len(packed), AT_ONCE):
        block = slice(start, start + AT_ONCE)
        result[block] = (unpack_vectors(packed[block]) * vectors[place[block]]).sum(axis=1)
    return result
