"""Builds the HNSW graphs of large collections, each over one collection alone, while it is searched.

PostgreSQL builds it beside all that goes on (`CREATE INDEX CONCURRENTLY`), which cannot be in a transaction. What a
build that died has left is seen by PostgreSQL's own catalogue, and removed before the next. One is built at a time
among all servers: two would wait for each other's snapshots.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from sqlalchemy import Connection, Engine, text

from guru.knowledge.index.postgresql.catch_up import lock
from guru.knowledge.index.postgresql.schema import graph_of, vectors_of

M: Final = 24
EF_CONSTRUCTION: Final = 200
QUIET: Final = 30.0
"""Seconds without a change after which a graph is built: into one that is there, vectors come slower."""
PATIENCE: Final = 600.0
"""Seconds after which it is built although there is no quiet."""
OUTGROWN: Final = 5000
"""Passages, besides half of those that are there."""
MOST_MEMORY: Final = 1 << 30
"""Bytes that a build may take; more where PostgreSQL's own setting is more."""
MEMORY: Final = """
SELECT set_config('maintenance_work_mem', greatest(%s / 1024, setting::bigint) || 'kB', false) FROM pg_settings
WHERE name = 'maintenance_work_mem'
"""
GROWING: Final = text("""
SELECT i.number FROM index_collections i JOIN pg_index x ON x.indexrelid = to_regclass('index_graph_' || i.number)
WHERE i.collection_id = :id AND (
    SELECT count(*) FROM chunks WHERE chunks.collection_id = :id AND chunks.id > i.newest
) > :least + (SELECT sum(passages) FROM index_totals t WHERE t.number = i.number) / 2
""")
LARGE: Final = text("""
SELECT i.number, i.dimension, s.passages, c.updated_at, coalesce(x.indisvalid, false) AS valid
FROM index_collections i JOIN collections c ON c.id = i.collection_id
JOIN (SELECT number, sum(passages) AS passages FROM index_totals GROUP BY number) s ON s.number = i.number
LEFT JOIN pg_index x ON x.indexrelid = to_regclass('index_graph_' || i.number)
WHERE s.passages >= :least
""")
BUILDING: Final = text("""
SELECT count(*) FROM pg_stat_progress_create_index p JOIN pg_class c ON c.oid = p.relid
WHERE p.datname = current_database() AND c.relname LIKE 'index_vectors_%'
""")
GRAPH: Final = """
CREATE INDEX CONCURRENTLY {name} ON {table} USING hnsw (vector halfvec_ip_ops)
WITH (m = {m}, ef_construction = {ef}) WHERE number = {number}
"""


def build(engine: Engine, number: int, dimension: int, passages: int, running: list[Any], *, workers: bool) -> bool:
    """Build the graph of a collection, unless another server builds one. Says whether it did.

    `running` has the connection that builds for as long as it does, for whoever has to stop it. Without `workers`, one
    process builds alone. Raises what PostgreSQL says; nothing is left behind then.
    """
    name, table = graph_of(number), vectors_of(dimension)
    with engine.connect().execution_options(guru_writes="beside") as guard, guard.begin():
        # A build whose server died goes on in PostgreSQL: it is not started twice.
        if not lock(guard, "graphs") or guard.scalar(BUILDING):
            return False
        # The lock lasts as long as its transaction, which does nothing meanwhile. A statement without parameters also
        # closes the portal of the one before, whose snapshot the build would wait for.
        resting = "SET LOCAL idle_in_transaction_session_timeout = 0"
        guard.exec_driver_sql(resting, execution_options={"no_parameters": True})
        with autocommit(engine) as connection:
            running.append(connection)
            try:
                connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
                connection.execute(MEMORY, [memory(passages, dimension)])
                if not workers:
                    connection.execute("SET max_parallel_maintenance_workers = 0")
                connection.execute(GRAPH.format(name=name, table=table, m=M, ef=EF_CONSTRUCTION, number=number))
            except Exception:
                # Half a graph would be kept up to date, and never used.
                with suppress(Exception):
                    connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
                raise
            finally:
                running.remove(connection)
                with suppress(Exception):
                    connection.execute("RESET maintenance_work_mem")
                    connection.execute("RESET max_parallel_maintenance_workers")
    return True


def memory(passages: int, dimension: int) -> int:
    """Bytes that a graph takes while it is built in memory: the vectors, and neighbours on about one level each."""
    return min(MOST_MEMORY, passages * (2 * dimension + 24 * M) * 5 // 4)


def drop(engine: Engine, number: int) -> None:
    with autocommit(engine) as connection:
        connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {graph_of(number)}")


def outgrown(connection: Connection, collection_id: str) -> int | None:
    """The number of a collection that has a graph, and that so many passages wait for that it is built anew sooner than
    they come into it one by one."""
    number: int | None = connection.scalar(GROWING, {"id": collection_id, "least": OUTGROWN})
    return number


def large(connection: Connection, least: int) -> list[Any]:
    """The collections of `least` passages or more: `number`, `dimension`, `passages`, `updated_at`; `valid`:
    whether there is a graph that can be searched."""
    return list(connection.execute(LARGE, {"least": least}))


@contextmanager
def autocommit(engine: Engine) -> Iterator[Any]:
    """A connection of the driver's, outside of any transaction."""
    connection = engine.raw_connection()
    try:
        yield connection.driver_connection
    finally:
        connection.close()
