"""The dense side: the nearest vectors, by a scan of all that may be found, or by the collection's HNSW graph.

A collection of fewer than `GRAPH_FROM` passages has no graph, and a filter that leaves fewer is not searched in one:
that many half precision vectors are scanned in milliseconds, and a scan misses nothing. In a graph, the filter is
inside the search, which goes on until enough has passed (pgvector's iterative scans); where it gives up before, all
that the filter leaves is scanned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Connection, column, select, text

from guru.knowledge.index.postgresql.filter import DocumentFilter
from guru.knowledge.index.postgresql.schema import vectors_of
from guru.knowledge.vectors import RESIDUAL, VECTOR
from guru.store.tables import chunks
from guru.types import Distance

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRAPH_FROM: Final = 20_000
"""Passages."""
OPERATORS: Final[dict[Distance, str]] = {"cosine": "<#>", "dot": "<#>", "euclidean": "<->", "manhattan": "<+>"}
"""Vectors have unit length: by cosine and by product they are in the same order."""
IN_GRAPH: Final[tuple[Distance, ...]] = ("cosine", "dot")
"""What the graph is made for; by the others, all is scanned."""
MOST_BY_GRAPH: Final = 1000
"""Candidates; pgvector's own limit of `hnsw.ef_search`."""
SETTINGS: Final = text("""
SELECT set_config('hnsw.ef_search', :width, true), set_config('hnsw.iterative_scan', 'strict_order', true)
""")
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
    graph_from: int | None,
) -> Sequence[Any]:
    """The passages (`id`, `vector`, `vector_residual`) nearest to a unit vector by half precision: the best `k`, and
    some more that may be nearer by the vectors as they are stored.

    Where the filter leaves `graph_from` passages, they are looked for in the graph; None where there is no graph.
    """
    most = k + max(32, k // 2)
    by_graph = graph_from is not None and distance in IN_GRAPH and most <= MOST_BY_GRAPH
    if by_graph and (not documents.values or count_eligible(connection, documents, graph_from or 0) == graph_from):
        connection.execute(SETTINGS, {"width": str(min(max(200, 2 * most), MOST_BY_GRAPH))})
        found = _search(connection, documents, vector, most, distance, exact=False)
        if len(found) == most:
            return found
    return _search(connection, documents, vector, most, distance, exact=True)


def count_eligible(connection: Connection, documents: DocumentFilter, most: int) -> int:
    """How many passages a filter leaves, counted up to `most`."""
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
        table=vectors_of(documents.dimension), number=documents.number, conditions=documents.on_vectors("v"),
        order=f"({order}) + 0" if exact else order,  # no graph is made for a sum
    )  # fmt: skip
    near = text(query).columns(column("chunk_id", BigInteger)).subquery("near")
    asked = select(chunks.c.id, VECTOR, RESIDUAL).select_from(near.join(chunks, chunks.c.id == near.c.chunk_id))
    written = "[" + ",".join(map(str, vector.tolist())) + "]"
    return connection.execute(asked, documents.values | {"vector": written, "most": most}).all()
