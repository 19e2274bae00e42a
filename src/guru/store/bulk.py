"""Many rows at once, past what SQLAlchemy does for every single value: for tables that the road reads and writes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import JSON, Column, Connection, Dialect, Row, Select, Table, insert

from guru.store.postgresql import BINARY


def insert_tuples(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert `rows`, each with a value for every column of `table`, in order, as the driver takes it: JSON as text."""
    statement, names = compiled(table, connection.dialect)
    if names is None:
        connection.exec_driver_sql(statement, list(rows))
    else:
        connection.exec_driver_sql(statement, [dict(zip(names, row, strict=True)) for row in rows])


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert `rows`, which all have the same columns of `table`; the others get what the database gives them."""
    if not rows:
        return
    columns = tuple(column.name for column in table.columns if column.name in rows[0])
    statement, names = compiled(table, connection.dialect, columns)
    written = {name for name in columns if isinstance(table.c[name].type, JSON)}
    tuples = [tuple(_ENCODE(row[name]) if name in written else row[name] for name in columns) for row in rows]
    if names is None:
        connection.exec_driver_sql(statement, tuples)
    else:
        connection.exec_driver_sql(statement, [dict(zip(names, row, strict=True)) for row in tuples])


def select_by_ids(
    connection: Connection, query: Select[Any], column: Column[int], ids: Sequence[int]
) -> Sequence[Row[Any]]:
    """The rows of `query` whose `column` is among `ids`, in its order, as the driver gives them.

    `query` has no conditions and no parameters, and is made once. The ids are written into the statement: as
    parameters, hundreds of them take longer than their rows.
    """
    if not ids:
        return []
    listed = ",".join(map(str, map(int, ids)))
    return connection.exec_driver_sql(
        f"{_written(query, connection.dialect)} WHERE {column} IN ({listed}) ORDER BY {column}",
        execution_options={BINARY: True},
    ).all()


@lru_cache(maxsize=64)
def _written(query: Select[Any], dialect: Dialect) -> str:
    return str(query.compile(dialect=dialect))


@lru_cache(maxsize=64)
def compiled(table: Table, dialect: Dialect, columns: tuple[str, ...] | None = None) -> tuple[str, list[str] | None]:
    """The statement for `columns`, in the order of the table, or for all; and the names of its parameters, for drivers
    that do not take them by place."""
    names = list(columns or table.columns.keys())
    statement = insert(table).inline().compile(dialect=dialect, column_keys=names)
    return str(statement), None if statement.positiontup == names else names


_ENCODE = json.JSONEncoder().encode
