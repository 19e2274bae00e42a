"""What a store has found, held against the rows that one transaction sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from msgspec import field
from sqlalchemy import ColumnElement, Connection, Row, func, or_, select

from guru.knowledge.access import hidden_documents, seen_by
from guru.knowledge.distance import nearness
from guru.knowledge.index.base import Ahead, Snapshot
from guru.knowledge.index.stored import BATCH, StoredSnapshot, read_fine_rows
from guru.knowledge.sparse import Statistics, Word
from guru.knowledge.vectors import RESIDUAL, VECTOR
from guru.store.scope import Scope
from guru.store.tables import chunks, documents
from guru.types import Distance

if TYPE_CHECKING:
    from numpy.typing import NDArray

_AT_ONCE: Final = 500
"""Documents in one statement."""


class Answers(Ahead, kw_only=True):
    """What a store has said of the vectors of one search."""

    collection_id: str
    model: str
    k: int
    newest: int
    """Passages up to this id have been given to it."""
    only: frozenset[str] | None = None
    """The documents that were searched; None: all but `never`."""
    never: frozenset[str] = frozenset()
    found: dict[bytes, Any] = field(default_factory=dict)
    """For each vector, as bytes, the ids, at least `k` where there are so many."""


class ExternalSnapshot(StoredSnapshot):
    """A collection as one transaction sees it. Its words are in memory, its vectors in the rows and in the store."""

    def __init__(
        self, connection: Connection, scope: Scope, collection: Row[Any], *, words: Snapshot,
        answers: Answers | None, suspect: Callable[[str], None],
    ) -> None:  # fmt: skip
        """`suspect` is told when the store has found less than there is."""
        super().__init__(connection, scope, collection)
        self._words = words
        self._answers = answers
        self._suspect = suspect

    @cached_property
    def languages(self) -> frozenset[str]:
        return self._words.languages

    @property
    def statistics(self) -> Statistics:
        return self._words.statistics

    def frequencies(self, terms: Sequence[int]) -> list[int]:
        return self._words.frequencies(terms)

    def sparse(self, words: Sequence[Word], k: int, *, allowed: frozenset[str] | None = None) -> NDArray[Any]:
        return self._words.sparse(words, k, allowed=allowed)

    def bm25(self, ids: NDArray[Any], words: Sequence[Word]) -> NDArray[Any]:
        return self._words.bm25(ids, words)

    def dense(
        self, vector: NDArray[Any], k: int, *, allowed: frozenset[str] | None = None, distance: Distance = "cosine"
    ) -> NDArray[Any]:
        import numpy as np

        answers = self._answers
        found = None if answers is None else answers.found.get(vector.tobytes())
        if answers is None or found is None or k > answers.k or distance == "manhattan":
            return self._scan(vector, k, distance, allowed)
        new: ColumnElement[bool] = chunks.c.id > answers.newest
        if left_out := self._left_out(answers, allowed):
            if len(left_out) > _AT_ONCE:
                return self._scan(vector, k, distance, allowed)
            new = or_(new, chunks.c.document_id.in_(left_out))
        rows = self.connection.execute(self._mine(chunks.c.id, chunks.c.document_id).where(new))
        fresh = [row.id for row in rows if allowed is None or row.document_id in allowed]
        ids = np.union1d(self.existing(found, allowed), np.array(fresh, np.int64))
        if len(ids) < k and len(ids) < self._count(allowed):
            self._suspect(self.collection.id)
            return self._scan(vector, k, distance, allowed)
        near = nearness(self.vectors(ids), vector, distance)
        return np.sort(ids[np.lexsort((ids, -near))[:k]])

    def _left_out(self, answers: Answers, allowed: frozenset[str] | None) -> frozenset[str]:
        """Documents that the store was told to leave out, before somebody was given to see them."""
        if answers.only is not None:
            return (self._visible if allowed is None else allowed) - answers.only
        return answers.never - hidden_documents(self.connection, self.scope, self.collection.id)

    @cached_property
    def _visible(self) -> frozenset[str]:
        return visible_documents(self.connection, self.scope, self.collection.id)

    def _count(self, allowed: frozenset[str] | None) -> int:
        """How many passages may be found."""
        if allowed is None:
            return self.connection.scalar(self._mine(func.count())) or 0
        listed, total = sorted(allowed), 0
        for start in range(0, len(listed), _AT_ONCE):
            some = chunks.c.document_id.in_(listed[start : start + _AT_ONCE])
            total += self.connection.scalar(self._mine(func.count()).where(some)) or 0
        return total

    def _scan(self, vector: NDArray[Any], k: int, distance: Distance, allowed: frozenset[str] | None) -> NDArray[Any]:
        """The nearest of all rows: exact, whatever the store says."""
        import numpy as np

        ids, near = np.zeros(0, np.int64), np.zeros(0, np.float32)
        query = self._mine(chunks.c.id, chunks.c.document_id, VECTOR, RESIDUAL)
        for batch in self.connection.execute(query, execution_options={"yield_per": BATCH}).partitions():
            rows = [row for row in batch if allowed is None or row.document_id in allowed]
            ids = np.append(ids, np.array([row.id for row in rows], np.int64))
            near = np.append(near, nearness(read_fine_rows(rows), vector, distance))
            best = np.lexsort((ids, -near))[:k]
            ids, near = ids[best], near[best]
        return np.sort(ids)


def visible_documents(connection: Connection, scope: Scope, collection_id: str) -> frozenset[str]:
    """The ids of the documents of a collection that somebody sees."""
    query = select(documents.c.id).where(documents.c.collection_id == collection_id, seen_by(scope))
    return frozenset(connection.scalars(query))
