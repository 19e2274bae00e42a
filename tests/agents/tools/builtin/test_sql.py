"""Databases that models may ask: SQLite and a real PostgreSQL; every way to change something or to see too much."""

import asyncio
import sqlite3

import pytest

from agents.tools.boxes import CONTEXT
from guru.agents.tools.builtin.sql.check import check
from guru.agents.tools.builtin.sql.postgresql import PostgreSQL
from guru.agents.tools.builtin.sql.sqlite import SQLite
from guru.agents.tools.builtin.sql.tool import sql_tools
from guru.agents.tools.toolbox import Toolbox
from guru.config import SqlToolSettings
from guru.errors import ConfigurationError, InvalidParameter

SHOP = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, total REAL);
INSERT INTO orders VALUES (1, 'Ann', 10.5), (2, 'Ben', 20.0), (3, 'Ann', 4.25);
CREATE TABLE salaries (name TEXT, amount INTEGER);
INSERT INTO salaries VALUES ('Ann', 5000);
CREATE VIEW totals AS SELECT customer, SUM(total) AS total FROM orders GROUP BY customer;
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "shop?.db"  # a name that an address would end in
    with sqlite3.connect(path) as connection:
        connection.executescript(SHOP)
    connection.close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request, file):
    """Makes the tools of a shop, on either database."""
    if request.param == "sqlite":
        url = f"sqlite:///{file}"
    else:
        server = request.getfixturevalue("postgresql")
        url = server.make()
        server.execute(SHOP, url)
    made = {}

    def make(**settings):
        made["box"] = Toolbox(sql_tools("shop", SqlToolSettings(url=url, **settings)))
        return made["box"]

    make.kind = request.param
    yield make
    if request.param == "postgresql":
        server.drop(url)


async def ask(box, sql):
    return await box.call("query_shop", {"sql": sql}, CONTEXT)


async def test_a_query_is_answered_in_rows(shop):
    result = await ask(shop(), "SELECT customer, SUM(total) AS total FROM orders GROUP BY 1 ORDER BY 1")
    assert result.text == "customer,total\nAnn,14.75\nBen,20.0" or result.text == "customer,total\nAnn,14.75\nBen,20"
    assert result.data["columns"] == ["customer", "total"]
    assert result.data["complete"]


async def test_the_tables_are_listed_with_their_columns(shop):
    result = await shop().call("tables_shop", {}, CONTEXT)
    assert set(result.data) == {"orders", "salaries", "totals"}
    assert result.text.splitlines()[0].startswith("orders(id ")


async def test_with_and_views_and_set_operations_work(shop):
    box = shop()
    assert (await ask(box, "WITH a AS (SELECT 1 AS x) SELECT x FROM a")).text == "x\n1"
    assert "Ben" in (await ask(box, "SELECT * FROM totals ORDER BY customer")).text
    assert (await ask(box, "SELECT 1 AS x UNION ALL SELECT 2 ORDER BY x")).text == "x\n1\n2"
    assert (await ask(box, "SELECT 1 AS x WHERE 1 = 0")).text == "No rows."


CHANGES = [
    "INSERT INTO orders VALUES (9, 'x', 1)",
    "UPDATE orders SET total = 0",
    "DELETE FROM orders",
    "DROP TABLE orders",
    "CREATE TABLE x (a INTEGER)",
    "ALTER TABLE orders ADD COLUMN x INTEGER",
    "SELECT 1; DELETE FROM orders",
    "SELECT 1; SELECT 2",
    "COMMIT",
    "BEGIN; DELETE FROM orders; COMMIT",
    "PRAGMA query_only = OFF",
    "ATTACH DATABASE '/tmp/x.db' AS x",
    "VACUUM",
    "VACUUM INTO '/tmp/guru-escaped.db'",
    "SELECT load_extension('/tmp/x')",
    "SELECT writefile('/tmp/guru-escaped', 'x')",
    "SELECT * INTO x FROM orders",
    "SELECT * FROM orders FOR UPDATE",
    "COPY orders TO '/tmp/guru-escaped'",
    "COPY orders TO PROGRAM 'id'",
    "WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone",
    "SELECT set_config('transaction_read_only', 'off', true)",
    "SET TRANSACTION READ WRITE",
    "SET ROLE postgres",
    "DO $$ BEGIN DELETE FROM orders; END $$",
    "CALL x()",
    "SELECT nextval('x')",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT * FROM pg_ls_dir('/')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT dblink('dbname=x', 'DELETE FROM orders')",
    "SELECT query_to_xml('SELECT * FROM salaries', true, false, '')",
    "SELECT pg_terminate_backend(1)",
    "SELECT pg_sleep(100)",
    "SELECT pg_catalog.pg_sleep(100)",
    "LISTEN x",
    "EXPLAIN ANALYZE DELETE FROM orders",
    "",
    "--",
    "not sql at all (",
    "SELECT 'a" + "(" * 5000,
    "SELECT " + "(" * 3000 + "1" + ")" * 3000,
]


