"""Which index a database has of its own: pgvector's where there is one, memory everywhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from msgspec import Struct
from sqlalchemy import Connection, func, select, table, text

from guru.config import StoreSettings
from guru.errors import StoreError
from guru.knowledge.index.base import Index
from guru.knowledge.index.embedded import EmbeddedIndex
from guru.knowledge.index.postgresql.index import PostgreSQLIndex
from guru.knowledge.index.postgresql.schema import (
    OWN_TABLES,
    find_extension,
    make_extension,
    make_tables,
    vector_tables,
)
from guru.store.database import Database


class IndexStatus(Struct, kw_only=True):
    """What collections are searched in. Counts are of every organisation."""

    kind: str
    """`pgvector`, or `memory`: of each server, made anew from the rows."""
    version: str | None = None
    """Of pgvector."""
    note: str | None = None
    """Why it is memory, where the database is PostgreSQL."""
    hint: str | None = None
    collections: int = 0
    passages: int = 0
    waiting: int = 0
    """Passages that are not in the index yet. They are found, by their rows."""
    graphs: int = 0
    """Collections so large that they have one."""
    rows: dict[str, int] = {}
    """By table. They are made from those of the store, and not transferred."""
    bytes: int = 0


NO_POSTGRESQL = StoreError("pgvector is for PostgreSQL; rows live in SQLite.", hint="Name one as [store] url.")
COUNTS = text("""
SELECT (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS version,
    (SELECT count(*) FROM index_collections) AS collections,
    (SELECT coalesce(sum(passages), 0) FROM index_totals t JOIN index_collections USING (number)) AS passages,
    (SELECT count(*) FROM chunks c LEFT JOIN index_collections i ON i.collection_id = c.collection_id
        WHERE i.number IS NULL OR c.id > i.newest) AS waiting,
    (SELECT count(*) FROM pg_index WHERE indisvalid AND indexrelid IN (
        SELECT to_regclass('index_graph_' || number) FROM index_collections)) AS graphs
""")


@asynccontextmanager
async def opened_index(database: Database, settings: StoreSettings, *, keep: bool) -> AsyncIterator[Index]:
    """The index that the settings name, as `open_index` does. `keep`: it is kept up to date in the background."""
    async with aclosing(await open_index(database, settings)) as index:
        if keep and isinstance(index, PostgreSQLIndex):
            index.keeper.start()
        yield index


async def open_index(database: Database, settings: StoreSettings) -> Index:
    """The index that the settings name, ready for searches. One that is behind is right, and slower.

    Raises `StoreError` where `[store] index` is `pgvector` and there is none.
    """
    if settings.index == "memory":
        return EmbeddedIndex()
    reason = await prepare(database)
    if reason is None:
        return PostgreSQLIndex(database)
    if settings.index == "pgvector":
        raise reason
    return EmbeddedIndex()


async def prepare(database: Database) -> StoreError | None:
    """Make the tables of pgvector's index, and return why there cannot be any."""
    if not database.dialect.SEVERAL_WRITERS:
        return NO_POSTGRESQL
    try:
        await database.write(make_extension)
    except StoreError as error:
        return error
    await database.write(make_tables)
    return None


async def look_for_pgvector(database: Database) -> StoreError | None:
    """Why there can be no index of pgvector's, as far as that is known without making anything."""
    if not database.dialect.SEVERAL_WRITERS:
        return NO_POSTGRESQL
    try:
        await database.read(find_extension)
    except StoreError as error:
        return error
    return None


async def read_index_status(database: Database, index: Index, settings: StoreSettings) -> IndexStatus:
    """What an index is, and has."""
    if isinstance(index, PostgreSQLIndex):
        return await database.read(_count)
    if not database.dialect.SEVERAL_WRITERS:
        return IndexStatus(kind="memory")
    if settings.index == "memory":
        return IndexStatus(kind="memory", note='[store] index is "memory".')
    reason = await look_for_pgvector(database)
    if reason is None:
        return IndexStatus(kind="memory", note="pgvector came after the start.", hint="Start the server again.")
    return IndexStatus(kind="memory", note=reason.message, hint=reason.hint)


def _count(connection: Connection) -> IndexStatus:
    counts = dict(connection.execute(COUNTS).one()._mapping)
    tables = [*OWN_TABLES, *vector_tables(connection)]
    rows = {name: connection.scalar(select(func.count()).select_from(table(name))) or 0 for name in tables}
    sizes = (connection.scalar(text("SELECT pg_total_relation_size(:table)"), {"table": name}) for name in tables)
    return IndexStatus(kind="pgvector", **counts, rows=rows, bytes=sum(size or 0 for size in sizes))
