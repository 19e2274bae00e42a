"""PostgreSQL: a read-only transaction of its own for each query, as the role of the configuration, with a time limit.

https://www.postgresql.org/docs/current/sql-set-transaction.html
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from guru.agents.tools.builtin.sql.base import Collector, Column, Rows
from guru.config import SqlToolSettings
from guru.errors import ConfigurationError, InvalidParameter, StoreError

if TYPE_CHECKING:
    from psycopg import AsyncConnection

CONNECT_SECONDS: Final = 10
AT_A_TIME: Final = 100
"""Rows that are fetched together."""
COLUMNS: Final = """\
SELECT CASE WHEN table_schema = 'public' THEN table_name ELSE table_schema || '.' || table_name END AS name,
       column_name AS column, data_type AS type
FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog', 'information_schema')
ORDER BY table_schema, table_name, ordinal_position"""


class PostgreSQL:
    """A database on a server."""

    dialect = "postgres"

    def __init__(self, settings: SqlToolSettings) -> None:
        try:
            import psycopg
        except ImportError as error:
            raise ConfigurationError(
                "PostgreSQL cannot be asked: psycopg is not installed.", hint="pip install 'guru[postgresql]'"
            ) from error
        self._psycopg = psycopg
        self._settings = settings

    async def query(self, sql: str) -> Rows:
        """Every row comes as JSON that is cut at the limit: one value that is too large is not even sent."""
        most = self._settings.max_kb << 10
        collector: Collector | None = None
        async with self._connection() as connection, connection.cursor(name="guru") as cursor:
            cursor.itersize = AT_A_TIME
            # `sql` is one SELECT, written from what was understood of it
            await cursor.execute(f"SELECT left(row_to_json(q)::text, {most + 1}) FROM ({sql}) AS q")  # noqa: S608
            async for (text,) in cursor:
                row = self._decode(text, most)
                collector = collector or Collector(list(row), self._settings)
                if not collector.add(list(row.values())):
                    break
        return collector.found if collector else Rows([], [])

    async def columns(self) -> list[Column]:
        allowed = {table.lower() for table in self._settings.tables}
        async with self._connection() as connection:
            found = await (await connection.execute(COLUMNS)).fetchall()
        return [Column(*row) for row in found if not allowed or str(row[0]).lower() in allowed]

    def _decode(self, text: str, most: int) -> dict[str, Any]:
        if len(text) > most:
            raise InvalidParameter(
                f"A row is larger than {most >> 10} KB.", hint="Select fewer columns, or left(column, 1000)."
            )
        row: dict[str, Any] = json.loads(text, parse_float=Decimal)
        return {name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in row.items()}

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection[Any]]:
        psycopg, seconds = self._psycopg, self._settings.timeout_seconds
        milliseconds = max(1, int(seconds * 1000))
        try:
            connection = await psycopg.AsyncConnection.connect(
                self._settings.url, connect_timeout=CONNECT_SECONDS, application_name="guru",
                options=f"-c default_transaction_read_only=on -c statement_timeout={milliseconds}"
                f" -c idle_in_transaction_session_timeout={milliseconds * 2} -c lock_timeout={milliseconds}",
            )  # fmt: skip
        except psycopg.Error as error:  # its message may have the address in it
            raise StoreError("The database cannot be reached.", hint="Tell whoever runs this server.") from error
        try:
            await connection.set_read_only(True)
            if self._settings.role is not None:
                role = psycopg.sql.Identifier(self._settings.role)
                await connection.execute(psycopg.sql.SQL("SET LOCAL ROLE {}").format(role))
            yield connection
        except psycopg.errors.QueryCanceled as error:
            raise InvalidParameter(
                f"The query took longer than {seconds:g} seconds.", hint="Ask for less, or use an index."
            ) from error
        except psycopg.Error as error:
            told = error.diag.message_primary or str(error).split("\n", 1)[0]
            raise InvalidParameter(f"The database does not take the query: {told}.", hint="Mend it.") from error
        finally:
            await connection.close()  # nothing was to be kept: the transaction ends with it