async def test_nothing_can_be_changed(shop, tmp_path):
    box = shop()
    for sql in CHANGES:
        result = await ask(box, sql)
        assert result.failed, sql
        assert len(result.text) < 1000, sql
    assert (await ask(box, "SELECT COUNT(*) AS n FROM orders")).text == "n\n3"


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
@pytest.mark.parametrize(
    ("sql", "allowed"),
    [
        ("SELECT * FROM orders", True),
        ("SELECT * FROM ORDERS", True),
        ("SELECT * FROM orders AS salaries", True),
        ("WITH salaries AS (SELECT * FROM orders) SELECT * FROM salaries", True),
        ("SELECT * FROM salaries", False),
        ('SELECT * FROM "salaries"', False),
        ("SELECT * FROM orders, salaries", False),
        ("SELECT (SELECT amount FROM salaries LIMIT 1) FROM orders", False),
        ("SELECT 1 FROM orders WHERE EXISTS (SELECT 1 FROM salaries)", False),
        ("SELECT id FROM orders UNION SELECT amount FROM salaries", False),
        ("WITH a AS (SELECT * FROM salaries), salaries AS (SELECT 1) SELECT * FROM a", False),
        ("SELECT (WITH salaries AS (SELECT 1) SELECT 1), s.* FROM salaries s", False),
        ("SELECT * FROM main.salaries", False),
        ("SELECT * FROM (SELECT * FROM salaries) AS orders", False),
        ("SELECT * FROM orders JOIN LATERAL (SELECT * FROM salaries) s ON TRUE", False),
    ],
)
def test_only_the_tables_of_the_list_are_read(dialect, sql, allowed):
    if allowed:
        check(sql, dialect, ["orders"])
    else:
        with pytest.raises(InvalidParameter, match="may not be read"):
            check(sql, dialect, ["orders"])


def test_nothing_of_the_query_is_called_as_a_table_of_the_list():
    """SQLite tells whoever authorises a view and a WITH of one name by that name."""
    with pytest.raises(InvalidParameter, match="Give it another name"):
        check("WITH orders AS (SELECT 1) SELECT * FROM orders", "sqlite", ["orders"])


async def test_a_list_of_tables_hides_the_others(shop):
    box = shop(tables=["orders", "totals"])
    assert set((await box.call("tables_shop", {}, CONTEXT)).data) == {"orders", "totals"}
    assert not (await ask(box, "SELECT * FROM totals")).failed  # a view shows what its makers wanted to show
    assert "There are: orders, totals." in (await ask(box, "SELECT * FROM salaries")).text


async def test_sqlite_itself_refuses_what_the_check_would_let_pass(file):
    """The fence behind the fence: the same attempts without the parser."""
    source = SQLite(file, SqlToolSettings(url="", tables=["orders"]))
    for sql in (
        "DELETE FROM orders", "DROP TABLE orders", "PRAGMA query_only = OFF", "ATTACH ':memory:' AS x",
        "SELECT * FROM salaries", "SELECT * FROM sqlite_master", "CREATE TEMP TABLE x (a)", "VACUUM INTO '/tmp/x'",
        "SELECT load_extension('x')", "SELECT * FROM pragma_table_info('salaries')", "BEGIN IMMEDIATE",
        "WITH orders AS (SELECT * FROM salaries) SELECT * FROM orders", "SELECT * FROM totals",
    ):  # fmt: skip
        with pytest.raises(InvalidParameter):
            await source.query(sql)
    assert len((await source.query("SELECT * FROM orders")).rows) == 3


