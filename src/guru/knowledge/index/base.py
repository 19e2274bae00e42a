"""What every index is: two sides that find passages, and the exact scores of what they have found.

The rows of `chunks` are the truth. An index is derived from them and can be made anew from them at any time; a passage
never changes under its id, and ids only grow. Whoever writes rows knows nothing of indexes: an index sees by the
generation of a collection that it is behind, and catches up when it is asked.

A search goes through an index in two steps, so that one kind of code serves every index:

1. `Index.look_ahead`, outside of any transaction. An index on another server (Qdrant, Milvus...) asks it here for more
   ids than are wanted, without holding a connection to the database. Others have nothing to do.
2. `Index.snapshot`, in the transaction of the search. What it gives is asked for candidates, `dense` and `sparse`,
   and for what scores their union, `vectors`, `bm25` and `sentences`. Nothing that another server has said is believed
   unseen: the snapshot drops ids whose rows the transaction does not see or that the scope may not see, and adds the
   rows which that server has not got yet (ids above the greatest that it was given), scored from the rows.

So a search finds what was committed before it and nothing else, whatever the state of the index. Fewer than `k` ids
come back only where there are no more: an index that finds by approximation filters inside its own search, or asks
again for more, or scans the rows of the allowed documents; it never filters what it has found and leaves it at that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from msgspec import Struct
from sqlalchemy import Connection, Row

from guru.knowledge.filters import Predicate
from guru.knowledge.sparse import Statistics, Word
from guru.store.scope import Scope
from guru.types import JSON, Distance

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Wanted(Struct, frozen=True, kw_only=True):
    """What a snapshot is going to be asked on its dense side."""

    vectors: Sequence[Any]
    """Float32, unit length: of the query, and of what is searched for besides. Empty for a search by words alone."""
    k: int
    distance: Distance = "cosine"
    accepts: Predicate | None = None
    """The filter on documents; see `documents.allowed_documents`."""


class Ahead(Struct, kw_only=True):
    """What an index has learnt before the transaction."""

    notes: list[str] = []
    """What a person who searches should know, such as that a server was away and its passages were scanned here."""


class Snapshot(Protocol):
    """One collection as one transaction sees it, without the documents that somebody may not see.

    Ids are those of chunks, int64. `allowed` are the ids of the documents that a filter leaves; None leaves all. A
    filter narrows what is found, and statistics are those of the whole, so that a score means the same with and
    without one. What somebody may not see is in no statistic.
    """

    @property
    def languages(self) -> frozenset[str]:
        """Those of its documents, as `terms.language_of` names them; English alone where there are none."""

    @property
    def statistics(self) -> Statistics:
        """How many passages there are and how long they are."""

    def frequencies(self, terms: Sequence[int]) -> list[int]:
        """For each hash of a term how many passages have it, in the text or in the heading."""

    def dense(
        self, vector: NDArray[Any], k: int, *, allowed: frozenset[str] | None = None, distance: Distance = "cosine"
    ) -> NDArray[Any]:
        """The `k` passages nearest to a unit vector, sorted by id.

        An index that looks ahead answers for the vectors and up to the `k` that it was told.
        """

    def sparse(self, words: Sequence[Word], k: int, *, allowed: frozenset[str] | None = None) -> NDArray[Any]:
        """The `k` passages with the greatest BM25, of those that have one of the words; sorted by id."""

    def vectors(self, ids: NDArray[Any]) -> NDArray[Any]:
        """The packed vectors (`rows.fine_type`) of passages of this snapshot, which are sorted by id."""

    def bm25(self, ids: NDArray[Any], words: Sequence[Word]) -> NDArray[Any]:
        """The BM25 of passages of this snapshot, which are sorted by id; float32, 0 where they have no word."""

    def sentences(self, ids: NDArray[Any]) -> Sequence[Any]:
        """What is stored of the sentences (`rows.SENTENCE_COLUMNS`) of passages of this snapshot, which are sorted by
        id."""

    def means(self) -> tuple[list[str], NDArray[Any]]:
        """The ids of the documents, sorted, and of each the mean of its passages as a unit vector, float32; without
        residuals, which a mean has no use for."""


@runtime_checkable
class Narrowing(Protocol):
    """A snapshot that evaluates a filter itself, inside its searches."""

    def narrow(self, filter: JSON) -> bool:
        """From now on `dense` and `sparse`, called without `allowed`, find only what the filter leaves.

        False for a filter, which compiles, that it cannot evaluate: `allowed` has to be given as ever.
        """


class Index(Protocol):
    """The index of every collection of one database, of every tenant."""

    async def look_ahead(self, scope: Scope, name: str, wanted: Wanted) -> Ahead | None:
        """Ask what has to be asked before the transaction begins. But for its notes, the result is for `snapshot`.

        None from an index that has no need of it. Raises `NotFound`.
        """

    def snapshot(self, connection: Connection, scope: Scope, name: str, ahead: Any = None) -> tuple[Row[Any], Snapshot]:
        """The collection's row and its snapshot, both as `connection` sees them. Blocks; for a thread.

        This is the only way to what can be searched, and it holds nothing that somebody may not see: neither scores
        nor statistics can tell of it. Raises `NotFound`.
        """

    async def aclose(self) -> None:
        """Let go of what it holds: memory, connections to other servers."""
