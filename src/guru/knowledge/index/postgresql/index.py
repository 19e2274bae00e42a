"""The index of a PostgreSQL with pgvector: a search asks the database, and this process holds nothing of a collection.

Every query of a search runs in its transaction, on tables that change with the rows: those of removed passages go in
the same transaction (a trigger), and passages that the index has not got yet are read from the rows and scored beside
what it found (`tail.py`). Where very many are not there yet, as after a large ingest, the collection is searched in
memory until the keeper has caught up; so is one whose vectors are too long for pgvector.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import structs
from sqlalchemy import Connection, Row

from guru.knowledge.distance import nearness
from guru.knowledge.documents import read_fields
from guru.knowledge.filters import compile_filter
from guru.knowledge.index.base import Snapshot, Wanted
from guru.knowledge.index.embedded import EmbeddedIndex
from guru.knowledge.index.postgresql import postings
from guru.knowledge.index.postgresql.conditions import translate
from guru.knowledge.index.postgresql.dense import GRAPH_FROM, nearest, scanned_below
from guru.knowledge.index.postgresql.filter import DocumentFilter, Selection
from guru.knowledge.index.postgresql.keeper import Keeper
from guru.knowledge.index.postgresql.passages import Passages
from guru.knowledge.index.postgresql.selecting import named_below, select_documents
from guru.knowledge.index.postgresql.state import State, count_waiting, read_state
from guru.knowledge.index.postgresql.tail import Tail
from guru.knowledge.index.stored import StoredSnapshot, read_fine_rows, read_languages, score_terms
from guru.knowledge.kept import Kept
from guru.knowledge.sparse import Statistics, Word, norms, score_rows
from guru.knowledge.vectors import RESIDUAL, VECTOR
from guru.store.database import Database
from guru.store.postgresql import BINARY
from guru.store.scope import Scope
from guru.store.tables import chunks
from guru.types import JSON, Distance

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_WAITING: Final = 2000
"""Passages that a search reads from their rows; where more wait, the collection is searched in memory."""
MANY_WAITING: Final = 20_000
"""So many of a large collection are sooner read than the whole of it is."""
IN_MEMORY: Final = 16
"""Collections that are searched there at a time."""
REMEMBERED: Final = 1000
"""Collections whose languages are known."""
SELECTIONS: Final = 64
"""Filters of which is known what they leave."""


class PostgreSQLSnapshot(StoredSnapshot):
    """A collection as one transaction sees it."""

    def __init__(
        self,
        connection: Connection,
        scope: Scope,
        collection: Row[Any],
        state: State,
        languages: frozenset[str],
        *,
        graph_from: int,
        is_behind: bool,
        selections: Kept[Selection],
    ) -> None:
        super().__init__(connection, scope, collection)
        self.languages = languages
        self._passages = Passages(connection, beside=state.beside)
        self._state = state
        self._scanned = scanned_below(state.passages, graph_from) if state.graph else None
        self._named = named_below(state.passages, graph_from)
        self._documents = DocumentFilter(
            state.number, state.dimension, collection.id, state.beside,
            names=scope.names if state.restricted else None,
        )  # fmt: skip
        self._selections = selections
        self._narrowed: tuple[DocumentFilter, frozenset[str]] | None = None
        self._frequencies: dict[int, int] = {}
        rows: Sequence[Row[Any]] = []
        if is_behind:
            query = self._mine(chunks.c.id, chunks.c.document_id, VECTOR, RESIDUAL, chunks.c.terms)
            query = query.where(chunks.c.id > state.newest).order_by(chunks.c.id)
            rows = connection.execute(query, execution_options={BINARY: True}).all()
        self._tail = Tail(rows)

    def narrow(self, filter: JSON) -> bool:
        """See `index.base.Narrowing`. What waits is looked at in Python, and a filter of few documents asked once."""
        condition = translate(filter, self._state.number)
        if condition is None:
            return False
        accepts, state = compile_filter(filter), self._state
        written = msgspec.json.encode(filter, order="deterministic")
        key = (state.number, state.newest, self.collection.generation, self._documents.names, written)
        selection = self._selections.get(
            key,
            lambda: select_documents(self.connection, self._documents, condition, accepts, named=self._named),
        )
        documents = structs.replace(
            self._documents, allowed=selection.ids, passages=selection.passages,
            selection=selection if selection.ids is None else None,
        )  # fmt: skip
        owners = sorted(set(self._tail.owners.tolist()))
        waiting = (row.id for row, fields in read_fields(self.connection, owners) if accepts(fields))
        self._narrowed = documents, frozenset(waiting)
        return True

    @cached_property
    def statistics(self) -> Statistics:
        hidden, length = postings.measure_hidden(self.connection, self._documents)
        passages = self._state.passages - hidden + len(self._tail)
        return Statistics(passages, (self._state.length - length + self._tail.length) / max(passages, 1))

    def frequencies(self, terms: Sequence[int]) -> list[int]:
        self._frequencies |= postings.count_frequencies(self.connection, self._documents, terms)
        return [self._frequencies.get(term, 0) + self._tail.frequency(term) for term in terms]

    def dense(
        self, vector: NDArray[Any], k: int, *, allowed: frozenset[str] | None = None, distance: Distance = "cosine"
    ) -> NDArray[Any]:
        import numpy as np

        documents, waiting = self._searched(allowed)
        rows = nearest(self.connection, documents, vector, k, distance, scanned=self._scanned)
        ids, packed = np.array([row.id for row in rows], np.int64), read_fine_rows(rows)
        near = nearness(packed, vector, distance) if rows else np.zeros(0, np.float32)
        if len(self._tail):
            mask = self._tail.of(waiting)
            ids = np.append(ids, self._tail.ids[mask])
            near = np.append(near, nearness(self._tail.vectors[mask], vector, distance))
        return top(ids, near, k)

    def sparse(self, words: Sequence[Word], k: int, *, allowed: frozenset[str] | None = None) -> NDArray[Any]:
        import numpy as np

        documents, waiting = self._searched(allowed)
        ids, scores = postings.best(
            self.connection, documents, words, k, statistics=self.statistics, frequencies=self._frequencies
        )
        if len(self._tail):
            mask = self._tail.of(waiting) & self._tail.having([term for word in words for term in word.terms])
            waiting_scores = score_rows(
                self._tail.postings, norms(self._tail.postings.lengths, self.statistics), words, np.flatnonzero(mask)
            )
            ids, scores = np.append(ids, self._tail.ids[mask]), np.append(scores, waiting_scores)
        return top(ids, scores, k)

    def vectors(self, ids: NDArray[Any]) -> NDArray[Any]:
        return read_fine_rows(self._passages.rows(ids))

    def bm25(self, ids: NDArray[Any], words: Sequence[Word]) -> NDArray[Any]:
        return score_terms([row.terms for row in self._passages.rows(ids)], words, self.statistics)

    def sentences(self, ids: NDArray[Any]) -> Sequence[Row[Any]]:
        return self._passages.rows(ids, sentences=True)

    def _searched(self, allowed: frozenset[str] | None) -> tuple[DocumentFilter, frozenset[str] | None]:
        """The documents of the index and of the tail that may be found."""
        if allowed is None and self._narrowed is not None:
            return self._narrowed
        left = self.statistics.passages - len(self._tail) if allowed is None else None
        return structs.replace(self._documents, allowed=allowed, passages=left), allowed


class PostgreSQLIndex:
    """The index of all collections of one PostgreSQL. Its keeper, once started, brings it up to date."""

    def __init__(self, database: Database, *, graph_from: int = GRAPH_FROM, most_waiting: int = MOST_WAITING) -> None:
        """A collection of `graph_from` passages or more gets a graph."""
        self.keeper = Keeper(database, graph_from=graph_from)
        self._graph_from = graph_from
        self._most_waiting = most_waiting
        self._lock = threading.Lock()
        self._memory: OrderedDict[str, EmbeddedIndex] = OrderedDict()
        """By collection, for those that are far behind."""
        self._languages: dict[tuple[str, int], frozenset[str]] = {}
        self._selections: Kept[Selection] = Kept(SELECTIONS)

    async def look_ahead(self, scope: Scope, name: str, wanted: Wanted) -> None:
        """There is nothing to ask: all of it is in the same transaction."""

    def snapshot(self, connection: Connection, scope: Scope, name: str, ahead: Any = None) -> tuple[Row[Any], Snapshot]:
        collection, state = read_state(connection, scope.tenant, name)
        waiting = most = 0
        if state is not None and state.indexed != collection.generation:
            most = max(self._most_waiting, min(state.passages // 4, MANY_WAITING))
            waiting = count_waiting(connection, collection.id, state.newest, most + 1)
        if state is None or waiting > most:
            with self._lock:
                memory = self._memory.setdefault(collection.id, EmbeddedIndex())
                while len(self._memory) > IN_MEMORY:
                    self._memory.popitem(last=False)
            return memory.snapshot(connection, scope, name)
        with self._lock:
            self._memory.pop(collection.id, None)
        return collection, PostgreSQLSnapshot(
            connection, scope, collection, state, self._languages_of(connection, collection),
            graph_from=self._graph_from, is_behind=waiting > 0, selections=self._selections,
        )  # fmt: skip

    def _languages_of(self, connection: Connection, collection: Row[Any]) -> frozenset[str]:
        """Those of a generation, which are read once."""
        key = (collection.id, collection.generation)
        if (known := self._languages.get(key)) is None:
            known = read_languages(connection, collection.id)
            with self._lock:
                if len(self._languages) >= REMEMBERED:
                    self._languages.clear()
                self._languages[key] = known
        return known

    async def aclose(self) -> None:
        await self.keeper.aclose()
        self._memory.clear()


def top(ids: NDArray[Any], scores: NDArray[Any], k: int) -> NDArray[Any]:
    """The ids of the `k` greatest scores, sorted."""
    import numpy as np

    if len(ids) > k:
        ids = ids[np.argpartition(-scores, k - 1)[:k]]
    return np.sort(ids)
