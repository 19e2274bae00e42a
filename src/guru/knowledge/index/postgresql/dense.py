"""The dense side: the nearest vectors, by a scan of all that may be found, or by the collection's HNSW graph.

A collection of fewer than `GRAPH_FROM` passages has no graph, and a filter that leaves few is not searched in one:
that many half precision vectors are scanned in milliseconds, and a scan misses nothing. In a graph, the filter is
inside the search, which goes on until enough has passed (pgvector's iterative scans); where it gives up before, all
that the filter leaves is scanned.

What is few is measured, not only by time: of 100,000 passages in 2,000 clusters, filters that left 50,000 and 20,000
found 0.985 and 0.958 of the ten nearest in the graph, at no less than what scanning them takes, and 1.0 that left
90,000. Where a cluster has not enough that passes, the next is as far as many others. Of 1,000,000, a filter that left
100,000 found 0.994 in the graph, and took as long as the scan.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Connection, Select, column, select, text

from guru.knowledge.index.postgresql.filter import DocumentFilter
from guru.knowledge.index.postgresql.schema import vectors_of
from guru.knowledge.vectors import CURRENT, INSIDE
from guru.store.postgresql import BINARY, Sent
from guru.store.tables import chunks
from guru.types import Distance

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRAPH_FROM: Final = 20_000
"""Passages."""
SCANNED: Final = 8
"""Times as many are scanned where others are filtered out."""
OPERATORS: Final[dict[Distance, str]] = {"cosine": "<#>", "dot": "<#>", "euclidean": "<->", "manhattan": "<+>"}
"""Vectors have unit length: by cosine and by product they are in the same order."""
IN_GRAPH: Final[tuple[Distance, ...]] = ("cosine", "dot")
"""What the graph is made for; by the others, all is scanned."""
MOST_BY_GRAPH: Final = 1000
"""Candidates; pgvector's own limit of `hnsw.ef_search`."""
LEAST_WIDTH: Final = 300
"""Of a search in a graph (`hnsw.ef_search`): what 100 candidates need, set by `state.READ` for all searches. Of 30,000
passages in 2,000 clusters (`benchmarks/scale.py`) it finds 0.987 of the ten nearest; 200 finds 0.977."""
WIDEN: Final = text("SELECT set_config('hnsw.ef_search', :width, true)")
ELIGIBLE: Final = """
SELECT count(*) FROM (SELECT FROM {table} v WHERE v.number = {number}{conditions} LIMIT :most) AS eligible
"""
NEAREST: Final = "SELECT v.chunk_id FROM {table} v WHERE v.number = {number}{conditions} ORDER BY {order} LIMIT :most"


def nearest(
    connection: Connection,
    documents: DocumentFilter,
    vector: NDArray[Any],
    k: int,
    distance: Distance,
    *,
    scanned: int | None,
) -> Sequence[Any]:
    """The passages (`id`, `vector`, `vector_residual`) nearest to a unit vector by half precision: the best `k`, and
    some more that may be nearer by the vectors as they are stored.

    Where `scanned` passages or more are left, they are looked for in the graph; None where there is no graph.
    """
    most = k + max(32, k // 2)
    by_graph = scanned is not None and distance in IN_GRAPH and most <= MOST_BY_GRAPH
    if by_graph and leaves(connection, documents, scanned or 0):
        if (width := min(2 * most, MOST_BY_GRAPH)) > LEAST_WIDTH:
            connection.execute(WIDEN, {"width": str(width)})
        found = _search(connection, documents, vector, most, distance, exact=False)
        if len(found) == most:
            return found
    return _search(connection, documents, vector, most, distance, exact=True)


def scanned_below(passages: int, graph_from: int) -> int:
    """Of a collection of so many passages that has a graph, how few are scanned."""
    return min(SCANNED * graph_from, passages * 9 // 10)


def leaves(connection: Connection, documents: DocumentFilter, least: int) -> bool:
    """Whether there are `least` passages that may be found."""
    if documents.passages is not None:
        return documents.passages >= least
    return not documents.narrows or count_eligible(connection, documents, least) == least


def count_eligible(connection: Connection, documents: DocumentFilter, most: int) -> int:
    """How many passages there are that may be found, counted up to `most`."""
    query = ELIGIBLE.format(
        table=vectors_of(documents.dimension), number=documents.number, conditions=documents.on_vectors("v")
    )
    return connection.scalar(text(query), documents.values | {"most": most}) or 0


def _search(
    connection: Connection, documents: DocumentFilter, vector: NDArray[Any], most: int, distance: Distance, *,
    exact: bool,
) -> Sequence[Any]:  # fmt: skip
    order = f"v.vector {OPERATORS[distance]} CAST(:vector AS halfvec({documents.dimension}))"
    query = NEAREST.format(
        table=vectors_of(documents.dimension), number=documents.number,
        conditions=documents.on_vectors("v", each=not exact),
        order=f"({order}) + 0" if exact else order,  # no graph is made for a sum
    )  # fmt: skip
    values = documents.values | {"vector": encode(vector), "most": most}
    return connection.execute(_measured(query, documents.beside), values, execution_options={BINARY: True}).all()


@lru_cache(maxsize=256)
def _measured(query: str, beside: bool) -> Select[Any]:
    """What is read of the passages that a query finds."""
    near = text(query).columns(column("chunk_id", BigInteger)).subquery("near")
    vector, residual, _ = CURRENT if beside else INSIDE
    return select(chunks.c.id, vector, residual).select_from(near.join(chunks, chunks.c.id == near.c.chunk_id))


def encode(vector: NDArray[Any]) -> Sent:
    """A vector as pgvector reads it in half precision: its dimension, two bytes that are not used, the numbers."""
    return Sent(struct.pack(">hh", len(vector), 0) + vector.astype(">f2").tobytes())
