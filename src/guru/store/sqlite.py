"""What is special about SQLite: write-ahead log, one writer, pragmas."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event


def create_sqlite_engine(url: URL) -> Engine:
    """An engine whose transactions begin as SQLite wants them: `IMMEDIATE` to write, deferred to read.

    A deferred transaction that turns into a writer fails at once with "database is locked" when somebody else
    writes; an immediate one waits for its turn (busy timeout).
    """
    engine = create_engine(url, connect_args={"timeout": 30.0, "check_same_thread": False}, pool_size=8)
    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", begin)
    return engine


def configure(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    # FULL: what a client was told survives a power cut, not only a kill.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA cache_size = -16384")
    cursor.execute("PRAGMA mmap_size = 268435456")
    cursor.close()


def begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("guru_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


ADVICE = {
    sqlite3.SQLITE_FULL: "Free some of the disk that it is on.",
    sqlite3.SQLITE_IOERR: "See that its disk is sound and has free space; `guru doctor` looks at the file.",
    sqlite3.SQLITE_READONLY: "See that you may write it and its folder.",
    sqlite3.SQLITE_CANTOPEN: "See that it is a file that you may write, in a folder that you may write to.",
    sqlite3.SQLITE_CORRUPT: "`guru doctor` looks at it. Move it away, or restore a copy of it.",
    sqlite3.SQLITE_NOTADB: "Move it away, or restore a copy of it.",
    sqlite3.SQLITE_BUSY: "Another program holds it: see that none keeps a transaction open.",
}


def advice(error: object) -> str | None:
    """What to do about an error of the disk or the file; None for others."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else ADVICE.get(code & 0xFF)  # the bits above tell more of the same
