"""What the index has of a collection, as a transaction sees it."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct
from sqlalchemy import BigInteger, Boolean, Column, Connection, Integer, Row, text

from guru.knowledge.collections import collection_not_found
from guru.knowledge.index.postgresql.dense import LEAST_WIDTH
from guru.store.tables import collections

COLUMNS: Final = (
    Column("number", Integer), Column("dimension", Integer), Column("newest", BigInteger), Column("indexed", Integer),
    Column("passages", BigInteger), Column("length", BigInteger), Column("graph", Boolean), Column("beside", Boolean),
    Column("restricted", Boolean),
)  # fmt: skip
# One look, by which all that a search needs to know before it begins is known, and its settings are made.
LOOK: Final = """
SELECT {columns},
    i.number, i.dimension, i.newest, i.generation AS indexed, t.passages, t.length,
    EXISTS (
        SELECT FROM pg_index WHERE indexrelid = to_regclass('index_graph_' || i.number) AND indisvalid
    ) AS graph,
    EXISTS (
        SELECT FROM chunk_vectors v WHERE v.collection_id = c.id AND v.model = c.embedding_model
    ) AS beside,
    EXISTS (SELECT FROM document_access a WHERE a.collection_id = c.id) AS restricted,
    set_config('jit', 'off', true), set_config('hnsw.iterative_scan', 'relaxed_order', true),
    set_config('hnsw.ef_search', '{width}', true)
FROM collections c
LEFT JOIN index_collections i
    ON i.tenant = c.tenant AND i.collection_id = c.id AND i.embedding_model = c.embedding_model
LEFT JOIN LATERAL (
    SELECT coalesce(sum(s.passages), 0) AS passages, coalesce(sum(s.length), 0) AS length
    FROM index_totals s WHERE s.number = i.number
) t ON true
WHERE c.tenant = :tenant AND c.name = :name
"""
"""Queries of milliseconds are not worth compiling (`jit`), whatever the planner thinks of them. What comes from a graph
in a strict order lacks what is found late: the order is made afterwards, by the stored vectors."""
READ: Final = text(
    LOOK.format(columns=", ".join(f"c.{column.name}" for column in collections.c), width=LEAST_WIDTH)
).columns(*collections.c, *COLUMNS)
WAITING: Final = text("""
SELECT count(*) FROM (SELECT FROM chunks WHERE collection_id = :id AND id > :newest LIMIT :most) AS waiting
""")


class State(Struct, frozen=True):
    """A collection in the index."""

    number: int
    dimension: int
    newest: int
    """Passages above this id are not in the index yet."""
    indexed: int
    """The generation of the collection when all that there was had come."""
    passages: int
    length: int
    """Of all passages together, in terms."""
    graph: bool
    """Whether it has one that is whole."""
    beside: bool
    """Whether some of its vectors stand beside the rows of their passages (`vectors.py`)."""
    restricted: bool
    """Whether some of its documents have access lists."""


def read_state(connection: Connection, tenant: str, name: str) -> tuple[Row[Any], State | None]:
    """The row of a collection, and what the index has of it: None where there is nothing, or it is by the vectors of
    another model. Raises `NotFound`."""
    row = connection.execute(READ, {"tenant": tenant, "name": name}).one_or_none()
    if row is None:
        raise collection_not_found(name)
    if row.number is None:
        return row, None
    return row, State(**{name: getattr(row, name) for name in State.__struct_fields__})


def count_waiting(connection: Connection, collection_id: str, newest: int, most: int) -> int:
    """How many passages of a collection are above an id, counted up to `most`."""
    return connection.scalar(WAITING, {"id": collection_id, "newest": newest, "most": most}) or 0
