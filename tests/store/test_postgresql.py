"""What is special about PostgreSQL: it is elsewhere, others write to it too, and connections are few."""

import asyncio
import struct
import sys

import pytest
from sqlalchemy import func, insert, select, text

from guru.errors import StoreError
from guru.knowledge.collections import read_collections
from guru.store import tables
from guru.store.database import Database
from guru.store.jobs import Jobs
from guru.store.migrations import MIGRATIONS, applied
from guru.store.postgresql import BINARY, Sent
from guru.store.scope import Scope


@pytest.fixture
def url(postgresql):
    """Of an empty database."""
    made = postgresql.make()
    yield made
    postgresql.drop(made)


@pytest.fixture
async def open_database():
    """Opens databases, and closes them."""
    made = []

    async def opening(url, **options):
        made.append(Database(url, **options))
        await made[-1].open()
        return made[-1]

    yield opening
    for database in made:
        await database.close()


def user(name, **more):
    return insert(tables.users).values(tenant="t", name=name, role="member", created_at=0.0, **more)


async def names(database):
    return sorted(await database.read(lambda c: c.scalars(select(tables.users.c.name)).all()))


async def test_servers_that_start_at_once_migrate_once(url, open_database):
    opened = await asyncio.gather(*(open_database(url) for _ in range(4)))
    versions = await opened[0].read(lambda c: list(c.scalars(select(applied.c.version))))
    assert versions == list(range(1, len(MIGRATIONS) + 1))


async def test_one_writer_at_a_time_among_servers_sees_what_the_one_before_has_written(url, open_database):
    one, two = await open_database(url), await open_database(url)

    def number(connection):
        """What two could not do at once without making a number twice."""
        there = connection.scalar(select(func.count()).select_from(tables.users))
        connection.execute(text("SELECT pg_sleep(0.01)"))
        connection.execute(user(str(there)))

    await asyncio.gather(*(database.write(number) for database in (one, two) * 10))
    assert await names(one) == sorted(map(str, range(20)))


async def test_what_needs_no_turn_does_not_wait_for_one(url, open_database):
    one, two = await open_database(url), await open_database(url)
    began, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def long(connection):
        connection.execute(user("long"))
        loop.call_soon_threadsafe(began.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()

    writing = asyncio.create_task(one.write(long))
    await began.wait()
    waiting = asyncio.create_task(two.write(lambda c: c.execute(user("waits"))))
    for number, database in enumerate((one, two)):
        await database.write(lambda c, name=f"beside {number}": c.execute(user(name)), beside=True)
    assert len(await names(two)) == 2
    assert not waiting.done()
    go_on.set()
    await asyncio.gather(writing, waiting)
    assert {"long", "waits"} < set(await names(two))


async def test_a_read_sees_one_moment(url, open_database):
    database, other = await open_database(url), await open_database(url)
    await database.write(lambda c: c.execute(user("before")))
    loop = asyncio.get_running_loop()

    def look_twice(connection):
        query = select(func.count()).select_from(tables.users)
        first = connection.scalar(query)
        asyncio.run_coroutine_threadsafe(other.write(lambda c: c.execute(user("after"))), loop).result()
        return first, connection.scalar(query)

    assert await database.read(look_twice) == (1, 1)
    assert await names(database) == ["after", "before"]


async def test_connections_are_no_more_than_the_settings_say(url, postgresql, open_database):
    database = await open_database(url, connections=3)
    query = text("SELECT count(*), pg_sleep(0.02) FROM pg_stat_activity WHERE datname = current_database()")
    work = [database.read(lambda c: c.execute(query).one()[0]) for _ in range(20)]
    work += [database.write(lambda c: c.execute(query).one()[0], beside=bool(n % 2)) for n in range(20)]
    assert max(await asyncio.gather(*work)) <= 3


async def test_a_lost_connection_is_made_anew(url, open_database):
    database, other = await open_database(url), await open_database(url)
    end = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
               "AND datname = current_database()")  # fmt: skip
    await database.write(lambda c: c.execute(user("ann")))
    await other.read(lambda c: c.execute(end).all())
    await database.write(lambda c: c.execute(user("bob")))
    assert await names(database) == ["ann", "bob"]


async def test_a_connection_that_is_lost_in_the_middle_is_an_error_with_a_hint(url, open_database):
    database = await open_database(url)

    def cut(connection):
        connection.execute(user("half"))
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(StoreError, match="try again in a moment"):
        await database.write(cut)
    assert await names(database) == []


