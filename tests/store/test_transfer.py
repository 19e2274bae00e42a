"""Everything in one store arrives in another, and a transfer that fails leaves nothing."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest
from sqlalchemy import delete, func, insert, select, text, update

from databases import Stores
from guru.errors import Conflict, InvalidParameter, StoreError
from guru.store import tables
from guru.store import transfer as module
from guru.store.database import Database
from guru.store.transfer import rows_of, transfer

PAIRS = [("sqlite", "postgresql"), ("postgresql", "sqlite")]
ODD = "naïve 漢字 🦉 \x00 'quoted' \"twice\" \\ %s %(id)s :name"


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(request, tmp_path):
    """Two databases that are not open yet."""
    made = [Stores(request.getfixturevalue("postgresql") if kind == "postgresql" else None) for kind in request.param]
    yield [stores.database(tmp_path / name) for stores, name in zip(made, ("source", "target"), strict=True)]
    for stores in made:
        stores.close()


@pytest.fixture
async def filled(pair):
    """The same, open; the first with rows of every kind."""
    for database in pair:
        await database.open()
    await pair[0].write(fill)
    yield pair
    for database in pair:
        await database.close()


def fill(connection):
    def add(table, *rows):
        for row in rows:
            connection.execute(insert(table).values(row))

    times = {"created_at": 1.1, "updated_at": 1 / 3}
    add(tables.collections, {"id": "c", "tenant": "t", "name": "c", "embedding_model": "m", "settings": {}, **times})
    document = {
        "id": "d", "tenant": "t", "collection_id": "c", "name": "n", "content_hash": "", "recipe": "", "chunks": 3,
        "bytes": 2**40, "media_type": "", "ingested_at": 0.1, "metadata": {"odd": ODD, "list": [1, None, {"a": 1.5}]},
    }  # fmt: skip
    add(tables.documents, document)
    add(tables.document_texts, {"document_id": "d", "tenant": "t", "text": ODD * 1000})
    chunk = {
        "tenant": "t", "collection_id": "c", "document_id": "d", "start": 0, "end": 1, "tokens": 1, "text": ODD,
        "terms": bytes(range(256)), "vector": b"", "vector_residual": bytes(range(255, -1, -1)),
        "sentences": b"\0", "sentence_terms": b"", "sentence_vectors": b"",
    }  # fmt: skip
    add(tables.chunks, *[{**chunk, "ordinal": n} for n in range(250)])
    connection.execute(delete(tables.chunks).where(tables.chunks.c.ordinal >= 240))
    key = {
        "id": "k", "tenant": "t", "name": "k", "hash": b"\xff\x00", "prefix": "", "role": "admin", "models": ["*"],
        "routes": [], "tags": [], "created_at": 0.0,
    }  # fmt: skip
    add(tables.api_keys, key)
    add(tables.users, {"tenant": "t", "name": "ann", "role": "member", "disabled": True, "created_at": 0.0})
    add(tables.conversations, {"id": "v", "tenant": "t", "owner": "o", **times})
    message = {"tenant": "t", "conversation_id": "v", "role": "user", "content": ODD, "status": "complete"}
    # The answer's id sorts before that of its question.
    add(tables.messages, {**message, "id": "m2", "created_at": 1.0})
    add(tables.messages, {**message, "id": "m1", "parent_id": "m2", "created_at": 1.0, "usage": None})
    connection.execute(update(tables.messages).where(tables.messages.c.id == "m2").values(usage=text("NULL")))


def everything(connection):
    return {
        table.name: sorted(connection.execute(rows_of(table)).all(), key=repr)
        for table in tables.metadata.sorted_tables
    }


def without_nul(rows):
    return {
        name: [tuple(v.replace("\0", "\ufffd") if isinstance(v, str) else v for v in row) for row in found]
        for name, found in rows.items()
    }


async def test_every_row_arrives_as_it_was(filled):
    source, target = filled
    steps = []
    moved = await asyncio.to_thread(transfer, source, target, steps.append)
    assert without_nul(await target.read(everything)) == without_nul(await source.read(everything))
    assert {item.table: item.rows for item in moved if item.rows} == {
        "collections": 1, "documents": 1, "document_texts": 1, "chunks": 240, "api_keys": 1, "users": 1,
        "conversations": 1, "messages": 2,
    }  # fmt: skip
    assert [step.done for step in steps if (step.doing, step.table) == ("copying", "chunks")] == [100, 200, 240]


async def test_a_number_that_was_given_is_not_given_again(filled):
    source, target = filled
    await asyncio.to_thread(transfer, source, target)
    columns = [column for column in tables.chunks.columns if column.name not in ("id", "ordinal")]
    copy = insert(tables.chunks).from_select(
        [*(column.name for column in columns), "ordinal"], select(*columns, text("999")).limit(1)
    )
    await target.write(lambda connection: connection.execute(copy))
    newest = await target.read(lambda connection: connection.scalar(select(func.max(tables.chunks.c.id))))
    assert newest > 250


async def test_a_store_with_rows_is_not_written_over(filled):
    source, target = filled
    await asyncio.to_thread(transfer, source, target)
    before = await target.read(everything)
    with pytest.raises(Conflict, match=r"chunks \(240\)"):
        await asyncio.to_thread(transfer, source, target)
    assert await target.read(everything) == before


async def test_a_store_is_not_moved_to_itself(filled):
    with pytest.raises(InvalidParameter):
        await asyncio.to_thread(transfer, filled[0], filled[0])


async def test_a_copy_that_differs_is_undone(filled, monkeypatch):
    def spoil(connection, table, rows):
        if table is tables.users:
            rows = [(*row[:2], "admin", *row[3:]) for row in rows]
        insert_tuples(connection, table, rows)

    insert_tuples = module.insert_tuples
    monkeypatch.setattr(module, "insert_tuples", spoil)
    source, target = filled
    with pytest.raises(StoreError, match="The copy of users is not what was copied"):
        await asyncio.to_thread(transfer, source, target)
    assert not any((await target.read(everything)).values())
    monkeypatch.undo()
    await asyncio.to_thread(transfer, source, target)


DIE = """
import asyncio, os, signal, sys
from guru.store.database import Database
from guru.store.transfer import transfer

