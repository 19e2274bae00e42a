"""What is special about SQLite: write-ahead log, one writer, pragmas."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import sqlalchemy
from sqlalchemy import URL, Connection, Engine, Table, event, text

SEVERAL_WRITERS = False
"""Whether a second thread that writes would do more than wait: there is one lock for the whole file."""
TIMEOUT = 30.0
"""Seconds to wait for somebody else who holds the file."""


def create_engine(url: URL, connections: int) -> Engine:
    """An engine whose transactions begin as SQLite wants them: `IMMEDIATE` to write, deferred to read.

    A deferred transaction that turns into a writer fails at once with "database is locked" when somebody else
    writes; an immediate one waits for its turn (busy timeout).
    """
    arguments = {"timeout": TIMEOUT, "check_same_thread": False}
    engine = sqlalchemy.create_engine(url, connect_args=arguments, pool_size=connections)
    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", begin)
    return engine


def configure(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    keep_write_ahead_log(cursor)
    # FULL: what a client was told survives a power cut, not only a kill.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA cache_size = -16384")
    # As far as SQLite maps: a row further on takes a call of the system for each of its pages.
    cursor.execute("PRAGMA mmap_size = 2147418112")
    cursor.close()


def keep_write_ahead_log(cursor: Any) -> None:
    """Two that open a new file at once both want it alone to change its journal, and SQLite lets neither of them
    wait: one is told at once that the file is busy (https://www.sqlite.org/pragma.html#pragma_journal_mode)."""
    until = time.monotonic() + TIMEOUT
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("guru_writes") is not None
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def check(connection: Connection) -> None:
    """Every SQLite that Python comes with will do."""


def place(url: URL) -> str:
    """Where the rows are, for people."""
    return str(url.database)


def describe(connection: Connection) -> tuple[str, int]:
    """What keeps the rows, and how many bytes they take."""
    pages, size = (connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("page_count", "page_size"))
    return f"SQLite {sqlite3.sqlite_version}", pages * size


def hold(connection: Connection, tables: list[Table]) -> None:
    """Nobody else writes until the transaction ends: an immediate one holds the file already."""


@contextlib.contextmanager
def overwriting(connection: Connection) -> Iterator[None]:
    """What is deleted inside is overwritten with zeros in the file, and not only marked as free."""
    connection.exec_driver_sql("PRAGMA secure_delete = ON")
    try:
        yield
    finally:
        connection.exec_driver_sql("PRAGMA secure_delete = OFF")


def last_number(connection: Connection, table: Table) -> int:
    """The greatest number that a table has given to a row, also where that row is gone."""
    query = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
    return connection.scalar(query, {"name": table.name}) or 0


def go_on_from(connection: Connection, table: Table, number: int) -> None:
    """Give the next row of a table, which has rows or had none ever, a greater number than `number`."""
    named = {"name": table.name, "number": number}
    connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), named)
    connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :number)"), named)


ADVICE = {
    sqlite3.SQLITE_FULL: "Free some of the disk that it is on.",
    sqlite3.SQLITE_IOERR: "See that its disk is sound and has free space; `guru doctor` looks at the file.",
    sqlite3.SQLITE_READONLY: "See that you may write it and its folder.",
    sqlite3.SQLITE_CANTOPEN: "See that it is a file that you may write, in a folder that you may write to.",
    sqlite3.SQLITE_CORRUPT: "`guru doctor` looks at it. Move it away, or restore a copy of it.",
    sqlite3.SQLITE_NOTADB: "Move it away, or restore a copy of it.",
    sqlite3.SQLITE_BUSY: "Another program holds it: see that none keeps a transaction open.",
}
UNKNOWN = "Is it a Guru database, on a disk with free space that you may write to?"
"""What to do where nothing better is known."""


def advice(error: object) -> str | None:
    """What to do about an error of the disk or the file; None for others."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else ADVICE.get(code & 0xFF)  # the bits above tell more of the same
