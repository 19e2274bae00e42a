"""Rows: `read` and `write` run a function on a connection, in a thread, in one transaction."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Literal, Protocol, TypeVar

from sqlalchemy import URL, Connection, Engine, Table, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError

from guru.config import StoreSettings
from guru.errors import StoreError
from guru.store import postgresql, sqlite
from guru.store.migrations import migrate

Result = TypeVar("Result")
Writing = Literal["alone", "beside"]
"""How a transaction writes: when it is its turn, one at a time among all servers; or beside the others."""
FORMS: Final = "sqlite:////FOLDER/guru.db or postgresql://USER:PASSWORD@HOST:5432/DATABASE"


class Dialect(Protocol):
    """What differs between databases: one module for each."""

    SEVERAL_WRITERS: bool
    UNKNOWN: str

    def create_engine(self, url: URL, connections: int) -> Engine: ...
    def check(self, connection: Connection) -> None: ...
    def place(self, url: URL) -> str: ...
    def describe(self, connection: Connection) -> tuple[str, int]: ...
    def hold(self, connection: Connection, tables: list[Table]) -> None: ...
    def overwriting(self, connection: Connection) -> AbstractContextManager[None]: ...
    def last_number(self, connection: Connection, table: Table) -> int: ...
    def go_on_from(self, connection: Connection, table: Table, number: int) -> None: ...
    def advice(self, error: object) -> str | None: ...


DIALECTS: Final[dict[str, Dialect]] = {"sqlite": sqlite, "postgresql": postgresql, "postgres": postgresql}


class Database:
    """The database of a server, which others may share. Open it before use.

    Every `write` is one transaction, committed or undone. A cancelled one still ends as a whole: the thread that runs
    it finishes, committed.
    """

    def __init__(self, url: str, *, connections: int = 6) -> None:
        """At most `connections` (3 or more) are open at a time. Raises `StoreError` for a URL of something else."""
        try:
            self.url = make_url(url)
            self.dialect = DIALECTS[self.url.get_backend_name()]
        except (ArgumentError, ValueError, KeyError):
            # The text may hold a password, and is not shown.
            raise StoreError("[store] url names no store that Guru knows.", hint=f"Write {FORMS}.") from None
        self.place = self.dialect.place(self.url)
        """The file, or the server and the database on it. Without a password."""
        self.connections = connections
        self.engine: Engine = self.dialect.create_engine(self.url, connections)
        self._readers = ThreadPoolExecutor(connections - 2, thread_name_prefix="database-read")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="database-write")
        self._beside = self._writer
        if self.dialect.SEVERAL_WRITERS:
            self._beside = ThreadPoolExecutor(1, thread_name_prefix="database-beside")

    @classmethod
    def configured(cls, home: Path, settings: StoreSettings) -> Database:
        """The database that the settings name: SQLite in the home where they name none."""
        return cls(settings.url, connections=settings.connections) if settings.url else cls.in_home(home)

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
        """Connect and bring the schema up to date, one server at a time. Raises `StoreError`."""

        def prepare(connection: Connection) -> None:
            self.dialect.check(connection)
            migrate(connection)

        try:
            await self.write(prepare)
        except DatabaseError as error:
            raise self._unusable(error, self.dialect.UNKNOWN) from error

    async def ping(self) -> None:
        """Ask for nothing, to see whether it answers. Raises `StoreError`."""
        await self.read(lambda connection: connection.execute(text("SELECT 1")).scalar())

    async def read(self, query: Callable[[Connection], Result]) -> Result:
        """Run `query` in a consistent snapshot."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._run, query, None)

    async def write(self, change: Callable[[Connection], Result], *, beside: bool = False) -> Result:
        """Run `change` in one transaction; an exception undoes it. The calls of a process run in their order.

        Nobody else writes meanwhile, in no process on no machine, so that what `change` reads stays true until it is
        committed. One that needs no such thing, because it touches only rows of its own and says so with `beside`,
        does not wait for the others where the database can do without: on PostgreSQL.
        """
        executor = self._beside if beside else self._writer
        writing: Writing = "beside" if beside else "alone"
        return await asyncio.get_running_loop().run_in_executor(executor, self._run, change, writing)

    def _run(self, work: Callable[[Connection], Result], writing: Writing | None) -> Result:
        with self.transaction(writing) as connection:
            return work(connection)

    @contextlib.contextmanager
    def transaction(self, writing: Writing | None) -> Iterator[Connection]:
        """A transaction of this thread; it only reads where `writing` is None. An exception undoes it.

        Raises `StoreError` for what is wrong with the disk, the file or the server, and is no mistake of the caller's.
        """
        try:
            with (
                self.engine.connect().execution_options(guru_writes=writing) as connection,
                connection.begin(),
            ):
                yield connection
        except DatabaseError as error:
            if (hint := self.dialect.advice(error.orig)) is None:
                raise
            raise self._unusable(error, hint) from error

    def _unusable(self, error: DatabaseError, hint: str) -> StoreError:
        said = " ".join(str(error.orig).split()).rstrip(".")
        return StoreError(f"The database {self.place} cannot be used: {said}.", hint=hint)

    async def close(self) -> None:
        """Wait for what is running, then disconnect."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        for executor in (self._writer, self._beside, self._readers):
            executor.shutdown(wait=True)
        self.engine.dispose()
