"""Many rows at once, past what SQLAlchemy does for every single value: for tables that the road writes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Table, insert


def insert_tuples(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert `rows`, each with a value for every column of `table`, in order, as the driver takes it: JSON as text."""
    statement, names = compiled(table, connection.dialect)
    if names is None:
        connection.exec_driver_sql(statement, list(rows))
    else:
        connection.exec_driver_sql(statement, [dict(zip(names, row, strict=True)) for row in rows])


@lru_cache(maxsize=64)
def compiled(table: Table, dialect: Dialect) -> tuple[str, list[str] | None]:
    """The statement; and the names of its parameters, for drivers that do not take them by place."""
    statement = insert(table).compile(dialect=dialect)
    names = [column.name for column in table.columns]
    return str(statement), None if statement.positiontup == names else names
