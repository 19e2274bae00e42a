"""What the tool needs of a database."""

from __future__ import annotations

from typing import Any, Protocol

from msgspec import Struct

from guru.config import SqlToolSettings


class Rows(Struct):
    """What a query found, as far as it is shown."""

    columns: list[str]
    rows: list[list[Any]]
    more: str | None = None
    """Why there are no more of them, where there would be."""


class Column(Struct):
    table: str
    name: str
    type: str


class Source(Protocol):
    """A database of the configuration, open for reading and nothing else."""

    dialect: Any

    async def query(self, sql: str) -> Rows:
        """Raises `InvalidParameter` for what the database does not take, and `StoreError` where it cannot be asked."""
        ...

    async def columns(self) -> list[Column]:
        """The columns of the tables and views that may be read, in their order."""
        ...


MAX_CELL = 2000
"""Characters of a value that are shown."""


def cell(value: Any) -> Any:
    """A value as JSON can say it, cut where it is long."""
    if isinstance(value, bytes | memoryview):
        value = f"{len(value):,} bytes"
    if isinstance(value, str) and len(value) > MAX_CELL:
        return f"{value[:MAX_CELL]}... ({len(value):,} characters)"
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


class Collector:
    """Takes rows until there are enough, in number or in size."""

    def __init__(self, columns: list[str], settings: SqlToolSettings) -> None:
        self.found = Rows(columns, [])
        self._settings = settings
        self._size = 0

    def add(self, values: list[Any]) -> bool:
        """Whether another row may come."""
        if len(self.found.rows) >= self._settings.max_rows:
            self.found.more = f"Only the first {self._settings.max_rows:,} rows are shown."
            return False
        row = [cell(value) for value in values]
        self._size += sum(len(str(value)) + 2 for value in row)
        if self._size > self._settings.max_kb << 10:
            self.found.more = f"Only the first {len(self.found.rows):,} rows are shown: {self._settings.max_kb} KB."
            return False
        self.found.rows.append(row)
        return True