def die(step):
    if step.table == "chunks" and step.done > 100:
        os.kill(os.getpid(), signal.SIGKILL)

transfer(Database(sys.argv[1]), Database(sys.argv[2]), die)
"""


async def test_a_transfer_that_is_killed_leaves_nothing_and_is_started_again(filled):
    source, target = filled
    urls = [database.url.render_as_string(hide_password=False) for database in filled]
    command = [sys.executable, "-c", DIE, *urls]
    died = await asyncio.to_thread(subprocess.run, command, check=False, env=dict(os.environ))
    assert died.returncode == -signal.SIGKILL
    assert not any((await target.read(everything)).values())
    await asyncio.to_thread(transfer, source, target)
    assert len((await target.read(everything))["chunks"]) == 240


async def test_nobody_writes_while_rows_are_moved(filled):
    source, target = filled
    late = []

    def write(database, name):
        row = {"tenant": "t", "name": name, "role": "member", "created_at": 0.0}
        return database.write(lambda connection: connection.execute(insert(tables.users).values(row)), beside=True)

    loop = asyncio.get_running_loop()

    def tell(step):
        if not late:
            urls = [database.url.render_as_string(hide_password=False) for database in filled]
            others = [Database(url) for url in urls]
            late.extend((other, asyncio.run_coroutine_threadsafe(write(other, "late"), loop)) for other in others)
        assert not any(future.done() for _, future in late)

    moved = await asyncio.to_thread(transfer, source, target, tell)
    for other, future in late:
        await asyncio.wrap_future(future)
        await other.close()
    assert next(item.rows for item in moved if item.table == "users") == 1
