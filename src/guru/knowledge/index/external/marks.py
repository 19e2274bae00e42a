"""What a store has been given, as the database knows it: each change written down before it is made, or after, so that
a kill between two steps leaves nothing there that nobody knows of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from guru.knowledge.index.external.base import name_of
from guru.knowledge.rows import dimension_of
from guru.knowledge.vectors import RESIDUAL, VECTOR
from guru.store.bulk import insert_tuples
from guru.store.tables import chunks, collections, index_entries, index_marks, jobs

MOVE: Final = "transfer"
"""The kind of the jobs that move an index."""
LEASE: Final = 30.0
"""Seconds for which one process alone gives passages of a collection; renewed with every batch."""


class Mark(Struct, frozen=True):
    """How far a store has been given a collection."""

    collection_id: str
    tenant: str
    store: str
    name: str
    """What it is called there."""
    newest: int
    """Of the passages up to this id, all that were there at `generation` are there."""
    generation: int


def read_mark(connection: Connection, collection: Row[Any], store: str) -> Mark | None:
    """None for a collection that the store has not been given, or only with another model's vectors."""
    found = _row(connection, collection.id, store)
    wanted = name_of(collection.id, collection.embedding_model)
    return _to_mark(found) if found is not None and found.name == wanted else None


def marks_of(connection: Connection, store: str) -> list[Mark]:
    """Those of all collections, of every tenant."""
    query = select(index_marks).where(index_marks.c.store == store).order_by(index_marks.c.collection_id)
    return [_to_mark(row) for row in connection.execute(query)]


def take(connection: Connection, collection: Row[Any], store: str, owner: str, now: float) -> Mark | None:
    """The mark, made if there is none, with the right to give; None where somebody else has it.

    It may be that of another model: see `restart`.
    """
    mine = _mine(collection.id, store)
    if _row(connection, collection.id, store) is None:
        name = name_of(collection.id, collection.embedding_model)
        values = {"collection_id": collection.id, "store": store, "tenant": collection.tenant, "name": name}
        connection.execute(insert(index_marks).values(**values, newest=0, generation=-1))
    free = or_(index_marks.c.owner.is_(None), index_marks.c.owner == owner, index_marks.c.until < now)
    taken = connection.execute(update(index_marks).where(*mine, free).values(owner=owner, until=now + LEASE))
    found = _row(connection, collection.id, store)
    return _to_mark(found) if taken.rowcount and found is not None else None


def give_up(connection: Connection, mark: Mark, owner: str) -> None:
    mine = _mine(mark.collection_id, mark.store)
    connection.execute(update(index_marks).where(*mine, index_marks.c.owner == owner).values(owner=None, until=None))


def restart(connection: Connection, mark: Mark, name: str) -> Mark:
    """The store has nothing any more; it is given all anew, under `name`."""
    connection.execute(delete(index_entries).where(*_entries(mark)))
    values: dict[str, Any] = {"name": name, "newest": 0, "generation": -1}
    connection.execute(update(index_marks).where(*_mine(mark.collection_id, mark.store)).values(values))
    return Mark(mark.collection_id, mark.tenant, mark.store, name, 0, -1)


def forget(connection: Connection, mark: Mark) -> None:
    """The store has nothing of the collection any more, and is given nothing."""
    connection.execute(delete(index_entries).where(*_entries(mark)))
    connection.execute(delete(index_marks).where(*_mine(mark.collection_id, mark.store)))


def gone(connection: Connection, mark: Mark, limit: int) -> list[int]:
    """Passages that may be there and are here no more."""
    there = select(chunks.c.id).where(chunks.c.id == index_entries.c.chunk_id)
    query = select(index_entries.c.chunk_id).where(*_entries(mark), ~there.exists())
    return list(connection.scalars(query.order_by(index_entries.c.chunk_id).limit(limit)))


