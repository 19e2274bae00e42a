"""The embedded index: what the database holds, in memory, one snapshot at a time. Exact.

There is nothing to persist and so nothing to corrupt: the rows are the truth, and a view is as new as its generation.
In memory are vectors of a byte for each number. What they are rounded by stands in the rows, where a search reads it of
the few passages that may be the nearest (`scan.py`), in its own transaction: also a row that another process changes
meanwhile is seen there as it was at the generation of the view.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, Connection, LargeBinary, Row, func, literal, select

from guru.knowledge.access import hidden_documents
from guru.knowledge.collections import find_collection
from guru.knowledge.distance import nearness
from guru.knowledge.index.base import Wanted
from guru.knowledge.index.scan import Candidates, leading
from guru.knowledge.index.segments import Part, Segment, compact, join, read_part
from guru.knowledge.index.stored import BATCH, read_languages, read_sentences, unit
from guru.knowledge.kept import Kept
from guru.knowledge.rows import fine_of, read_vectors
from guru.knowledge.sparse import Statistics, Word, best_rows, norms, score_rows
from guru.knowledge.vectors import read_residuals, vector_of_all
from guru.store.scope import Scope
from guru.store.tables import chunks
from guru.types import Distance

if TYPE_CHECKING:
    from numpy.typing import NDArray

BUCKET: Final = 4096
"""Ids that are counted together to see which were removed."""
Found = tuple["NDArray[Any]", "NDArray[Any]"]


class EmbeddedSnapshot:
    """A collection at one generation. Never changes, so that any number of searches may use it."""

    def __init__(self, generation: int, parts: Sequence[Part], languages: frozenset[str]) -> None:
        self.generation = generation
        self.parts = parts
        self.languages = languages
        self._masks: Kept[list[NDArray[Any]]] = Kept(8)
        self._seen: Kept[EmbeddedSnapshot] = Kept(8)

    @cached_property
    def statistics(self) -> Statistics:
        passages = sum(part.alive for part in self.parts)
        return Statistics(passages, sum(part.length for part in self.parts) / max(passages, 1))

    def frequencies(self, terms: Sequence[int]) -> list[int]:
        return [sum(part.frequency(term) for part in self.parts) for term in terms]

    def candidates(
        self, vector: NDArray[Any], k: int, allowed: frozenset[str] | None, distance: Distance
    ) -> Candidates:
        """The passages, by id, among which the `k` nearest are."""
        import numpy as np

        found = []
        for part, eligible in zip(self.parts, self._eligible(allowed), strict=True):
            rows, near, reach = part.segment.vectors.candidates(vector, k, distance, eligible)
            found.append(Candidates(part.segment.ids[rows], near, reach))
        if not found:
            return Candidates(np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(0, np.float32))
        return leading(Candidates(*map(np.concatenate, zip(*found, strict=True))), k)

    def sparse(self, words: Sequence[Word], k: int, *, allowed: frozenset[str] | None = None) -> NDArray[Any]:
        found = [
            best_rows(part.segment.postings, norm, words, k, eligible)
            for part, norm, eligible in zip(self.parts, self._norms, self._eligible(allowed), strict=True)
        ]
        return self._best(found, k)

    def packed(self, ids: NDArray[Any]) -> NDArray[Any]:
        """The packed vectors of passages, which are sorted by id, without residuals."""
        import numpy as np

        found = [segment.vectors.packed[rows] for segment, rows in self._rows(ids)]
        return np.concatenate(found) if found else read_vectors([])

    def bm25(self, ids: NDArray[Any], words: Sequence[Word]) -> NDArray[Any]:
        import numpy as np

        found = [
            score_rows(segment.postings, norm, words, rows)
            for norm, (segment, rows) in zip(self._norms, self._rows(ids), strict=True)
        ]
        return np.concatenate(found) if found else np.zeros(0, np.float32)

    def means(self) -> tuple[list[str], NDArray[Any]]:
        import numpy as np

        sums: dict[str, NDArray[Any]] = {}
        for part in self.parts:
            for name, total in part.sums():
                sums[name] = sums[name] + total if name in sums else total
        names = sorted(sums)
        return names, unit(np.array([sums[name] for name in names])) if names else np.zeros((0, 0), np.float32)

    def seen_by(self, connection: Connection, scope: Scope, collection_id: str) -> EmbeddedSnapshot:
        """The same, as if what somebody may not see were not there. Access lists are part of the generation."""
        if scope.names is None:
            return self

        def make() -> EmbeddedSnapshot:
            hidden = hidden_documents(connection, scope, collection_id)
            if not hidden:
                return self
            parts = [part.only(~part.segment.of(hidden)) for part in self.parts]
            return EmbeddedSnapshot(self.generation, [part for part in parts if part.alive], self.languages)

        return self._seen.get(frozenset(scope.names), make)

    @cached_property
    def _norms(self) -> list[NDArray[Any]]:
        return [norms(part.segment.postings.lengths, self.statistics) for part in self.parts]

    def _eligible(self, allowed: frozenset[str] | None) -> Sequence[NDArray[Any] | None]:
        """For each part the mask of the rows that may be found; None where all may."""
        if allowed is None:
            return [part.live for part in self.parts]

        def make() -> list[NDArray[Any]]:
            masks = [part.eligible(part.segment.of(allowed)) for part in self.parts]
            return [mask for mask in masks if mask is not None]

        return self._masks.get(allowed, make)

    def _best(self, found: Sequence[Found], k: int) -> NDArray[Any]:
        """The ids of the `k` best of the rows found in each part, sorted."""
        import numpy as np

        if not found:
            return np.zeros(0, np.int64)
        ids = np.concatenate([part.segment.ids[rows] for part, (rows, _) in zip(self.parts, found, strict=True)])
        scores = np.concatenate([scores for _, scores in found])
        return np.sort(ids[np.lexsort((ids, -scores))[:k]])

    def _rows(self, ids: NDArray[Any]) -> list[tuple[Segment, NDArray[Any]]]:
        """The rows of ids that are sorted, in every segment. Segments are in the order of ids, too."""
        found = []
        for part in self.parts:
            segment = part.segment
            first, last = ids.searchsorted((segment.ids[0], segment.ids[-1] + 1))
            found.append((segment, segment.ids.searchsorted(ids[first:last])))
        return found


class EmbeddedSearch:
    """A snapshot in the hands of one transaction, which reads from the rows what is not in memory."""

    def __init__(self, connection: Connection, held: EmbeddedSnapshot) -> None:
        self.held = held
        self.languages = held.languages
        self.frequencies = held.frequencies
        self.bm25 = held.bm25
        self.means = held.means
        self._connection = connection
        self._residuals: dict[int, bytes] = {}
        self._by_words: list[int] = []
        """What the sparse side has found: it is going to be measured too, and is read in the same query."""

    @property
    def statistics(self) -> Statistics:
        return self.held.statistics

    def dense(
        self, vector: NDArray[Any], k: int, *, allowed: frozenset[str] | None = None, distance: Distance = "cosine"
    ) -> NDArray[Any]:
        import numpy as np

        ids, *_ = self.held.candidates(vector, k, allowed, distance)
        self._read([*ids.tolist(), *self._by_words])
        near = nearness(self.vectors(ids), vector, distance)
        return np.sort(ids[np.lexsort((ids, -near))[:k]])

    def sparse(self, words: Sequence[Word], k: int, *, allowed: frozenset[str] | None = None) -> NDArray[Any]:
        ids = self.held.sparse(words, k, allowed=allowed)
        self._by_words += ids.tolist()
        return ids

    def vectors(self, ids: NDArray[Any]) -> NDArray[Any]:
        listed = ids.tolist()
        self._read(listed)
        return fine_of(self.held.packed(ids), [self._residuals[number] for number in listed])

    def sentences(self, ids: NDArray[Any]) -> Sequence[Any]:
        return read_sentences(self._connection, ids)

    def _read(self, ids: Sequence[int]) -> None:
        lacking = sorted({number for number in ids if number not in self._residuals})
        if lacking:
            self._residuals |= read_residuals(self._connection, lacking)


class View:
    """The last snapshots of one collection; the newest is brought up to date by whoever finds it old."""

    KEPT: Final = 4
    """For searches that began before a change, and end after it."""

    def __init__(self, collection_id: str, *, words_only: bool = False) -> None:
        self._collection_id = collection_id
        self._words_only = words_only
        self._lock = threading.Lock()
        self._snapshots: dict[int, EmbeddedSnapshot] = {}

    def at(self, connection: Connection, generation: int) -> EmbeddedSnapshot:
        """The snapshot of `generation`, which is the one that `connection` sees. Blocks while it is built."""
        found = self._snapshots.get(generation)
        if found is not None:
            return found
        with self._lock:
            found = self._snapshots.get(generation)
            if found is None:
                older = max((known for known in self._snapshots if known < generation), default=None)
                start = EmbeddedSnapshot(-1, [], frozenset()) if older is None else self._snapshots[older]
                found = self._refreshed(connection, generation, start)
                kept = sorted({**self._snapshots, generation: found}.items())[-self.KEPT :]
                self._snapshots = dict(kept)
            return found

    def _refreshed(self, connection: Connection, generation: int, old: EmbeddedSnapshot) -> EmbeddedSnapshot:
        mine = chunks.c.collection_id == self._collection_id
        # Ids only grow, and one writer at a time takes them (`Database.write`): what is new has a greater id than all
        # that is known, whichever server wrote it.
        newest = max((int(part.segment.ids[-1]) for part in old.parts), default=0)
        parts = self._without_removed(connection, old.parts, newest)
        columns = (chunks.c.id, chunks.c.document_id, self._vector(connection), chunks.c.terms)
        query = select(*columns).where(mine, chunks.c.id > newest).order_by(chunks.c.id)
        found = connection.execute(query, execution_options={"yield_per": BATCH})
        parts += join(read_part(rows) for rows in found.partitions())
        return EmbeddedSnapshot(generation, compact(parts), read_languages(connection, self._collection_id))

    def _vector(self, connection: Connection) -> ColumnElement[Any]:
        if self._words_only:
            return literal(bytes(4), LargeBinary).label("vector")  # the blob of a vector of no dimensions
        return vector_of_all(connection, self._collection_id)

    def _without_removed(self, connection: Connection, parts: Sequence[Part], newest: int) -> list[Part]:
        """Mask the rows that are gone. No row comes back or comes between others, so that equal counts of a range of
        ids mean equal ids, and only of the other ranges are they read."""
        import numpy as np

        if not parts:
            return []
        bucket = (chunks.c.id // BUCKET).label("bucket")
        known = (chunks.c.collection_id == self._collection_id, chunks.c.id <= newest)
        query = select(bucket, func.count()).where(*known).group_by(bucket)  # the index on both has all of it
        counted: dict[int, int] = dict(map(tuple, connection.execute(query)))
        held = [part.segment.ids if part.live is None else part.segment.ids[part.live] for part in parts]
        buckets, sizes = np.unique(np.concatenate(held) // BUCKET, return_counts=True)
        changed = [
            number
            for number, size in zip(buckets.tolist(), sizes.tolist(), strict=True)
            if counted.get(number, 0) != size
        ]
        if not changed:
            return list(parts)
        there = self._ids_in(connection, [number for number in changed if number in counted])
        result = []
        for part in parts:
            ids = part.segment.ids
            touched = np.isin(ids // BUCKET, np.array(changed, np.int64))
            gone = touched & ~np.isin(ids, there)
            result.append(part.only(~gone) if gone.any() else part)
        return result

    def _ids_in(self, connection: Connection, buckets: Sequence[int]) -> NDArray[Any]:
        import numpy as np

        mine = select(chunks.c.id).where(chunks.c.collection_id == self._collection_id)
        found: list[int] = []
        for number in buckets:
            inside = chunks.c.id.between(number * BUCKET, number * BUCKET + BUCKET - 1)
            found += connection.scalars(mine.where(inside)).all()
        return np.array(found, np.int64)


class EmbeddedIndex:
    """The views of the collections searched last; more than `limit` are not kept.

    With `words_only` it holds no vectors: the sparse side of an index that has its dense side elsewhere.
    """

    def __init__(self, limit: int = 16, *, words_only: bool = False) -> None:
        self._words_only = words_only
        self._views: Kept[View] = Kept(limit)

    async def look_ahead(self, scope: Scope, name: str, wanted: Wanted) -> None:
        """There is nothing to ask: all is in memory."""

    def snapshot(
        self, connection: Connection, scope: Scope, name: str, ahead: Any = None
    ) -> tuple[Row[Any], EmbeddedSearch]:
        collection = find_collection(connection, scope.tenant, name)
        # Vectors of another model are another collection's, whatever its name is.
        key = (collection.id, collection.embedding_model)
        view = self._views.get(key, lambda: View(collection.id, words_only=self._words_only))
        snapshot = view.at(connection, collection.generation)
        return collection, EmbeddedSearch(connection, snapshot.seen_by(connection, scope, collection.id))

    async def aclose(self) -> None:
        """There is nothing to let go of but memory."""
