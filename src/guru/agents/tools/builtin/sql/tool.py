"""The tools of one database: what is in it, and queries."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta

from guru.agents.tools.base import ToolResult
from guru.agents.tools.builtin.sql.base import Rows, Source
from guru.agents.tools.builtin.sql.check import check, load
from guru.agents.tools.builtin.sql.postgresql import PostgreSQL
from guru.agents.tools.builtin.sql.sqlite import SQLite
from guru.agents.tools.function import FunctionTool
from guru.config import SqlToolSettings
from guru.errors import ConfigurationError

SCHEMES: Final = ("postgresql://", "postgres://")
MORE_SECONDS: Final = 15.0
"""For what a call does besides the query: to connect, and to say what was found."""


def sql_tools(name: str, settings: SqlToolSettings) -> list[FunctionTool]:
    """`tables_NAME` and `query_NAME`. Raises `ConfigurationError`."""
    load()
    source = open_source(name, settings)
    what = f" {settings.description}" if settings.description else ""

    async def tables() -> ToolResult:
        found: dict[str, list[str]] = {}
        for column in await source.columns():
            found.setdefault(column.table, []).append(f"{column.name} {column.type}".strip())
        lines = [f"{table}({', '.join(columns)})" for table, columns in found.items()]
        return ToolResult(text="\n".join(lines) or "There are no tables.", data=found)

    async def query(
        sql: Annotated[str, Meta(description="One SELECT.")],
    ) -> ToolResult:
        rows = await source.query(check(sql, source.dialect, settings.tables))
        return ToolResult(
            text=as_csv(rows), data={"columns": rows.columns, "rows": rows.rows, "complete": rows.more is None}
        )

    seconds = settings.timeout_seconds + MORE_SECONDS
    return [
        FunctionTool(
            tables, name=f"tables_{name}", effect="read", timeout=seconds,
            description=f"List the tables of the database {name} with their columns.{what}",
        ),
        FunctionTool(
            query, name=f"query_{name}", effect="read", timeout=seconds,
            description=f"Ask the database {name} in the SQL of {source.dialect}. List its tables first.{what}",
        ),
    ]  # fmt: skip


def open_source(name: str, settings: SqlToolSettings) -> Source:
    """The database behind an address. Raises `ConfigurationError`."""
    if settings.url.startswith("sqlite:///"):
        if settings.role is not None:
            raise ConfigurationError(f"[tools.sql.{name}] role: SQLite has no roles.", hint="Take it out.")
        return SQLite(Path(settings.url.removeprefix("sqlite:///")).expanduser().absolute(), settings)
    if settings.url.startswith(SCHEMES):
        return PostgreSQL(settings)
    raise ConfigurationError(
        f"[tools.sql.{name}] url is the address of no database that can be asked.",
        hint="Write sqlite:///path/of/file.db or postgresql://user:password@host/database.",
    )


def as_csv(rows: Rows) -> str:
    """The rows with their columns' names, as a model reads them; and what is missing."""
    if not rows.rows:
        return "No rows."
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(rows.columns)
    writer.writerows(rows.rows)
    text = out.getvalue().rstrip("\n")
    return f"{text}\n({rows.more})" if rows.more else text
