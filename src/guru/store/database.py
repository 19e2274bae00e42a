"""Rows: `read` and `write` run a function on a connection, in a thread, in one transaction."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, make_url
from sqlalchemy.exc import DatabaseError

from guru.errors import StoreError
from guru.store import sqlite
from guru.store.migrations import migrate

Result = TypeVar("Result")


class Database:
    """The database of one server. Open it before use; every `write` is one transaction, committed or undone.

    A cancelled `write` still ends as a whole: the thread that runs it finishes, committed.
    """

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        if self.url.get_backend_name() != "sqlite":
            raise StoreError(
                f"The store {self.url.get_backend_name()!r} is not supported by this version.",
                hint="Leave [store] url empty to use SQLite in the home.",
            )
        self.engine: Engine = sqlite.create_sqlite_engine(self.url)
        self._readers = ThreadPoolExecutor(4, thread_name_prefix="database-read")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="database-write")

    @classmethod
    def in_home(cls, home: Path) -> Database:
        """The database of a home, made when it is not there; only its owner can read it."""
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = home / "guru.db"
        # SQLite gives the files beside it the same permissions.
        with contextlib.suppress(OSError):  # `open` says what is wrong
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        return cls(f"sqlite:///{path}")

    async def open(self) -> None:
        """Connect and bring the schema up to date. Raises `StoreError`."""
        try:
            await self.write(migrate)
        except DatabaseError as error:
            raise StoreError(
                f"The database {self.url.database} cannot be used: {error.orig}.",
                hint="Is it a Guru database, on a disk with free space that you may write to?",
            ) from error

    async def read(self, query: Callable[[Connection], Result]) -> Result:
        """Run `query` in a consistent snapshot."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._run_read, query)

    async def write(self, change: Callable[[Connection], Result]) -> Result:
        """Run `change` in one transaction; an exception undoes it."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._run_write, change)

    def _run_read(self, query: Callable[[Connection], Result]) -> Result:
        with self._explained(), self.engine.connect() as connection:
            return query(connection)

    def _run_write(self, change: Callable[[Connection], Result]) -> Result:
        with (
            self._explained(),
            self.engine.connect().execution_options(guru_writes=True) as connection,
            connection.begin(),
        ):
            return change(connection)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Raises `StoreError` for what is wrong with the disk or the file, and is no mistake of the caller's."""
        try:
            yield
        except DatabaseError as error:
            if (hint := sqlite.advice(error.orig)) is None:
                raise
            raise StoreError(f"The database {self.url.database} cannot be used: {error.orig}.", hint=hint) from error

    async def close(self) -> None:
        """Wait for what is running, then disconnect."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writer.shutdown(wait=True)
        self._readers.shutdown(wait=True)
        self.engine.dispose()
