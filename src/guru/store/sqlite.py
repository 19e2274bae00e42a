"""What is special about SQLite: write-ahead log, one writer, pragmas."""

from __future__ import annotations

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
