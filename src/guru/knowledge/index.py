"""The searchable view of a collection: what the database holds, in memory, one snapshot at a time.

Immutable segments, as in Lucene: new rows become a segment, removed ones are masked, small segments are merged.
There is nothing to persist and so nothing to corrupt: the rows are the truth, and a view is as new as its generation.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from sqlalchemy import Connection, Row, select

from guru.knowledge.access import hidden_documents
from guru.knowledge.collections import find_collection
from guru.knowledge.rows import vector_type
from guru.knowledge.sparse import Postings, Statistics, merge_postings, read_postings
from guru.knowledge.terms import language_of
from guru.store.scope import Scope
from guru.store.tables import chunks, documents

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH: Final = 2000


class Segment(Struct, frozen=True):
    """Some passages, in the order of their ids."""

    ids: NDArray[Any]
    owners: NDArray[Any]
    """The ids of their documents, as bytes."""
    vectors: NDArray[Any]
    postings: Postings


Part = tuple[Segment, "NDArray[Any]"]
"""A segment with the mask of its rows that live."""


class Snapshot:
    """A collection at one generation. Never changes, so that any number of searches may use it."""

    def __init__(self, generation: int, parts: list[Part], languages: frozenset[str]) -> None:
        self.generation = generation
        self.parts = parts
        self.languages = languages

    @property
    def postings(self) -> list[tuple[Postings, NDArray[Any]]]:
        return [(segment.postings, live) for segment, live in self.parts]

    @cached_property
    def statistics(self) -> Statistics:
        passages = sum(int(live.sum()) for _, live in self.parts)
        length = sum(float(segment.postings.lengths[live].sum(dtype="f8")) for segment, live in self.parts)
        return Statistics(passages, length / max(passages, 1))

    def without(self, hidden: frozenset[str]) -> Snapshot:
        """The same, as if the documents of these ids were not there."""
        import numpy as np

        if not hidden:
            return self
        gone = np.array(sorted(hidden), "S")
        parts = [(segment, live & ~np.isin(segment.owners, gone)) for segment, live in self.parts]
        return Snapshot(self.generation, parts, self.languages)


class View:
    """The newest snapshot of one collection, brought up to date by whoever finds it old."""

    def __init__(self, collection_id: str, dimension: int) -> None:
        self._collection_id = collection_id
        self._dimension = dimension
        self._lock = threading.Lock()
        # The newest and the one before, for a search that began just before a change.
        self._snapshots = [Snapshot(-1, [], frozenset())]

    def at(self, connection: Connection, generation: int) -> Snapshot:
        """The snapshot of `generation`, which is the one that `connection` sees. Blocks while it is built."""
        found = self._find(generation)
        if found is not None:
            return found
        with self._lock:
            found = self._find(generation)
            if found is not None:
                return found
            newest = self._snapshots[0]
            if newest.generation > generation:
                return self._refreshed(connection, generation, Snapshot(-1, [], frozenset()))
            self._snapshots = [self._refreshed(connection, generation, newest), newest]
            return self._snapshots[0]

    def _find(self, generation: int) -> Snapshot | None:
        return next((snapshot for snapshot in self._snapshots if snapshot.generation == generation), None)

    def _refreshed(self, connection: Connection, generation: int, old: Snapshot) -> Snapshot:
        import numpy as np

        mine = chunks.c.collection_id == self._collection_id
        committed = np.array(connection.scalars(select(chunks.c.id).where(mine)).all(), np.int64)
        # Ids only grow, and one writer at a time takes them (`Database.write`): what is new has a greater id than all
        # that is known, whichever server wrote it.
        newest = max((int(segment.ids[-1]) for segment, _ in old.parts), default=0)
        parts = [(segment, live & np.isin(segment.ids, committed)) for segment, live in old.parts]
        columns = (chunks.c.id, chunks.c.document_id, chunks.c.vector, chunks.c.terms)
        query = select(*columns).where(mine, chunks.c.id > newest).order_by(chunks.c.id)
        found = connection.execute(query, execution_options={"yield_per": BATCH})
        fresh = [self._segment(rows) for rows in found.partitions()]
        if fresh:
            parts.append(_merge(fresh))
        codes = select(documents.c.language).where(documents.c.collection_id == self._collection_id).distinct()
        languages = frozenset(map(language_of, connection.scalars(codes)))
        return Snapshot(generation, _compact(parts), languages or frozenset({"en"}))

    def _segment(self, rows: Sequence[Row[Any, Any, Any, Any]]) -> Part:
        import numpy as np

        ids, owners, vectors, terms = zip(*rows, strict=True)
        packed = np.frombuffer(b"".join(vectors), vector_type(self._dimension))
        segment = Segment(np.array(ids, np.int64), np.array(owners, "S"), packed, read_postings(terms))
        return segment, np.ones(len(ids), bool)


class Views:
    """The views of the collections searched last; more than `limit` are not kept."""

    def __init__(self, dimension: int, limit: int = 16) -> None:
        self._dimension = dimension
        self._limit = limit
        self._lock = threading.Lock()
        self._views: OrderedDict[str, View] = OrderedDict()

    def snapshot(self, connection: Connection, scope: Scope, name: str) -> tuple[Row[Any], Snapshot]:
        """The collection's row and its snapshot, both as `connection` sees them. Raises `NotFound`.

        This is the only way to what can be searched, and it holds nothing that somebody may not see: neither scores
        nor statistics can tell of it.
        """
        collection = find_collection(connection, scope.tenant, name)
        with self._lock:
            view = self._views.pop(collection.id, None) or View(collection.id, self._dimension)
            self._views[collection.id] = view
            while len(self._views) > self._limit:
                self._views.popitem(last=False)
        snapshot = view.at(connection, collection.generation)
        return collection, snapshot.without(hidden_documents(connection, scope, collection.id))


def _merge(parts: list[Part]) -> Part:
    import numpy as np

    segment = Segment(
        np.concatenate([segment.ids[live] for segment, live in parts]),
        np.concatenate([segment.owners[live] for segment, live in parts]),
        np.concatenate([segment.vectors[live] for segment, live in parts]),
        merge_postings([(segment.postings, live) for segment, live in parts]),
    )
    return segment, np.ones(len(segment.ids), bool)


def _compact(parts: list[Part]) -> list[Part]:
    """Merge from the newest on while a segment is no more than twice as large as what comes after it.

    So there are only about log2(n) segments, and a row is copied about that often. A segment more than half of
    whose rows are dead is written anew.
    """
    kept: list[Part] = []
    for segment, live in parts:
        alive = int(live.sum())
        if not alive:
            continue
        kept.append((segment, live) if alive * 2 > len(live) else _merge([(segment, live)]))
        while len(kept) > 1 and kept[-2][1].sum() <= 2 * kept[-1][1].sum():
            kept[-2:] = [_merge(kept[-2:])]
    return kept
