"""Documents, or passages, of a collection as points: what somebody may see of them, and their vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct
from sqlalchemy import Connection, select

from guru.knowledge.access import seen_by
from guru.knowledge.collections import Collections
from guru.knowledge.distance import unpack
from guru.knowledge.documents import allowed_documents
from guru.knowledge.index import Views
from guru.knowledge.similar import mean_vectors
from guru.store.scope import Scope
from guru.store.tables import documents
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
    mark: tuple[str, int]
    """The collection's id and generation: what was made of the points holds as long as it is the same."""

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


def read_points(
    connection: Connection, views: Views, scope: Scope, collection: str, *, unit: Unit, accepts: Accepts | None,
    embedding_model: str,
) -> Points:  # fmt: skip
    """The points of a collection, of the documents that somebody sees and a filter accepts.

    Raises `NotFound`, and `Conflict` for a collection of another model.
    """
    import numpy as np

    row, snapshot = views.snapshot(connection, scope, collection)
    Collections.check_model(row, embedding_model)
    mark = (str(row.id), int(row.generation))
    allowed = None if accepts is None else allowed_documents(connection, scope, row.id, accepts)
    columns = (documents.c.id, documents.c.name, documents.c.title, documents.c.language)
    query = select(*columns).where(seen_by(scope), documents.c.collection_id == row.id)
    found = connection.execute(query.order_by(documents.c.ingested_at, documents.c.name)).all()
    about = [About(*item) for item in found if allowed is None or item.id in allowed]
    if not snapshot.parts or not about:
        return nothing(unit, len(about), mark)
    ids = np.concatenate([segment.ids[live] for segment, live in snapshot.parts])
    owners = np.concatenate([segment.owners[live] for segment, live in snapshot.parts])
    packed = np.concatenate([segment.vectors[live] for segment, live in snapshot.parts])
    names = np.array([item.id for item in about], "S")
    order = np.argsort(names)
    at = np.minimum(np.searchsorted(names, owners, sorter=order), len(names) - 1)
    rows = np.flatnonzero(names[order[at]] == owners)
    owner = order[at[rows]]
    ids, packed = ids[rows], packed[rows]
    if not len(ids):
        return nothing(unit, len(about), mark)
    kept, place = np.unique(owner, return_inverse=True)
    without = len(about) - len(kept)
    if unit == "passages":
        arrange = np.argsort(ids)
        vectors = unit_length(unpack(packed[arrange]))
        return Points(
            unit, vectors, [about[number] for number in owner[arrange]], ids[arrange], np.arange(len(ids)),
            np.ones(len(ids), np.float32), without, mark,
        )  # fmt: skip
    together = np.lexsort((ids, place))
    ids, packed, place = ids[together], packed[together], place[together]
    vectors = mean_vectors(packed, place, len(kept))
    return Points(
        unit, vectors, [about[number] for number in kept], ids, place, closeness(packed, place, vectors), without, mark
    )


def nothing(unit: Unit, without: int, mark: tuple[str, int]) -> Points:
    import numpy as np

    empty: Any = np.zeros(0, np.int64)
    return Points(unit, np.zeros((0, 1), np.float32), [], empty, empty, np.zeros(0, np.float32), without, mark)


def unit_length(vectors: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)


def closeness(packed: NDArray[Any], place: NDArray[Any], vectors: NDArray[Any]) -> NDArray[Any]:
    """The cosine of each packed passage with its point, float32."""
    import numpy as np

    result = np.empty(len(packed), np.float32)
    for start in range(0, len(packed), AT_ONCE):
        block = slice(start, start + AT_ONCE)
        result[block] = (unpack(packed[block]) * vectors[place[block]]).sum(axis=1)
    return result
