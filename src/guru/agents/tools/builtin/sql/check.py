"""What a query is, before a database sees it: one SELECT, of tables that may be read, with functions that only compute.

This is the second fence: the first is the database's own (see `sqlite.py` and `postgresql.py`). It gives the clearer
errors, and knows what a read-only transaction would let pass: functions that read files or run SQL from strings.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Final, Literal

from guru.errors import ConfigurationError, InvalidParameter

if TYPE_CHECKING:
    from sqlglot import exp

Dialect = Literal["sqlite", "postgres"]
MAX_LENGTH: Final = 20_000
HARMFUL: Final = (
    "pg_", "lo_", "dblink", "query_to_", "table_to_", "schema_to_", "database_to_", "cursor_to_", "set_config",
    "nextval", "setval", "ts_stat", "ts_rewrite", "crosstab", "connectby", "load_extension", "readfile", "writefile",
    "fts3_tokenizer", "txid_current", "binary_upgrade", "xpath_table", "file_fdw", "postgres_fdw",
)  # fmt: skip
"""What the names of functions begin with that look beyond the query, wait, or run SQL from strings."""
HARMLESS: Final = ("pg_size_pretty", "pg_typeof", "pg_table_size", "pg_total_relation_size", "pg_relation_size")


def check(sql: str, dialect: Dialect, tables: Sequence[str]) -> str:
    """The query, written anew from what was understood of it, so that the database runs nothing else.

    Raises `InvalidParameter`, in words by which the query can be mended.
    """
    sqlglot = load()
    if len(sql) > MAX_LENGTH:
        raise refused(f"The query is longer than {MAX_LENGTH:,} characters.", "Ask for less.")
    try:
        statements = [item for item in sqlglot.parse(sql, dialect=dialect) if item is not None]
    except (sqlglot.errors.SqlglotError, RecursionError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise refused(f"The query cannot be read: {first[:300]}.", f"Write it for {dialect}.") from None
    if len(statements) != 1:
        raise refused(f"There are {len(statements)} statements.", "Write one SELECT.")
    query = statements[0]
    check_kind(query)
    check_functions(query)
    if tables:
        check_tables(query, tables)
    written: str = query.sql(dialect=dialect)
    return written


def load() -> ModuleType:
    """sqlglot, which is optional. Raises `ConfigurationError`."""
    try:
        import sqlglot
        import sqlglot.optimizer.scope
    except ImportError as error:
        raise ConfigurationError(
            "Queries cannot be checked: sqlglot is not installed.", hint="pip install 'guru[sql]'"
        ) from error
    return sqlglot


def check_kind(query: exp.Expression) -> None:
    """Raises `InvalidParameter` for what is no SELECT, and for one that does more than to read."""
    from sqlglot import exp

    if not isinstance(query, exp.Query):
        raise refused(f"This is a {query.key.upper()}.", "Only SELECT is allowed; nothing can be changed.")
    for kind in (exp.DML, exp.DDL, exp.Into, exp.Lock, exp.Command, exp.Pragma, exp.Set):
        if (found := query.find(kind)) is not None and found is not query and not isinstance(found, exp.Query):
            raise refused(f"It has a {found.key.upper()} in it.", "Only read; nothing can be changed or locked.")


def check_functions(query: exp.Expression) -> None:
    from sqlglot import exp

    for call in query.find_all(exp.Func):
        name = (call.name if isinstance(call, exp.Anonymous) else call.sql_name()).lower()
        if name.startswith(HARMFUL) and name not in HARMLESS:
            raise refused(f"The function {name} is not allowed.", "Use functions that only compute.")


def check_tables(query: exp.Expression, tables: Sequence[str]) -> None:
    """Raises `InvalidParameter` for a table that is not among `tables`, written as `name` or `schema.name`."""
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope, traverse_scope

    own: set[int] = set()  # references to what the query itself names in a WITH, where that name holds
    for scope in traverse_scope(query):
        own |= {id(table) for table in scope.tables if isinstance(scope.sources.get(table.alias_or_name), Scope)}
    allowed = {table.lower() for table in tables}
    for named in query.find_all(exp.CTE):
        if named.alias.lower() in allowed:  # which SQLite would take for the view of that name
            raise refused(f"A WITH is called {named.alias}, as a table is.", "Give it another name.")
    for table in query.find_all(exp.Table):
        if id(table) in own or isinstance(table.this, exp.Func):
            continue
        name = ".".join(part.name for part in table.parts).lower()
        if name not in allowed:
            raise refused(f"The table {name} may not be read.", f"There are: {', '.join(sorted(tables))}.")


def refused(message: str, hint: str) -> InvalidParameter:
    return InvalidParameter(message, hint=hint, param="sql")
