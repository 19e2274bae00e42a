"""Brings one collection's index up to date with its rows, a portion in one transaction.

The passages are locked against removal for that long (`FOR KEY SHARE`), without waiting for anybody who is removing
some: the portion is given up and tried again. One server at a time works on a collection, by an advisory lock.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, select, text

from guru.errors import StoreError
from guru.knowledge.documents import read_fields
from guru.knowledge.index.postgresql.facts import facts_of
from guru.knowledge.index.postgresql.schema import MOST_DIMENSIONS, make_vectors, vectors_of
from guru.knowledge.index.stored import read_fine_rows
from guru.knowledge.rows import dimension_of, unpack_vectors
from guru.knowledge.sparse import HEADING_WEIGHT
from guru.knowledge.terms import term_type
from guru.knowledge.vectors import RESIDUAL, VECTOR
from guru.store.postgresql import BINARY
from guru.store.tables import chunks

PORTION: Final = 1000
"""Passages."""
LOCK: Final = int.from_bytes(b"gidx") & 0x7FFFFFFF
"""The first half of the advisory locks of the index; the second is the hash of a collection's id."""
BEHIND: Final = text("""
SELECT c.id FROM collections c
LEFT JOIN index_collections i ON i.collection_id = c.id AND i.embedding_model = c.embedding_model
WHERE i.generation IS DISTINCT FROM c.generation
    AND (i.number IS NOT NULL OR EXISTS (SELECT FROM chunks WHERE chunks.collection_id = c.id))
ORDER BY c.updated_at
""")
COLLECTION: Final = text("SELECT id, tenant, embedding_model, generation FROM collections WHERE id = :id")
KNOWN: Final = text("""
SELECT number, dimension, newest, embedding_model FROM index_collections WHERE collection_id = :id FOR UPDATE
""")
PASSAGES: Final = select(chunks.c.id, chunks.c.document_id, VECTOR, RESIDUAL, chunks.c.terms).order_by(chunks.c.id)
MODEL: Final = text("SELECT embedding_model FROM collections WHERE id = :id")
BEGIN: Final = text("""
INSERT INTO index_collections (tenant, collection_id, embedding_model, dimension, newest, generation)
VALUES (:tenant, :id, :embedding_model, :dimension, 0, -1) RETURNING number
""")
# Many small changes are made one, now and then.
TOTALS: Final = text("""
WITH gone AS (
    DELETE FROM index_totals WHERE number = :number
        AND (SELECT count(*) FROM index_totals WHERE number = :number) > 100
    RETURNING passages, length
)
INSERT INTO index_totals (number, passages, length)
SELECT :number, :passages + coalesce(sum(passages), 0), :length + coalesce(sum(length), 0) FROM gone
""")
CHANGED: Final = text("SELECT document_id FROM index_documents WHERE number = :number AND facts IS NULL LIMIT :most")
FACTS: Final = text("""
INSERT INTO index_documents (number, document_id, passages, facts)
VALUES (:number, :id, :passages, CAST(:facts AS jsonb))
ON CONFLICT (number, document_id) DO UPDATE SET passages = excluded.passages, facts = excluded.facts
""")
DONE: Final = text("""
UPDATE index_collections SET newest = :newest, described = :newest, generation = :generation WHERE number = :number
""")


def catch_up(connection: Connection, collection_id: str, most: int = PORTION) -> int:
    """Put up to `most` passages of a collection into the index; returns how many. Fewer: it is up to date.

    Nothing is done where another server is about it. Raises `StoreError` for vectors that do not fit.
    """
    if not lock(connection, collection_id):
        return 0
    # Before the passages, so that what they are is no older than the generation says.
    collection = connection.execute(COLLECTION, {"id": collection_id}).one_or_none()
    if collection is None:
        return 0
    known = connection.execute(KNOWN, {"id": collection_id}).one_or_none()
    if known is not None and known.embedding_model != collection.embedding_model:
        connection.execute(text("DELETE FROM index_collections WHERE number = :number"), {"number": known.number})
        known = None
    newest = 0 if known is None else known.newest
    mine = PASSAGES.where(chunks.c.collection_id == collection_id, chunks.c.id > newest).limit(most)
    mine = mine.with_for_update(read=True, key_share=True, nowait=True, of=chunks)
    rows = connection.execute(mine, execution_options={BINARY: True}).all()
    if connection.scalar(MODEL, {"id": collection_id}) != collection.embedding_model:
        return 0  # it has changed meanwhile, and nobody knows whose vectors these are
    if known is not None:
        number, dimension = known.number, known.dimension
    elif rows:
        dimension = dimension_of(rows[0].vector)
        number = begin(connection, collection, dimension)
    else:
        return 0
    length = write(connection, number, dimension, rows) if rows else 0
    write_facts(connection, number, {row.document_id for row in rows})
    connection.execute(TOTALS, {"number": number, "passages": len(rows), "length": length})
    values = {
        "number": number,
        "newest": rows[-1].id if rows else newest,
        "generation": collection.generation if len(rows) < most else -1,
    }
    connection.execute(DONE, values)
    return len(rows)