async def test_postgresql_itself_refuses_what_the_check_would_let_pass(postgresql):
    url = postgresql.make()
    postgresql.execute(SHOP, url)
    source = PostgreSQL(SqlToolSettings(url=url))
    for sql in (
        "DELETE FROM orders RETURNING *", "SELECT 1) AS q; COMMIT; DELETE FROM orders; --",
        "SELECT nextval('s')", "SELECT lo_create(0)", "SELECT set_config('transaction_read_only', 'off', false)",
    ):  # fmt: skip
        with pytest.raises(InvalidParameter):
            await source.query(sql)
    assert len((await source.query("SELECT * FROM orders")).rows) == 3
    postgresql.drop(url)


async def test_postgresql_asks_as_the_role(postgresql):
    url = postgresql.make()
    postgresql.execute(SHOP + "CREATE ROLE reader; GRANT SELECT ON orders TO reader;", url)
    box = Toolbox(sql_tools("shop", SqlToolSettings(url=url, role="reader")))
    assert not (await ask(box, "SELECT * FROM orders")).failed
    assert "permission denied" in (await ask(box, "SELECT * FROM salaries")).text
    assert (await ask(box, "SELECT current_user AS u")).text == "u\nreader"
    postgresql.drop(url)
    postgresql.execute("DROP ROLE reader")


async def test_rows_are_limited_and_that_is_said(shop):
    result = await ask(shop(max_rows=2), "SELECT id FROM orders ORDER BY id")
    assert result.text == "id\n1\n2\n(Only the first 2 rows are shown.)"
    assert not result.data["complete"]


async def test_the_size_is_limited(shop):
    box = shop(max_kb=1, max_rows=900)
    many = {"sqlite": "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 900) SELECT x FROM n",
            "postgresql": "SELECT x FROM generate_series(1, 900) AS g(x)"}[shop.kind]  # fmt: skip
    result = await ask(box, many)
    assert "1 KB" in result.text
    assert len(result.text) < 2000


async def test_a_huge_value_does_not_reach_the_server(shop):
    huge = {"sqlite": "SELECT hex(zeroblob(50000000)) AS x", "postgresql": "SELECT repeat('x', 50000000) AS x"}
    result = await ask(shop(), huge[shop.kind])
    assert result.failed
    assert len(result.text) < 500


async def test_a_long_value_is_cut(shop):
    result = await ask(shop(), "SELECT REPLACE('" + "x" * 5000 + "', 'x', 'yy') AS x")
    assert "... (10,000 characters)" in result.text


SLOW = {
    "sqlite": "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT COUNT(*) FROM n",
    "postgresql": "SELECT COUNT(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b",
}


async def test_a_query_that_takes_long_is_stopped(shop):
    result = await ask(shop(timeout_seconds=0.3), SLOW[shop.kind])
    assert result.text == "The query took longer than 0.3 seconds. Ask for less, or use an index."


async def test_a_query_that_is_given_up_ends(shop):
    running = asyncio.create_task(ask(shop(timeout_seconds=60), SLOW[shop.kind]))
    await asyncio.sleep(0.2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_values_of_every_kind_are_shown(shop):
    result = await ask(shop(), "SELECT NULL AS a, 1.5 AS b, 'é,\"' AS c, CAST('x' AS TEXT) AS d")
    assert result.text == 'a,b,c,d\n,1.5,"é,""",x'


async def test_a_mistake_is_told_in_the_words_of_the_database(shop):
    result = await ask(shop(), "SELECT nothing FROM orders")
    assert result.failed
    assert "nothing" in result.text


async def test_what_cannot_be_opened_says_so_without_its_address(tmp_path):
    for url in (f"sqlite:///{tmp_path}/secret-name.db", "postgresql://ann:secret-word@127.0.0.1:1/x"):
        box = Toolbox(sql_tools("shop", SqlToolSettings(url=url, timeout_seconds=3)))
        result = await ask(box, "SELECT 1")
        assert result.failed
        assert "secret" not in result.text
    assert not (tmp_path / "secret-name.db").exists()


def test_an_address_of_another_kind_is_refused():
    with pytest.raises(ConfigurationError, match="no database that can be asked"):
        sql_tools("shop", SqlToolSettings(url="mysql://x"))
    with pytest.raises(ConfigurationError, match="SQLite has no roles"):
        sql_tools("shop", SqlToolSettings(url="sqlite:///x", role="reader"))
