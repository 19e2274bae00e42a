"""What any index may read from the rows instead of keeping it: exact scores, and what exists for whom.

An index inherits `StoredSnapshot` and adds what only it can do: `statistics`, `frequencies`, `dense`, `sparse`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, Connection, Row, select

from guru.knowledge.access import seen_by
from guru.knowledge.rows import read_fine, read_vectors, unpack_vectors
from guru.knowledge.sparse import Statistics, Word, norms, read_postings, score_rows
from guru.knowledge.terms import language_of
from guru.knowledge.vectors import RESIDUAL, SENTENCES_OF, VECTOR
from guru.store.bulk import select_by_ids
from guru.store.scope import Scope
from guru.store.tables import chunks, documents

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH: Final = 2000
"""Rows that are read at a time: few enough that what is made of them stays in the cache."""
_AT_ONCE: Final = 1000
"""Ids in one statement."""
_SENTENCES: Final = select(*SENTENCES_OF)


class StoredSnapshot(ABC):
    """A collection as `connection` sees it, read from its rows when it is asked for something."""

    def __init__(self, connection: Connection, scope: Scope, collection: Row[Any]) -> None:
        self.connection = connection
        self.scope = scope
        self.collection = collection

    @cached_property
    def languages(self) -> frozenset[str]:
        return read_languages(self.connection, self.collection.id)

    @property
    @abstractmethod
    def statistics(self) -> Statistics:
        """See `Snapshot`."""

    def existing(self, ids: NDArray[Any], allowed: frozenset[str] | None = None) -> NDArray[Any]:
        """Which of `ids` are passages that exist for the scope, of the allowed documents; sorted by id."""
        import numpy as np

        found = self._of_ids(ids, chunks.c.id, chunks.c.document_id)
        return np.array([row.id for row in found if allowed is None or row.document_id in allowed], np.int64)

    def vectors(self, ids: NDArray[Any]) -> NDArray[Any]:
        return read_fine_rows(self._of_ids(ids, chunks.c.id, VECTOR, RESIDUAL))

    def bm25(self, ids: NDArray[Any], words: Sequence[Word]) -> NDArray[Any]:
        rows = self._of_ids(ids, chunks.c.id, chunks.c.terms)
        return score_terms([row.terms for row in rows], words, self.statistics)

    def sentences(self, ids: NDArray[Any]) -> Sequence[Any]:
        return read_sentences(self.connection, ids)

    def means(self) -> tuple[list[str], NDArray[Any]]:
        query = self._mine(chunks.c.document_id, VECTOR).order_by(chunks.c.document_id)
        return read_means(self.connection, query)

    def _of_ids(self, ids: NDArray[Any], *columns: ColumnElement[Any]) -> list[Row[Any]]:
        found: list[Row[Any]] = []
        listed = sorted(ids.tolist())
        for start in range(0, len(listed), _AT_ONCE):
            query = self._mine(*columns).where(chunks.c.id.in_(listed[start : start + _AT_ONCE]))
            found += self.connection.execute(query.order_by(chunks.c.id))
        return found

    def _mine(self, *columns: ColumnElement[Any]) -> Any:
        """Of the passages that exist for the scope."""
        join = chunks.join(documents, documents.c.id == chunks.c.document_id)
        mine = chunks.c.collection_id == self.collection.id
        return select(*columns).select_from(join).where(mine, seen_by(self.scope))


def score_terms(blobs: Sequence[bytes], words: Sequence[Word], statistics: Statistics) -> NDArray[Any]:
    """The BM25 of passages with these terms (`terms.count_terms`), float32."""
    import numpy as np

    if not blobs:
        return np.zeros(0, np.float32)
    postings = read_postings(blobs)
    return score_rows(postings, norms(postings.lengths, statistics), words, np.arange(len(blobs)))


def read_sentences(connection: Connection, ids: NDArray[Any]) -> Sequence[Row[Any]]:
    """See `Snapshot.sentences`."""
    return select_by_ids(connection, _SENTENCES, chunks.c.id, ids.tolist())


def read_fine_rows(rows: Sequence[Any]) -> NDArray[Any]:
    """The fine vectors of rows that have `VECTOR` and `RESIDUAL`."""
    return read_fine([row.vector for row in rows], [row.vector_residual for row in rows])


def read_languages(connection: Connection, collection_id: str) -> frozenset[str]:
    """The languages of a collection's documents; English alone where there are none."""
    codes = select(documents.c.language).where(documents.c.collection_id == collection_id).distinct()
    return frozenset(map(language_of, connection.scalars(codes))) or frozenset({"en"})


def read_means(connection: Connection, query: Any) -> tuple[list[str], NDArray[Any]]:
    """See `Snapshot.means`. `query` gives document ids with the vectors of their passages, ordered by document."""
    import numpy as np

    sums: dict[str, NDArray[Any]] = {}
    for batch in connection.execute(query, execution_options={"yield_per": BATCH}).partitions():
        owners = np.array([row.document_id for row in batch])
        starts = np.flatnonzero(np.r_[True, owners[1:] != owners[:-1]])
        found = sum_runs(read_vectors([row.vector for row in batch]), starts)
        for name, total in zip(owners[starts].tolist(), found, strict=True):
            sums[name] = sums[name] + total if name in sums else total
    names = sorted(sums)
    return names, unit(np.array([sums[name] for name in names])) if names else np.zeros((0, 0), np.float32)


def sum_runs(packed: NDArray[Any], starts: NDArray[Any]) -> NDArray[Any]:
    """The sums, float32, of the vectors from each of `starts` to the next."""
    import numpy as np

    return np.asarray(np.add.reduceat(unpack_vectors(packed), starts, axis=0))


def unit(sums: NDArray[Any]) -> NDArray[Any]:
    """Each row at length 1."""
    import numpy as np

    return np.asarray(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12))
