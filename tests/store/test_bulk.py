"""Rows that go past SQLAlchemy are those that it would have written."""

import pytest
from sqlalchemy import insert, select

from guru.store.bulk import insert_rows, select_by_ids
from guru.store.tables import chunks, collections, documents


@pytest.fixture
async def database(stores, tmp_path):
    database = stores.database(tmp_path)
    await database.open()
    yield database
    await database.close()


OWN = {
    "id": "col", "tenant": "t", "name": "c", "embedding_model": "m", "created_at": 1.0, "updated_at": 1.0,
}  # fmt: skip


def document(number):
    return {
        "id": f"d{number}", "tenant": "t", "collection_id": "col", "name": f"{number}.txt", "content_hash": "0" * 64,
        "recipe": "r", "source": None, "bytes": 1 << 40, "media_type": "text/plain", "title": "Ein Ton: ä, “x”, 漢",
        "page_spans": [], "headings": [{"level": 1, "title": "ä"}], "metadata": {"a": [1, None, 2.5, True]},
        "warnings": ["\ud83d\ude00 \"x\""], "chunks": 0, "ingested_at": 1.5,
    }  # fmt: skip


def chunk(number):
    return {
        "tenant": "t", "collection_id": "col", "document_id": "d0", "ordinal": number, "page": None, "start": 0,
        "end": 3, "tokens": 1, "heading_path": ["ä", "b"], "text": "a b", "terms": b"\x00\xff", "vector": b"v",
        "sentences": b"", "sentence_terms": b"\x01", "sentence_vectors": b"",
    }  # fmt: skip


async def test_they_are_what_sqlalchemy_writes(database):
    def write(connection):
        connection.execute(insert(collections).values(OWN))
        insert_rows(connection, documents, [document(0), document(1)])
        connection.execute(insert(documents).values(document(2)))
        insert_rows(connection, chunks, [chunk(0), chunk(1)])
        connection.execute(insert(chunks).values(chunk(2)))
        insert_rows(connection, chunks, [])

    def read(connection):
        return connection.execute(select(documents).order_by(documents.c.id)).all(), connection.execute(
            select(chunks).order_by(chunks.c.id)
        ).all()

    await database.write(write)
    stored, passages = await database.read(read)
    own = ("id", "name")
    first, second, usual = ({n: v for n, v in row._mapping.items() if n not in own} for row in stored)
    assert first == second == usual
    assert first["embedding_model"] == ""  # the database's default
    assert [row.ordinal for row in passages] == [0, 1, 2]
    first, second, usual = ({n: v for n, v in row._mapping.items() if n not in ("id", "ordinal")} for row in passages)
    assert first == second == usual


async def test_rows_are_read_by_their_ids_as_they_were_written(database):
    """PostgreSQL gives these in binary."""
    written = [bytes(range(256)), b"", b"\\x41", b"\0" * 3000]

    def write(connection):
        connection.execute(insert(collections).values(OWN))
        insert_rows(connection, documents, [document(0)])
        insert_rows(connection, chunks, [{**chunk(n), "terms": blob} for n, blob in enumerate(written)])
        return connection.scalars(select(chunks.c.id).order_by(chunks.c.ordinal)).all()

    ids = await database.write(write)
    query = select(chunks.c.id, chunks.c.terms, chunks.c.vector_residual, chunks.c.text, chunks.c.page)

    def read(wanted):
        return database.read(lambda connection: select_by_ids(connection, query, chunks.c.id, wanted))

    rows = await read([ids[3], ids[0], ids[1], ids[2], ids[3] + 1])
    assert [tuple(row) for row in rows] == [
        (number, blob, None, "a b", None) for number, blob in zip(ids, written, strict=True)
    ]
    assert await read([]) == []
