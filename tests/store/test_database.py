import asyncio
import sqlite3

import pytest
from sqlalchemy import delete, func, insert, inspect, select

from guru.errors import StoreError
from guru.store import tables
from guru.store.database import Database
from guru.store.migrations import MIGRATIONS, applied


def conversation(n):
    return {"id": f"c{n}", "tenant": "t", "owner": "owner", "created_at": n, "updated_at": n}


@pytest.fixture
async def database(stores, tmp_path):
    database = stores.database(tmp_path)
    await database.open()
    yield database
    await database.close()


async def count(database):
    return await database.read(lambda c: c.scalar(select(func.count()).select_from(tables.conversations)))


async def test_a_new_home_has_every_table(database):
    names = await database.read(lambda connection: inspect(connection).get_table_names())
    assert set(tables.metadata.tables) <= set(names)


async def test_opening_again_migrates_nothing(stores, tmp_path, database):
    again = stores.database(tmp_path)
    await again.open()
    versions = await again.read(lambda c: list(c.scalars(select(applied.c.version))))
    assert versions == list(range(1, len(MIGRATIONS) + 1))
    await again.close()


async def test_a_database_of_a_newer_guru_is_refused(stores, tmp_path, database):
    newer = {"version": len(MIGRATIONS) + 1, "name": "later", "applied_at": 0}
    await database.write(lambda c: c.execute(insert(applied).values(newer)))
    again = stores.database(tmp_path)
    with pytest.raises(StoreError, match="Upgrade Guru"):
        await again.open()
    await again.close()


async def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "guru.db").write_bytes(b"this is not a database, but it is long enough to look" * 50)
    database = Database.in_home(tmp_path)
    with pytest.raises(StoreError, match="cannot be used"):
        await database.open()
    await database.close()


async def test_a_failing_write_leaves_nothing(database):
    def change(connection):
        connection.execute(insert(tables.conversations).values(conversation(1)))
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        await database.write(change)
    assert await count(database) == 0


async def test_many_writers_in_two_processes_worth_of_connections_lose_nothing(stores, tmp_path, database):
    other = stores.database(tmp_path)
    await other.open()
    writes = [
        store.write(lambda c, n=n: c.execute(insert(tables.conversations).values(conversation(n))))
        for n, store in enumerate([database, other] * 50)
    ]
    await asyncio.gather(*writes)
    assert await count(database) == 100
    await other.close()


async def test_only_the_owner_reads_the_home(tmp_path):
    home = tmp_path / "new"
    database = Database.in_home(home)
    await database.open()
    await database.close()
    assert home.stat().st_mode & 0o077 == 0
    assert (home / "guru.db").stat().st_mode & 0o077 == 0
    with sqlite3.connect(home / "guru.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


async def test_a_database_from_before_there_were_access_lists_and_summaries_gets_them(tmp_path):
    first = Database.in_home(tmp_path)
    await first.open()

    def go_back(connection):
        tables.document_access.drop(connection)
        tables.summaries.drop(connection)
        connection.execute(delete(applied).where(applied.c.version >= 2))

    await first.write(go_back)
    await first.close()
    again = Database.in_home(tmp_path)
    await again.open()
    indexes = await again.read(lambda connection: inspect(connection).get_indexes("document_access"))
    assert [index["name"] for index in indexes] == ["document_access_of_collection"]
    assert await again.read(lambda connection: inspect(connection).has_table("summaries"))
    await again.close()