def write_facts(connection: Connection, number: int, ids: set[str]) -> None:
    """Write what filters look at, of documents and of those in the index that have changed since."""
    changed = connection.scalars(CHANGED, {"number": number, "most": PORTION}).all()
    rows = [
        {"number": number, "id": row.id, "passages": row.chunks, "facts": facts_of(number, fields) or "null"}
        for row, fields in read_fields(connection, sorted(ids.union(changed)))
    ]
    if rows:
        connection.execute(FACTS, rows)


def lock(connection: Connection, name: str) -> bool:
    """Whether this transaction has the lock of a name, which it keeps until its end."""
    query = text("SELECT pg_try_advisory_xact_lock(:lock, hashtext(:name))")
    return bool(connection.scalar(query, {"lock": LOCK, "name": name}))


def begin(connection: Connection, collection: Row[Any], dimension: int) -> int:
    """Give a collection a number. Raises `StoreError` for vectors that are too long."""
    if dimension > MOST_DIMENSIONS:
        raise StoreError(
            f"pgvector keeps {MOST_DIMENSIONS} numbers in a vector; those of this collection have {dimension}.",
            hint="It is searched in memory.",
        )
    make_vectors(connection, dimension)
    return int(connection.scalar(BEGIN, {**collection._mapping, "dimension": dimension}) or 0)


def write(connection: Connection, number: int, dimension: int, rows: Sequence[Any]) -> int:
    """Put passages into the tables, by binary COPY; returns their length, in terms.

    https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS-BINARY
    """
    import numpy as np

    if any(dimension_of(row.vector) != dimension for row in rows):
        raise StoreError("The passages of one collection have vectors of several lengths.", hint="Ingest them anew.")
    entries = np.frombuffer(b"".join(row.terms for row in rows), term_type())
    counts = [len(row.terms) // term_type().itemsize for row in rows]
    of = np.repeat(np.arange(len(rows)), counts)
    lengths = np.bincount(of, weights=entries["body"], minlength=len(rows)).astype(np.int64)
    postings = np.zeros(len(entries), POSTING)
    postings["fields"] = 5
    for name, size in SIZES.items():
        postings[f"{name}_size"] = size
    postings["number"], postings["term"] = number, entries["term"].view("<i8")
    postings["chunk_id"] = np.array([row.id for row in rows])[of]
    postings["frequency"] = entries["body"] + np.float32(HEADING_WEIGHT) * entries["heading"]
    postings["length"] = lengths[of]
    order = np.lexsort((postings["chunk_id"], postings["term"]))  # neighbours in the index are written together
    copy(connection, "index_postings (number, term, chunk_id, frequency, length)", postings[order].tobytes())
    halves = unpack_vectors(read_fine_rows(rows)).astype(">f2")
    vectors = b"".join(
        encode_vector(number, row, int(length), half.tobytes())
        for row, length, half in zip(rows, lengths, halves, strict=True)
    )
    copy(connection, f"{vectors_of(dimension)} (chunk_id, number, document_id, length, vector)", vectors)
    return int(lengths.sum())


SIZES: Final = {"number": 4, "term": 8, "chunk_id": 8, "frequency": 4, "length": 4}
POSTING: Final = [("fields", ">i2")] + [
    field
    for name, size in SIZES.items()
    for field in ((f"{name}_size", ">i4"), (name, ">f4" if name == "frequency" else f">i{size}"))
]
"""A row of postings as COPY reads it: every value after its size."""


def encode_vector(number: int, row: Row[Any], length: int, half: bytes) -> bytes:
    """A row of vectors as COPY reads it. A vector begins with its dimension and two bytes that are not used."""
    name = row.document_id.encode()
    vector = struct.pack(">hh", len(half) // 2, 0) + half
    fields = [struct.pack(">q", row.id), struct.pack(">i", number), name, struct.pack(">i", length), vector]
    return struct.pack(">h", len(fields)) + b"".join(struct.pack(">i", len(field)) + field for field in fields)


def copy(connection: Connection, table: str, rows: bytes) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as copying:
        copying.write(b"PGCOPY\n\xff\r\n\0" + bytes(8) + rows + b"\xff\xff")