def removed(connection: Connection, mark: Mark, ids: Sequence[int]) -> None:
    connection.execute(delete(index_entries).where(*_entries(mark), index_entries.c.chunk_id.in_(ids)))


def plan(connection: Connection, mark: Mark, newest: int, limit: int) -> Sequence[Row[Any, Any, Any, Any]] | None:
    """The next passages after `newest` (id, document, vector, residual), written down as those that may be there.

    None where the collection is gone, or has the vectors of another model by now.
    """
    collection = find_by_id(connection, mark.collection_id)
    if collection is None or name_of(collection.id, collection.embedding_model) != mark.name:
        return None
    columns = (chunks.c.id, chunks.c.document_id, VECTOR, RESIDUAL)
    query = select(*columns).where(chunks.c.collection_id == mark.collection_id, chunks.c.id > newest)
    rows = connection.execute(query.order_by(chunks.c.id).limit(limit)).all()
    ids = [row.id for row in rows]
    known = select(index_entries.c.chunk_id).where(*_entries(mark), index_entries.c.chunk_id.in_(ids))
    new = sorted(set(ids) - set(connection.scalars(known)))
    if new:
        insert_tuples(
            connection, index_entries, [(number, mark.store, mark.tenant, mark.collection_id) for number in new]
        )
    return rows


def given(connection: Connection, mark: Mark, newest: int, owner: str, now: float) -> bool:
    """The store has all up to `newest`. False where somebody else gives by now."""
    mine = (*_mine(mark.collection_id, mark.store), index_marks.c.owner == owner)
    changed = connection.execute(update(index_marks).where(*mine).values(newest=newest, until=now + LEASE))
    return bool(changed.rowcount)


def caught_up(connection: Connection, mark: Mark, generation: int, owner: str) -> None:
    """The store has what was there at `generation`."""
    mine = (*_mine(mark.collection_id, mark.store), index_marks.c.owner == owner)
    connection.execute(update(index_marks).where(*mine).values(generation=generation, owner=None, until=None))


def dimension_there(connection: Connection, mark: Mark) -> int | None:
    """Of the vectors of a collection; None where it has none."""
    one = connection.scalar(select(VECTOR).where(chunks.c.collection_id == mark.collection_id).limit(1))
    return None if one is None else dimension_of(one)


def count_entries(connection: Connection, mark: Mark) -> int:
    return connection.scalar(select(func.count()).select_from(index_entries).where(*_entries(mark))) or 0


def find_by_id(connection: Connection, collection_id: str) -> Row[Any] | None:
    """A collection's row; None when it is gone. What asks has found it by its tenant, or keeps house for all."""
    return connection.execute(select(collections).where(collections.c.id == collection_id)).one_or_none()


def find_moved(connection: Connection, collection_id: str) -> tuple[Row[Any] | None, bool]:
    """As `find_by_id`, with whether its index is being moved."""
    row = find_by_id(connection, collection_id)
    if row is None:
        return None, False
    mine = (jobs.c.tenant == row.tenant, jobs.c.subject == row.name, jobs.c.kind == MOVE)
    running = select(jobs.c.id).where(*mine, jobs.c.status.in_(("queued", "running"))).limit(1)
    return row, connection.scalar(running) is not None


def _row(connection: Connection, collection_id: str, store: str) -> Row[Any] | None:
    return connection.execute(select(index_marks).where(*_mine(collection_id, store))).one_or_none()


def _mine(collection_id: str, store: str) -> tuple[Any, Any]:
    return index_marks.c.collection_id == collection_id, index_marks.c.store == store


def _entries(mark: Mark) -> tuple[Any, Any, Any]:
    mine = (index_entries.c.collection_id == mark.collection_id, index_entries.c.store == mark.store)
    return (*mine, index_entries.c.tenant == mark.tenant)


def _to_mark(row: Row[Any]) -> Mark:
    return Mark(**{name: getattr(row, name) for name in Mark.__struct_fields__})
