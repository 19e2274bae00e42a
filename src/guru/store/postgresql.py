"""What is special about PostgreSQL: connections are few, several servers write, and the network may fail."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import URL, Connection, Engine, Table, event, func, select, text

from guru.errors import StoreError

if TYPE_CHECKING:
    import psycopg

SEVERAL_WRITERS = True
"""One thread waits for its turn among all servers, another writes what needs none."""
OLDEST = 13
"""The first version that this is written for."""
TURN = int.from_bytes(b"guru-sql")
"""The advisory lock that says whose turn it is to write, in the database of the store."""
WAIT = "60s"
"""How long a writer waits for its turn or for a row, and how long one that has died without a word keeps either."""
LIMITS = f"SET LOCAL lock_timeout = '{WAIT}'; SET LOCAL idle_in_transaction_session_timeout = '{WAIT}'"
BEGIN = {
    None: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    # Each statement sees what was committed before it: after the lock, all that the writers before have done.
    "alone": f"BEGIN ISOLATION LEVEL READ COMMITTED; {LIMITS}; SELECT pg_advisory_xact_lock({TURN})",
    "beside": f"BEGIN ISOLATION LEVEL READ COMMITTED; {LIMITS}",
}
BINARY = "guru_binary"
"""The execution option of statements that give many bytes, which come as they are, not as two digits for each."""
NETWORK = {
    "client_encoding": "utf8", "connect_timeout": 10, "application_name": "guru", "keepalives_idle": 30,
    "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 40_000,
}  # fmt: skip
"""Without them a server that is unplugged is waited for until the kernel gives up, a quarter of an hour later."""


def create_engine(url: URL, connections: int) -> Engine:
    """An engine of no more than `connections` connections. Nothing is connected yet.

    Raises `StoreError` where the driver is not installed.
    """
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise StoreError(
            "[store] url names PostgreSQL, but the package `psycopg` is not installed.",
            hint='Run: pip install "guru[postgresql]"',
        ) from error
    # Statements are not prepared on the server: a pooler that hands out connections by transaction may stand between.
    arguments: dict[str, Any] = {"autocommit": True, "prepare_threshold": None}
    engine = sqlalchemy.create_engine(
        url.set(drivername="postgresql+psycopg"), pool_size=connections, max_overflow=0, pool_pre_ping=True,
        connect_args=arguments | {name: value for name, value in NETWORK.items() if name not in url.query},
    )  # fmt: skip
    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", begin)
    event.listen(engine, "before_cursor_execute", choose_format)
    return engine


class Sent(bytes):
    """A value as PostgreSQL's binary format writes it, for a statement that casts it to its type."""


def configure(connection: psycopg.Connection[Any], _: Any) -> None:
    """Teach a connection to take and give what SQLite takes and gives."""
    from psycopg.adapt import Dumper, Loader
    from psycopg.pq import Format
    from psycopg.types.string import StrDumper

    class TextDumper(StrDumper):
        """PostgreSQL's texts have no NUL. Another character in its place leaves all offsets as they are."""

        def dump(self, obj: str) -> Any:
            return super().dump(obj.replace("\0", "\ufffd") if "\0" in obj else obj)

    class NumberLoader(Loader):
        """Sums of whole numbers, which PostgreSQL makes `numeric`, are whole numbers."""

        def load(self, data: Any) -> int | float:
            value = bytes(data)
            return float(value) if b"." in value or b"N" in value else int(value)

    class SentDumper(Dumper):
        """Of no type that it names: the server takes it for that of the cast."""

        format = Format.BINARY

        def dump(self, obj: bytes) -> bytes:
            return obj

    connection.adapters.register_dumper(str, TextDumper)
    connection.adapters.register_dumper(Sent, SentDumper)
    connection.adapters.register_loader("numeric", NumberLoader)


