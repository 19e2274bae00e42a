"""The embedded index: what the database holds, in memory, one snapshot at a time. Exact.

Immutable segments, as in Lucene: new rows become a segment, removed ones are masked, small segments are merged.
There is nothing to persist and so nothing to corrupt: the rows are the truth, and a view is as new as its generation.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from sqlalchemy import Connection, Row, select

from guru.knowledge.access import hidden_documents
from guru.knowledge.collections import find_collection
from guru.knowledge.distance import nearness
from guru.knowledge.index.base import Wanted
from guru.knowledge.index.stored import BATCH, read_languages, sum_runs, unit, unpack_vectors
from guru.knowledge.sparse import Postings, Statistics, Word, merge_postings, read_postings, score_bm25
from guru.knowledge.vectors import VECTOR
from guru.store.scope import Scope
from guru.store.tables import chunks
from guru.types import Distance

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Segment(Struct, frozen=True):
    """Some passages, in the order of their ids."""

    ids: NDArray[Any]
    owners: NDArray[Any]
    """The ids of their documents, as bytes."""
    vectors: NDArray[Any]
    postings: Postings


Part = tuple[Segment, "NDArray[Any]"]
"""A segment with the mask of its rows that live."""


class EmbeddedSnapshot:
    """A collection at one generation. Never changes, so that any number of searches may use it."""

    def __init__(self, generation: int, parts: list[Part], languages: frozenset[str]) -> None:
        self.generation = generation
        self.parts = parts
        self.languages = languages

    @cached_property
    def statistics(self) -> Statistics:
        passages = sum(int(live.sum()) for _, live in self.parts)
        length = sum(float(segment.postings.lengths[live].sum(dtype="f8")) for segment, live in self.parts)
        return Statistics(passages, length / max(passages, 1))

    @property
    def postings(self) -> list[tuple[Postings, NDArray[Any]]]:
        return [(segment.postings, live) for segment, live in self.parts]

    def frequencies(self, terms: Sequence[int]) -> list[int]:
        return [sum(int(live[postings.find(term)[0]].sum()) for postings, live in self.postings) for term in terms]

    def dense(
        self, vector: NDArray[Any], k: int, *, allowed: frozenset[str] | None = None, distance: Distance = "cosine"
    ) -> NDArray[Any]:
        near = [nearness(segment.vectors, vector, distance) for segment, _ in self.parts]
        return self._top(near, [live & _owned(segment.owners, allowed) for segment, live in self.parts], k)

    def sparse(self, words: Sequence[Word], k: int, *, allowed: frozenset[str] | None = None) -> NDArray[Any]:
        scores = score_bm25(self.postings, self.statistics, words)
        eligible = [
            live & _owned(segment.owners, allowed) & (score > 0)
            for (segment, live), score in zip(self.parts, scores, strict=True)
        ]
        return self._top(scores, eligible, k)

    def vectors(self, ids: NDArray[Any]) -> NDArray[Any]:
        import numpy as np

        return (
            np.concatenate([part.vectors[rows] for part, rows in self._rows(ids)]) if len(ids) else unpack_vectors([])
        )

    def bm25(self, ids: NDArray[Any], words: Sequence[Word]) -> NDArray[Any]:
        import numpy as np

        scores = score_bm25(self.postings, self.statistics, words)
        found = [score[rows] for score, (_, rows) in zip(scores, self._rows(ids), strict=True)]
        return np.concatenate([*found, np.zeros(0, np.float32)])

    def means(self) -> tuple[list[str], NDArray[Any]]:
        import numpy as np

        if not self.statistics.passages:
            return [], np.zeros((0, 0), np.float32)
        owners = np.concatenate([segment.owners[live] for segment, live in self.parts])
        packed = np.concatenate([segment.vectors[live] for segment, live in self.parts])
        names, document = np.unique(owners, return_inverse=True)
        sums = np.zeros((len(names), packed["values"].shape[1]), np.float32)
        for start in range(0, len(packed), 1024):
            owner = document[start : start + 1024]
            runs = np.flatnonzero(np.diff(owner, prepend=-1))  # passages of a document stand together
            np.add.at(sums, owner[runs], sum_runs(packed[start : start + 1024], runs))
        return [name.decode() for name in names.tolist()], unit(sums)

    def without(self, hidden: frozenset[str]) -> EmbeddedSnapshot:
        """The same, as if the documents of these ids were not there."""
        import numpy as np

        if not hidden:
            return self
        gone = np.array(sorted(hidden), "S")
        parts = [(segment, live & ~np.isin(segment.owners, gone)) for segment, live in self.parts]
        return EmbeddedSnapshot(self.generation, parts, self.languages)

    def _top(self, scores: list[NDArray[Any]], eligible: list[NDArray[Any]], k: int) -> NDArray[Any]:
        """The ids of the `k` rows with the highest scores among the eligible ones, sorted."""
        import numpy as np

        if not self.parts:
            return np.zeros(0, np.int64)
        rows = np.flatnonzero(np.concatenate(eligible))
        if len(rows) > k:
            rows = rows[np.argpartition(-np.concatenate(scores)[rows], k - 1)[:k]]
        return np.sort(np.concatenate([segment.ids for segment, _ in self.parts])[rows])

    def _rows(self, ids: NDArray[Any]) -> list[tuple[Segment, NDArray[Any]]]:
        """The rows of ids that are sorted, in every segment. Segments are in the order of ids, too."""
        found = []
        for segment, _ in self.parts:
            first, last = ids.searchsorted((segment.ids[0], segment.ids[-1] + 1))
            found.append((segment, segment.ids.searchsorted(ids[first:last])))
        return found


class View:
    """The newest snapshot of one collection, brought up to date by whoever finds it old."""

    def __init__(self, collection_id: str) -> None:
        self._collection_id = collection_id
        self._lock = threading.Lock()
        # The newest and the one before, for a search that began just before a change.
        self._snapshots = [EmbeddedSnapshot(-1, [], frozenset())]

    def at(self, connection: Connection, generation: int) -> EmbeddedSnapshot:
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
                return self._refreshed(connection, generation, EmbeddedSnapshot(-1, [], frozenset()))
            self._snapshots = [self._refreshed(connection, generation, newest), newest]
            return self._snapshots[0]

    def _find(self, generation: int) -> EmbeddedSnapshot | None:
        return next((snapshot for snapshot in self._snapshots if snapshot.generation == generation), None)

    def _refreshed(self, connection: Connection, generation: int, old: EmbeddedSnapshot) -> EmbeddedSnapshot:
        import numpy as np

        mine = chunks.c.collection_id == self._collection_id
        committed = np.array(connection.scalars(select(chunks.c.id).where(mine)).all(), np.int64)
        # Ids only grow, and one writer at a time takes them (`Database.write`): what is new has a greater id than all
        # that is known, whichever server wrote it.
        newest = max((int(segment.ids[-1]) for segment, _ in old.parts), default=0)
        parts = [(segment, live & np.isin(segment.ids, committed)) for segment, live in old.parts]
        columns = (chunks.c.id, chunks.c.document_id, VECTOR, chunks.c.terms)
        query = select(*columns).where(mine, chunks.c.id > newest).order_by(chunks.c.id)
        found = connection.execute(query, execution_options={"yield_per": BATCH})
        fresh = [self._segment(rows) for rows in found.partitions()]
        if fresh:
            parts.append(_merge(fresh))
        return EmbeddedSnapshot(generation, _compact(parts), read_languages(connection, self._collection_id))

    def _segment(self, rows: Sequence[Row[Any, Any, Any, Any]]) -> Part:
        import numpy as np

        ids, owners, vectors, terms = zip(*rows, strict=True)
        packed = unpack_vectors(vectors)
        segment = Segment(np.array(ids, np.int64), np.array(owners, "S"), packed, read_postings(terms))
        return segment, np.ones(len(ids), bool)


class EmbeddedIndex:
    """The views of the collections searched last; more than `limit` are not kept."""

    def __init__(self, limit: int = 16) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._views: OrderedDict[tuple[str, str], View] = OrderedDict()

    async def look_ahead(self, scope: Scope, name: str, wanted: Wanted) -> None:
        """There is nothing to ask: all is in memory."""

    def snapshot(
        self, connection: Connection, scope: Scope, name: str, ahead: Any = None
    ) -> tuple[Row[Any], EmbeddedSnapshot]:
        collection = find_collection(connection, scope.tenant, name)
        key = (collection.id, collection.embedding_model)
        with self._lock:
            view = self._views.pop(key, None) or View(collection.id)
            self._views[key] = view
            while len(self._views) > self._limit:
                self._views.popitem(last=False)
        snapshot = view.at(connection, collection.generation)
        return collection, snapshot.without(hidden_documents(connection, scope, collection.id))

    async def aclose(self) -> None:
        self._views.clear()


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


def _owned(owners: NDArray[Any], allowed: frozenset[str] | None) -> Any:
    import numpy as np

    if allowed is None:
        return True
    return np.isin(owners, np.array(sorted(allowed), owners.dtype)) if allowed else np.zeros(len(owners), bool)
