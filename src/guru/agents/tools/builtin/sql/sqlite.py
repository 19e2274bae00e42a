"""SQLite: opened read-only, told to run queries only, and every access of a query authorised one by one.

https://www.sqlite.org/c3ref/set_authorizer.html, https://www.sqlite.org/security.html
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote

from guru.agents.tools.builtin.sql.base import Collector, Column, Rows
from guru.agents.tools.builtin.sql.check import HARMFUL
from guru.config import SqlToolSettings
from guru.errors import InvalidParameter, StoreError

STEPS: Final = 10_000
"""Instructions of SQLite's machine between two looks at the clock."""
MAX_VALUE: Final = 10 << 20
"""Bytes of one value or row."""
LIMITS: Final = (
    (sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE), (sqlite3.SQLITE_LIMIT_SQL_LENGTH, 100_000),
    (sqlite3.SQLITE_LIMIT_ATTACHED, 0), (sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 200),
    (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200), (sqlite3.SQLITE_LIMIT_COMPOUND_SELECT, 50),
    (sqlite3.SQLITE_LIMIT_VDBE_OP, 100_000), (sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0),
)  # fmt: skip
VIEWS: Final = "SELECT name FROM sqlite_master WHERE type = 'view'"
OWN: Final = ("sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema")


class SQLite:
    """A file."""

    dialect = "sqlite"

    def __init__(self, path: Path, settings: SqlToolSettings) -> None:
        self._path = path
        self._settings = settings
        self._tables = {table.lower() for table in settings.tables}

    async def query(self, sql: str) -> Rows:
        return await self._in_thread(sql)

    async def columns(self) -> list[Column]:
        rows = await self._in_thread(
            "SELECT m.name, p.name, p.type FROM sqlite_master AS m, pragma_table_info(m.name) AS p"
            " WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite_%' ORDER BY m.rowid, p.cid",
            own=True,
        )
        return [Column(*row) for row in rows.rows if not self._tables or str(row[0]).lower() in self._tables]

    async def _in_thread(self, sql: str, *, own: bool = False) -> Rows:
        """Run it where it holds up nobody. A cancellation interrupts it."""
        opened: list[sqlite3.Connection] = []
        work = asyncio.get_running_loop().run_in_executor(None, self._run, sql, own, opened)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            for connection in opened:
                connection.interrupt()
            await asyncio.gather(work, return_exceptions=True)
            raise

    def _run(self, sql: str, own: bool, opened: list[sqlite3.Connection]) -> Rows:
        seconds = self._settings.timeout_seconds
        end = time.monotonic() + seconds
        try:
            with closing(self._open()) as connection:
                opened.append(connection)
                connection.set_progress_handler(lambda: time.monotonic() > end, STEPS)
                if not own:
                    views = {row[0].lower() for row in connection.execute(VIEWS)} & self._tables
                    connection.set_authorizer(partial(self._authorize, views))
                try:
                    return self._fetch(connection, sql)
                finally:
                    opened.clear()
        except sqlite3.DatabaseError as error:
            if time.monotonic() > end:
                raise InvalidParameter(
                    f"The query took longer than {seconds:g} seconds.", hint="Ask for less, or use an index."
                ) from None
            if isinstance(error, sqlite3.OperationalError) and "unable to open" in str(error):
                raise StoreError("The database cannot be opened.", hint="Tell whoever runs this server.") from error
            raise InvalidParameter(f"The database does not take the query: {error}.", hint="Mend it.") from None

    def _open(self) -> sqlite3.Connection:
        uri = f"file:{quote(str(self._path))}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=5.0, check_same_thread=False, isolation_level=None)
        for limit, most in LIMITS:
            connection.setlimit(limit, most)
        for pragma in ("query_only = ON", "trusted_schema = OFF", "cell_size_check = ON", "temp_store = MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def _fetch(self, connection: sqlite3.Connection, sql: str) -> Rows:
        cursor = connection.execute(sql)
        collector = Collector([item[0] for item in cursor.description or ()], self._settings)
        for row in cursor:
            if not collector.add(list(row)):
                break
        return collector.found

    def _authorize(
        self, views: set[str], action: int, first: str | None, second: str | None, _base: str | None, via: str | None
    ) -> int:
        """What SQLite asks before it does anything: `first` is a table, `second` a function, `via` a view or a WITH."""
        if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE):
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION:
            return sqlite3.SQLITE_DENY if (second or "").lower().startswith(HARMFUL) else sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ:
            return sqlite3.SQLITE_OK if self._may_read(first, via, views) else sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_DENY

    def _may_read(self, table: str | None, via: str | None, views: set[str]) -> bool:
        name = (table or "").lower()
        if not self._tables:
            return not name.startswith(("sqlite_", "pragma_")) or name in OWN
        return name in self._tables or (via or "").lower() in views or not name
