"""The transactions that change which model a collection has. Each is called where nobody else writes meanwhile.

At every moment every passage has the vectors of the collection's model, in its row or beside it.
"""

from __future__ import annotations

import time
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, select, update

from guru.errors import Conflict, NotFound
from guru.knowledge.collections import touch
from guru.knowledge.filling import models_in_use
from guru.knowledge.vectors import RESIDUAL, SENTENCE_VECTORS, VECTOR, lacks
from guru.store.tables import chunk_vectors, chunks, collections, documents, jobs

AT_ONCE: Final = 500
"""Passages whose vectors are moved or removed in one transaction."""


def switch(connection: Connection, tenant: str, collection_id: str, model: str, job_id: str) -> str | None:
    """Make `model` that of a collection, and keep the one before: its name. None where passages lack vectors still.

    Raises `NotFound`, and `Conflict` where the job that made the vectors has ended meanwhile.
    """
    row = _row(connection, tenant, collection_id)
    if row.embedding_model == model:  # by this job, before its process died
        return str(row.previous_model or "")
    job = connection.execute(select(jobs.c.status, jobs.c.cancel_requested).where(jobs.c.id == job_id)).one_or_none()
    if job is None or job.status != "running" or job.cancel_requested:
        raise Conflict("The job was cancelled or has ended elsewhere, so nothing is switched.")
    if _any_lacking(connection, collection_id, model):
        return None
    _put(connection, collection_id, model, row.embedding_model)
    return str(row.embedding_model)


def roll_back(connection: Connection, row: Row[Any]) -> None:
    """Make the model before the last change that of a collection. Raises `Conflict` where that cannot be."""
    previous = row.previous_model
    if previous is None:
        raise Conflict(
            f"{row.name} keeps no vectors of another model.",
            hint=f"guru collections reembed {row.name} --model NAME embeds it anew.",
        )
    if _any_lacking(connection, row.id, previous):
        raise Conflict(
            f"Documents of {row.name} that came since have no vectors of {previous}.",
            hint=f"Make what is missing: guru collections reembed {row.name} --model {previous}",
        )
    _put(connection, row.id, previous, row.embedding_model)


def forget_previous(connection: Connection, tenant: str, collection_id: str) -> None:
    """From now on there is no going back. Raises `NotFound`."""
    _row(connection, tenant, collection_id)
    values = {"previous_model": None, "switched_at": None}
    connection.execute(update(collections).where(collections.c.id == collection_id).values(values))


def fold(connection: Connection, tenant: str, collection_id: str) -> int:
    """Remove some vectors that nobody needs, or put those of the current model into the rows of their passages; returns
    of how many passages. Nobody who reads sees a difference. Raises `NotFound`."""
    models = models_in_use(connection, tenant, collection_id)
    needed = [model for model in (models.current, models.other) if model is not None]
    mine = chunk_vectors.c.collection_id == collection_id
    useless = select(chunk_vectors.c.chunk_id).where(mine, chunk_vectors.c.model.not_in(needed)).limit(AT_ONCE)
    ids = set(connection.scalars(useless))
    if ids:
        connection.execute(
            delete(chunk_vectors).where(chunk_vectors.c.chunk_id.in_(ids), chunk_vectors.c.model.not_in(needed))
        )
        return len(ids)
    if models.other is not None:  # it is being changed again: what stands in the rows may be needed
        return 0
    moved = 0
    other = (documents.c.collection_id == collection_id, documents.c.embedding_model != models.current)
    for document in connection.execute(select(documents.c.id, documents.c.chunks).where(*other).limit(AT_ONCE)).all():
        if moved and moved + document.chunks > AT_ONCE:
            break
        _fold_document(connection, document.id, models.current)
        moved += max(1, document.chunks)
    return moved


def _fold_document(connection: Connection, document_id: str, model: str) -> None:
    mine = chunks.c.document_id == document_id
    current: list[Any] = [VECTOR, RESIDUAL, SENTENCE_VECTORS]
    values = {column.name: column.element for column in current}
    connection.execute(update(chunks).where(mine).values(values))
    connection.execute(update(documents).where(documents.c.id == document_id).values(embedding_model=model))
    beside = chunk_vectors.c.chunk_id.in_(select(chunks.c.id).where(mine))
    connection.execute(delete(chunk_vectors).where(beside, chunk_vectors.c.model == model))


def _put(connection: Connection, collection_id: str, model: str, previous: str) -> None:
    values = {"embedding_model": model, "previous_model": previous, "switched_at": time.time()}
    connection.execute(update(collections).where(collections.c.id == collection_id).values(values))
    touch(connection, collection_id)


def _any_lacking(connection: Connection, collection_id: str, model: str) -> bool:
    query = select(chunks.c.id).where(chunks.c.collection_id == collection_id, lacks(model)).limit(1)
    return connection.scalar(query) is not None


def _row(connection: Connection, tenant: str, collection_id: str) -> Row[Any]:
    mine = (collections.c.tenant == tenant, collections.c.id == collection_id)
    row = connection.execute(select(collections).where(*mine)).one_or_none()
    if row is None:
        raise NotFound("The collection was deleted meanwhile.")
    return row