async def test_jobs_outlive_an_outage(url, postgresql, open_database, monkeypatch):
    monkeypatch.setattr("guru.store.jobs.HEARTBEAT", 0.1)
    database = await open_database(url)
    jobs, reached = Jobs(database), asyncio.Event()
    name = url.split("?")[0].rsplit("/", 1)[1]

    async def work(run):
        reached.set()
        await asyncio.sleep(0.4)
        return {}

    jobs.handle("work", work)
    await jobs.start()
    job = await jobs.submit("t", "work", {})
    await reached.wait()
    await asyncio.to_thread(postgresql.execute, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    await asyncio.to_thread(postgresql.execute, end)
    await asyncio.sleep(1.0)
    await asyncio.to_thread(postgresql.execute, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    async for seen in jobs.watch("t", job.id):
        last = seen
    assert last.status == "done"
    second = await jobs.submit("t", "work", {})
    async for seen in jobs.watch("t", second.id):
        last = seen
    assert last.status == "done"
    await jobs.close()


async def test_each_job_is_run_by_one_server(url, open_database):
    runners, ran = [Jobs(await open_database(url)) for _ in range(3)], []

    def handler(me):
        async def work(run):
            ran.append((run.job.id, me))
            await asyncio.sleep(0)
            return {}

        return work

    submitted = [await runners[0].submit("t", "work", {}) for _ in range(30)]
    for me, jobs in enumerate(runners):
        jobs._owner = f"machine{me}:1:x"
        jobs.handle("work", handler(me))
        await jobs.start()
    for job in submitted:
        async for _ in runners[0].watch("t", job.id):
            pass
    for jobs in runners:
        await jobs.close()
    assert sorted(job for job, _ in ran) == sorted(job.id for job in submitted)
    assert len({me for _, me in ran}) > 1


async def test_texts_with_nul_keep_their_length(url, open_database):
    database = await open_database(url)
    await database.write(lambda c: c.execute(user("a\0b", team="\0")))
    assert await names(database) == ["a\ufffdb"]


async def test_sums_are_whole_numbers(url, open_database):
    database = await open_database(url)

    def fill(connection):
        row = {"id": "c", "tenant": "t", "name": "c", "embedding_model": "m", "created_at": 0.0, "updated_at": 0.0}
        connection.execute(insert(tables.collections).values(row))
        document = {
            "tenant": "t", "collection_id": "c", "content_hash": "", "recipe": "", "chunks": 1, "bytes": 2**40,
            "media_type": "", "ingested_at": 0.0,
        }  # fmt: skip
        connection.execute(insert(tables.documents), [{**document, "id": f"d{n}", "name": f"n{n}"} for n in range(2)])

    await database.write(fill)
    (found,) = await database.read(lambda c: read_collections(c, Scope("t")))
    assert (type(found.bytes), found.bytes, found.chunks) == (int, 2**41, 2)


# ---------------------------------------------------------------- what a person did wrong


async def refused(url):
    database = Database(url)
    with pytest.raises(StoreError) as caught:
        await database.open()
    await database.close()
    return str(caught.value)


async def test_a_server_that_is_not_there():
    said = await refused("postgresql://ann:s3cret@127.0.0.1:1/guru")
    assert "See that PostgreSQL runs" in said
    assert "s3cret" not in said


async def test_a_database_or_a_user_that_is_not_there(postgresql, url):
    assert "CREATE DATABASE guru" in await refused(postgresql.url.replace("/postgres?", "/nowhere?"))
    assert "CREATE ROLE guru" in await refused(url.replace("postgres:@", "nobody:@"))


async def test_too_few_connections(postgresql, url):
    postgresql.execute("CREATE ROLE crowd LOGIN CONNECTION LIMIT 0")
    try:
        assert "lower [store] connections" in await refused(url.replace("postgres:@", "crowd:@"))
    finally:
        postgresql.execute("DROP ROLE crowd")


async def test_a_user_who_may_not_make_tables(postgresql, url):
    postgresql.execute("CREATE ROLE guest LOGIN")
    try:
        assert "OWNER TO guru" in await refused(url.replace("postgres:@", "guest:@"))
    finally:
        postgresql.execute("DROP ROLE guest")


async def test_a_database_that_cannot_hold_every_text(postgresql):
    url = postgresql.make("ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    assert "ENCODING 'UTF8'" in await refused(url)
    postgresql.drop(url)


@pytest.mark.parametrize("table", ["users (id integer)", "schema_migrations (version text)"])
async def test_a_database_of_another_program_is_left_alone(postgresql, url, table):
    postgresql.execute(f"CREATE TABLE {table}", url)
    assert "tables of another program" in await refused(url)
    there = postgresql.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", url)
    assert there.fetchone() == (1,)


def test_without_the_driver_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r'pip install "guru\[postgresql\]"'):
        Database("postgresql://ann@localhost/guru")


@pytest.mark.parametrize("url", ["mysql://ann:s3cret@localhost/x", "not an address", "postgresql://h:s3cret/x"])
def test_other_stores_are_refused(url):
    with pytest.raises(StoreError, match="names no store") as caught:
        Database(url)
    assert "s3cret" not in str(caught.value)


def test_a_password_is_not_shown():
    assert Database("postgresql://ann:s3cret@db:6432/guru").place == "postgresql://ann@db:6432/guru"


async def test_a_value_goes_and_comes_in_binary(url, open_database):
    database = await open_database(url)
    query = text("SELECT CAST(:sent AS integer), 0.1::float8, 'ä', CAST(:blob AS bytea), '[1, \"ä\"]'::json")
    values = {"sent": Sent(struct.pack(">i", -7)), "blob": b"\0\xff"}
    rows = [
        await database.read(lambda c, options=options: tuple(c.execute(query, values, execution_options=options).one()))
        for options in ({}, {BINARY: True})
    ]
    assert rows[0] == rows[1] == (-7, 0.1, "ä", b"\0\xff", [1, "ä"])
