"""Everything in one database, moved to another: between SQLite and PostgreSQL, or from one to its like.

The target is written in one transaction, which is committed after what came has been compared with what went: a
transfer that is killed, or finds a difference, leaves the target as empty as it was, and can be started again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Float,
    Select,
    Table,
    Text,
    bindparam,
    cast,
    func,
    null,
    select,
    update,
)  # fmt: skip

from guru.errors import Conflict, InvalidParameter, StoreError
from guru.store.bulk import insert_tuples
from guru.store.database import Database
from guru.store.tables import metadata

BATCH: Final = 100
"""Rows under way at a time: those of texts may take megabytes each."""
Row = tuple[Any, ...]


class Step(Struct, frozen=True):
    """How far a transfer is."""

    doing: str
    """`copying` or `comparing`."""
    table: str
    done: int
    total: int
    """Rows of the table."""


class Moved(Struct, frozen=True):
    """What a table had, and has."""

    table: str
    rows: int
    checksum: str
    """The same for the same rows, in whatever order."""


Tell = Callable[[Step], None]


def transfer(source: Database, target: Database, tell: Tell = lambda step: None) -> list[Moved]:
    """Copy all rows into an empty database; both are open. Blocks, and keeps others from writing to either.

    Raises `InvalidParameter` when both are the same, `Conflict` for a target with rows, `StoreError` when the copy
    is not what was copied.
    """
    if source.url == target.url:
        raise InvalidParameter("A store cannot be moved to itself.", hint="Name another one with --from or --to.")
    tables = metadata.sorted_tables
    with source.transaction("alone") as reading, target.transaction("alone") as writing:
        source.dialect.hold(reading, tables)
        target.dialect.hold(writing, tables)
        refuse_full(target, writing, tables)
        moved = [move(table, reading, writing, tell) for table in tables]
        for table in tables:
            if table.dialect_options["sqlite"]["autoincrement"]:
                target.dialect.go_on_from(writing, table, source.dialect.last_number(reading, table))
    return moved


def refuse_full(target: Database, connection: Connection, tables: Sequence[Table]) -> None:
    """Raises `Conflict` when there is a row."""
    counts = {table.name: count(connection, table) for table in tables}
    if full := [f"{name} ({rows:,})" for name, rows in counts.items() if rows]:
        raise Conflict(
            f"{target.place} has rows already: {', '.join(full)}.",
            hint="Rows are moved into an empty database only: make a new one.",
        )


def move(table: Table, reading: Connection, writing: Connection, tell: Tell) -> Moved:
    """Copy a table, and compare. Raises `StoreError`."""
    total, went = count(reading, table), Checksum(table)
    later = [place for place, column in enumerate(table.columns) if points_to(column, table)]
    for batch in batches(reading, rows_of(table)):
        # A row that names one of its own table may come before it: that is said when all are there.
        insert_tuples(writing, table, [without(row, later) for row in batch])
        went.add(batch)
        tell(Step("copying", str(table.name), went.rows, total))
    for place in later:
        link(table, table.columns[place], reading, writing)
    came = Checksum(table)
    for batch in batches(writing, rows_of(table)):
        came.add(batch)
        tell(Step("comparing", str(table.name), came.rows, total))
    if (came.rows, came.value) != (went.rows, went.value):
        raise StoreError(
            f"The copy of {table.name} is not what was copied: {went.rows:,} rows went, {came.rows:,} came, "
            f"with the checksums {went} and {came}. Nothing was kept of it.",
            hint="Please report it.",
        )
    return Moved(str(table.name), came.rows, str(came))


def count(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def rows_of(table: Table) -> Select[Any]:
    """All rows as they are kept: JSON is a text, and its null is another thing than none."""
    columns = (cast(column, Text) if isinstance(column.type, JSON) else column for column in table.columns)
    return select(*columns)


def batches(connection: Connection, query: Select[Any]) -> Iterator[list[Row]]:
    found = connection.execute(query, execution_options={"yield_per": BATCH})
    return ([tuple(row) for row in part] for part in found.partitions())


def points_to(column: Column[Any], table: Table) -> bool:
    return any(key.column.table is table for key in column.foreign_keys)


def without(row: Row, places: Sequence[int]) -> Row:
    """A row with nothing in some places."""
    return tuple(None if place in places else value for place, value in enumerate(row)) if places else row


def link(table: Table, column: Column[Any], reading: Connection, writing: Connection) -> None:
    """Fill a column that names rows of its own table."""
    (key,) = table.primary_key.columns
    change = update(table).where(key == bindparam("row")).values({column: bindparam("named")})
    for batch in batches(reading, select(key, column).where(column.is_not(null()))):
        writing.execute(change, [{"row": row, "named": named} for row, named in batch])


class Checksum:
    """Of the rows of a table, in whatever order they come: the sum of their hashes."""

    def __init__(self, table: Table) -> None:
        self.rows = 0
        self.value = 0
        self._floats = [isinstance(column.type, Float) for column in table.columns]

    def add(self, rows: Sequence[Row]) -> None:
        self.rows += len(rows)
        for row in rows:
            encoded = msgspec.msgpack.encode([plain(*item) for item in zip(row, self._floats, strict=True)])
            digest = blake2b(encoded, digest_size=16).digest()
            self.value = (self.value + int.from_bytes(digest)) % (1 << 128)

    def __str__(self) -> str:
        return f"{self.value:032x}"


def plain(value: Any, is_float: bool) -> Any:
    """A value as it is on both sides: PostgreSQL has no NUL in texts, and keeps U+FFFD in its place."""
    if is_float and value is not None:
        return float(value)
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value
