"""What the index has of a collection, as a transaction sees it."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, Row, text

READ: Final = text("""
SELECT i.number, i.dimension, i.newest, i.generation,
    (SELECT coalesce(sum(passages), 0) FROM index_totals t WHERE t.number = i.number) AS passages,
    (SELECT coalesce(sum(length), 0) FROM index_totals t WHERE t.number = i.number) AS length,
    EXISTS (
        SELECT FROM pg_index WHERE indexrelid = to_regclass('index_graph_' || i.number) AND indisvalid
    ) AS graph,
    set_config('jit', 'off', true)
FROM index_collections i
WHERE i.tenant = :tenant AND i.collection_id = :id AND i.embedding_model = :model
""")
"""Queries of milliseconds are not worth compiling (`jit`), whatever the planner thinks of them."""
WAITING: Final = text("""
SELECT count(*) FROM (SELECT FROM chunks WHERE collection_id = :id AND id > :newest LIMIT :most) AS waiting
""")


class State(Struct, frozen=True):
    """A collection in the index."""

    number: int
    dimension: int
    newest: int
    """Passages above this id are not in the index yet."""
    generation: int
    passages: int
    length: int
    """Of all passages together, in terms."""
    graph: bool
    """Whether it has one that is whole."""


def read_state(connection: Connection, collection: Row[Any]) -> State | None:
    """None for a collection that the index does not have, or has by the vectors of another model."""
    named = {"tenant": collection.tenant, "id": collection.id, "model": collection.embedding_model}
    row = connection.execute(READ, named).one_or_none()
    return None if row is None else State(**{name: getattr(row, name) for name in State.__struct_fields__})


def count_waiting(connection: Connection, collection_id: str, newest: int, most: int) -> int:
    """How many passages of a collection are above an id, counted up to `most`."""
    return connection.scalar(WAITING, {"id": collection_id, "newest": newest, "most": most}) or 0
