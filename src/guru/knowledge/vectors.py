"""Which vectors of a chunk hold: those of its collection's model, wherever they stand.

A chunk's row has the vectors of the model that its document was embedded with (`documents.embedding_model`); those of
another model stand beside it in `chunk_vectors`. A collection changes its model by one value in its own row: no vector
is moved for it, and whoever reads sees the vectors of one model, those of the moment that the transaction sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, LargeBinary, and_, cast, exists, func, insert, literal_column, select

from guru.store.bulk import select_by_ids
from guru.store.tables import chunk_vectors, chunks, collections, documents


class ChunkVectors(NamedTuple):
    """What a row has of the vectors of a chunk and of its sentences; see `rows`."""

    vector: bytes
    vector_residual: bytes
    sentence_vectors: bytes


_NOTHING: Final = cast(literal_column("''"), LargeBinary)
_model: Final = (
    select(collections.c.embedding_model)
    .where(collections.c.id == chunks.c.collection_id)
    .correlate(chunks)
    .scalar_subquery()
)


def _current(name: str) -> ColumnElement[Any]:
    mine = (chunk_vectors.c.chunk_id == chunks.c.id, chunk_vectors.c.model == _model)
    # A residual that is not there is empty, lest that of another model's vector take its place.
    kept = func.coalesce(chunk_vectors.c[name], _NOTHING) if name == "vector_residual" else None
    beside = select(chunk_vectors.c[name] if kept is None else kept).where(*mine).correlate(chunks).scalar_subquery()
    return func.coalesce(beside, chunks.c[name]).label(name)


VECTOR: Final = _current("vector")
RESIDUAL: Final = _current("vector_residual")
SENTENCE_VECTORS: Final = _current("sentence_vectors")
"""In place of the columns of `chunks`, of rows that are selected from it: each is one look into an index."""
SENTENCES_OF: Final = (chunks.c.sentences, chunks.c.sentence_terms, SENTENCE_VECTORS)
CURRENT: Final = (VECTOR, RESIDUAL, SENTENCE_VECTORS)
INSIDE: Final = tuple(chunks.c[name] for name in ChunkVectors._fields)
"""The same of chunks that have none beside, for who knows it."""
_RESIDUALS: Final = select(chunks.c.id, RESIDUAL)


def vector_of_all(connection: Connection, collection_id: str) -> ColumnElement[Any]:
    """`VECTOR`, for who reads a whole collection: where no chunk of it has vectors beside, no row looks for one."""
    beside = select(chunk_vectors.c.chunk_id).where(chunk_vectors.c.collection_id == collection_id).limit(1)
    return VECTOR if connection.execute(beside).first() else chunks.c.vector.label("vector")


def read_residuals(connection: Connection, ids: Sequence[int]) -> dict[int, bytes]:
    """By the ids of chunks, which are there, what their vectors are rounded by; empty where it is not kept."""
    rows = select_by_ids(connection, _RESIDUALS, chunks.c.id, ids)
    return {row.id: row.vector_residual or b"" for row in rows}


def lacks(model: str) -> ColumnElement[bool]:
    """Of a row of `chunks`: it has no vectors of `model`."""
    inside = (documents.c.id == chunks.c.document_id, documents.c.embedding_model == model)
    beside = (chunk_vectors.c.chunk_id == chunks.c.id, chunk_vectors.c.model == model)
    return and_(
        ~exists(select(documents.c.id).where(*inside).correlate(chunks)),
        ~exists(select(chunk_vectors.c.chunk_id).where(*beside).correlate(chunks)),
    )


def count_lacking(connection: Connection, collection_id: str, model: str) -> int:
    """How many chunks of a collection have no vectors of `model`."""
    query = select(func.count()).select_from(chunks).where(chunks.c.collection_id == collection_id, lacks(model))
    return connection.execute(query).scalar_one()


def count_vectors(connection: Connection, collection_id: str) -> dict[str, int]:
    """How many chunks have vectors, by the name of the model."""
    inside = (
        select(documents.c.embedding_model, func.sum(documents.c.chunks))
        .where(documents.c.collection_id == collection_id)
        .group_by(documents.c.embedding_model)
    )
    beside = (
        select(chunk_vectors.c.model, func.count())
        .where(chunk_vectors.c.collection_id == collection_id)
        .group_by(chunk_vectors.c.model)
    )
    found = {model: int(count) for model, count in connection.execute(inside)}
    for model, count in connection.execute(beside):
        found[model] = found.get(model, 0) + count
    return found


def put_beside(connection: Connection, model: str, rows: Sequence[Any], vectors: Sequence[ChunkVectors]) -> int:
    """Give chunks vectors of another model, those that have gone or have some meanwhile left out; returns how many got
    theirs. `rows` have the columns `id`, `tenant` and `collection_id`. In a transaction that nobody writes beside."""
    waiting = select(chunks.c.id).where(chunks.c.id.in_([row.id for row in rows]), lacks(model))
    ids = set(connection.scalars(waiting))
    values = [
        {
            "chunk_id": row.id, "model": model, "tenant": row.tenant, "collection_id": row.collection_id,
            **given._asdict(),
        }
        for row, given in zip(rows, vectors, strict=True)
        if row.id in ids
    ]  # fmt: skip
    if values:
        connection.execute(insert(chunk_vectors), values)
    return len(values)