def choose_format(_: Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
    """See `BINARY`."""
    if context is not None and context.execution_options.get(BINARY):
        cursor.format = 1  # psycopg.pq.Format.BINARY


def begin(connection: Connection) -> None:
    """All that a transaction begins with, in one message to the server."""
    statements = BEGIN[connection.get_execution_options().get("guru_writes")]
    connection.exec_driver_sql(statements, execution_options={"no_parameters": True})


def check(connection: Connection) -> None:
    """Raises `StoreError` for a server that is too old, and a database that cannot hold every character."""
    version, *_ = connection.dialect.server_version_info or (0,)
    if int(version) < OLDEST:
        raise StoreError(
            f"PostgreSQL {version} is too old.", hint=f"Guru needs version {OLDEST} or a later one."
        )  # fmt: skip
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if encoding != "UTF8":
        raise StoreError(
            f"The database is encoded as {encoding}, which cannot hold every text.",
            hint="Make one that can: CREATE DATABASE guru ENCODING 'UTF8' TEMPLATE template0",
        )


def place(url: URL) -> str:
    """Where the rows are, for people: without the password."""
    socket = {name: value for name, value in url.query.items() if name in ("host", "port")}
    shown = URL.create("postgresql", url.username, None, url.host, url.port, url.database, socket)
    return shown.render_as_string()


def describe(connection: Connection) -> tuple[str, int]:
    """What keeps the rows, and how many bytes they take."""
    version = connection.exec_driver_sql("SHOW server_version").scalar_one()
    size = connection.scalar(select(func.pg_database_size(func.current_database())))
    return f"PostgreSQL {version.split()[0]}", int(size or 0)


def hold(connection: Connection, tables: list[Table]) -> None:
    """Nobody else writes until the transaction ends, however long it rests; reading goes on."""
    connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
    quoted = ", ".join(connection.dialect.identifier_preparer.format_table(table) for table in tables)
    connection.exec_driver_sql(f"LOCK TABLE {quoted} IN SHARE ROW EXCLUSIVE MODE")


@contextlib.contextmanager
def overwriting(connection: Connection) -> Iterator[None]:
    """PostgreSQL overwrites what was deleted when it vacuums the table, which it does by itself."""
    yield


def last_number(connection: Connection, table: Table) -> int:
    """The greatest number that a table has given to a row, also where that row is gone."""
    query = text("SELECT pg_sequence_last_value(pg_get_serial_sequence(:table, :column)::regclass)")
    return connection.scalar(query, numbered(table)) or 0


def go_on_from(connection: Connection, table: Table, number: int) -> None:
    """Give the next row of a table a greater number than `number`."""
    query = text("SELECT setval(pg_get_serial_sequence(:table, :column), :number, :used)")
    connection.execute(query, {**numbered(table), "number": max(number, 1), "used": number > 0})


def numbered(table: Table) -> dict[str, str]:
    (column,) = table.primary_key.columns
    return {"table": table.name, "column": column.name}


ADVICE = {
    "08": "See that PostgreSQL runs and can be reached.",
    "22003": "A number is too large for its column: please report it.",
    "25006": "It only reads, as a standby does: name the primary in [store] url.",
    "28": "See that the user and the password in [store] url are right, and that pg_hba.conf lets this machine in.",
    "3D000": "Make it first: CREATE DATABASE guru",
    "40P01": "Nothing was lost: try again.",
    "42501": "Let its user own the database: ALTER DATABASE guru OWNER TO guru",
    "53100": "Free some of PostgreSQL's disk.",
    "53200": "Give PostgreSQL more memory.",
    "53300": "Raise max_connections of PostgreSQL, lower [store] connections of each Guru server, or use a pooler.",
    "55P03": "Another server or program keeps it locked: see pg_stat_activity for who, and since when.",
    "57P": "PostgreSQL stops or starts: try again in a moment.",
    "58": "See that PostgreSQL's disk is sound.",
    "XX": "PostgreSQL's files are damaged: see its log, and restore a backup.",
}
"""By SQLSTATE, or how it begins: https://www.postgresql.org/docs/current/errcodes-appendix.html."""
UNCONNECTED = {
    "too many clients": ADVICE["53300"],
    "connection slots are reserved": ADVICE["53300"],
    "too many connections": ADVICE["53300"],
    "does not exist": "Make it first: CREATE ROLE guru LOGIN PASSWORD '…'; CREATE DATABASE guru OWNER guru",
    "password": ADVICE["28"],
    "pg_hba.conf": ADVICE["28"],
    "certificate": "See that sslmode and sslrootcert in [store] url fit the server's certificate.",
    "starting up": ADVICE["57P"],
    "shutting down": ADVICE["57P"],
}
"""A server that does not let somebody in says why in words only."""
UNKNOWN = "See that PostgreSQL runs, and that [store] url is right: postgresql://USER:PASSWORD@HOST:5432/DATABASE"
"""What to do where nothing better is known."""


def advice(error: object) -> str | None:
    """What to do about an error of the server or the way to it; None for a mistake of ours."""
    import psycopg

    if not isinstance(error, psycopg.Error):
        return None
    if error.sqlstate is not None:
        found = (ADVICE.get(error.sqlstate[:length]) for length in (5, 3, 2))
        return next((hint for hint in found if hint is not None), None)
    if not isinstance(error, psycopg.OperationalError):
        return None
    said = str(error)
    return next((hint for words, hint in UNCONNECTED.items() if words in said), UNKNOWN)
