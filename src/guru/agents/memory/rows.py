"""Memories as rows. Every query is within one tenant and one person."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, null, or_, select, update

from guru.agents.memory.base import Kind, Memory, Source, Vector, person_of
from guru.agents.memory.statements import read_statement
from guru.errors import InvalidParameter, NotFound
from guru.store.scope import Scope
from guru.store.tables import conversations, memories, memory_notes, messages

COLUMNS: Final = tuple(column for column in memories.columns if column.name != "vector")
AT_ONCE: Final = 500
"""Ids in one query."""


class Page(Struct, kw_only=True):
    memories: list[Memory]
    next: str | None
    """Give it as `before` to see older ones; null at the end."""
    total: int


class Loaded(Struct):
    """What a search needs of a person's memories, in one order."""

    ids: list[str]
    matrix: Any
    """float32, shape (len(ids), dimension)."""
    used_at: Any
    importance: Any
    stale: bool
    """Whether there are others, which another model has embedded."""


def mine(scope: Scope) -> ColumnElement[bool]:
    return and_(memories.c.tenant == scope.tenant, memories.c.owner == person_of(scope))


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def to_memory(row: Row[Any]) -> Memory:
    source = msgspec.convert(row.source | {"conversation": row.conversation_id}, Source)
    return Memory(
        id=row.id, kind=row.kind, text=row.text, importance=row.importance, attribute=row.attribute, by=row.made_by,
        source=source, repeats=row.repeats, created_at=moment(row.created_at), updated_at=moment(row.updated_at),
        used_at=moment(row.used_at), superseded_by=row.superseded_by,
        superseded_at=None if row.superseded_at is None else moment(row.superseded_at),
    )  # fmt: skip


def pack(vector: Vector) -> bytes:
    import numpy as np

    return np.asarray(vector, np.float16).tobytes()


def add(connection: Connection, scope: Scope, values: dict[str, Any], source: Source) -> Memory:
    """A new row. A conversation or message that is not the person's own is not named."""
    kept = {
        name: value
        for name, value in msgspec.to_builtins(own_source(connection, scope, source)).items()
        if value is not None
    }
    row = {"tenant": scope.tenant, "owner": person_of(scope), "conversation_id": kept.pop("conversation", None)}
    connection.execute(insert(memories).values(row | {"source": kept, "repeats": 0} | values))
    return find(connection, scope, values["id"])


def own_source(connection: Connection, scope: Scope, source: Source) -> Source:
    if source.conversation is None:
        return msgspec.structs.replace(source, message=None)
    query = select(conversations.c.id).where(scope.of(conversations), conversations.c.id == source.conversation)
    if connection.scalar(query) is None:
        return msgspec.structs.replace(source, conversation=None, message=None)
    here = (messages.c.tenant == scope.tenant, messages.c.conversation_id == source.conversation)
    if source.message and connection.scalar(select(messages.c.id).where(*here, messages.c.id == source.message)):
        return source
    return msgspec.structs.replace(source, message=None)


def find(connection: Connection, scope: Scope, memory_id: str) -> Memory:
    """Raises `NotFound`."""
    row = connection.execute(select(*COLUMNS).where(mine(scope), memories.c.id == memory_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no memory {memory_id!r}.", hint="List them: guru memory list")
    return to_memory(row)


def by_ids(connection: Connection, scope: Scope, ids: Sequence[str]) -> dict[str, Memory]:
    found: dict[str, Memory] = {}
    for start in range(0, len(ids), AT_ONCE):
        query = select(*COLUMNS).where(mine(scope), memories.c.id.in_(ids[start : start + AT_ONCE]))
        found |= {row.id: to_memory(row) for row in connection.execute(query)}
    return found


def versions_of(connection: Connection, scope: Scope, memory_id: str) -> list[Memory]:
    """What a memory replaced, and what that replaced: the newest first."""
    found: list[Memory] = []
    seen, asked = {memory_id}, [memory_id]
    while asked:
        query = select(*COLUMNS).where(mine(scope), memories.c.superseded_by.in_(asked[:AT_ONCE]))
        rows = [row for row in connection.execute(query.order_by(memories.c.created_at.desc())) if row.id not in seen]
        found += map(to_memory, rows)
        asked = asked[AT_ONCE:] + [row.id for row in rows]
        seen.update(asked)
    return found


def page(
    connection: Connection, scope: Scope, *, kind: Kind | None, superseded: bool, limit: int, before: str | None
) -> Page:
    """The newest first."""
    wanted = [mine(scope)]
    if kind is not None:
        wanted.append(memories.c.kind == kind)
    if not superseded:
        wanted.append(memories.c.superseded_at.is_(null()))
    total = connection.scalar(select(func.count()).select_from(memories).where(*wanted)) or 0
    if before is not None:
        time, _, last = before.partition("~")
        try:
            at = float(time)
        except ValueError:
            raise InvalidParameter("`before` is not a page of this list.", param="before") from None
        same = and_(memories.c.created_at == at, memories.c.id < last)
        wanted.append(or_(memories.c.created_at < at, same))
    query = select(*COLUMNS).where(*wanted).order_by(memories.c.created_at.desc(), memories.c.id.desc())
    rows = connection.execute(query.limit(limit + 1)).all()
    more, rows = len(rows) > limit, rows[:limit]
    cursor = f"{rows[-1].created_at!r}~{rows[-1].id}" if more else None
    return Page(memories=[to_memory(row) for row in rows], next=cursor, total=total)


def everything(connection: Connection, scope: Scope) -> list[Memory]:
    """All that there is of a person, superseded ones too, the oldest first."""
    query = select(*COLUMNS).where(mine(scope)).order_by(memories.c.created_at, memories.c.id)
    return [to_memory(row) for row in connection.execute(query)]


def load(connection: Connection, scope: Scope, kinds: Collection[str], model: str) -> Loaded:
    """The vectors of all that holds, of some kinds."""
    import numpy as np

    table = memories.c
    query = select(table.id, table.vector, table.used_at, table.importance, table.embedding_model)
    found = connection.execute(query.where(mine(scope), table.kind.in_(kinds), table.superseded_at.is_(null()))).all()
    good = [row for row in found if row[4] == model]
    flat = np.frombuffer(b"".join([row[1] for row in good]), np.float16).astype(np.float32)
    return Loaded(
        ids=[row[0] for row in good], matrix=flat.reshape(len(good), -1) if good else flat.reshape(0, 0),
        used_at=np.array([row[2] for row in good], np.float64),
        importance=np.array([row[3] for row in good], np.float64), stale=len(good) < len(found),
    )  # fmt: skip


def stale(connection: Connection, scope: Scope, kinds: Collection[str], model: str) -> dict[str, str]:
    """Ids and texts of what another model has embedded."""
    table = memories.c
    wanted = (table.kind.in_(kinds), table.superseded_at.is_(null()), table.embedding_model != model)
    query = select(table.id, table.text).where(mine(scope), *wanted)
    return {row.id: row.text for row in connection.execute(query)}


def attribute_of(text: str, kind: str) -> str | None:
    """What a memory is about, where its words show it."""
    return read_statement(text).key if kind in ("user", "fact") else None


def with_attribute(connection: Connection, scope: Scope, kinds: Collection[str], attribute: str | None) -> list[str]:
    """Ids of what holds of one attribute."""
    if attribute is None:
        return []
    wanted = (memories.c.kind.in_(kinds), memories.c.attribute == attribute, memories.c.superseded_at.is_(null()))
    return list(connection.scalars(select(memories.c.id).where(mine(scope), *wanted)))


def change(connection: Connection, scope: Scope, ids: Sequence[str], **values: Any) -> None:
    connection.execute(update(memories).where(mine(scope), memories.c.id.in_(ids)).values(**values))


def embed_anew(
    connection: Connection, scope: Scope, ids: Sequence[str], vectors: Sequence[Vector] | Vector, model: str
) -> None:
    """Vectors of a model for what another had embedded; not for what was corrected, and so embedded, meanwhile."""
    for memory_id, vector in zip(ids, vectors, strict=True):
        wanted = (mine(scope), memories.c.id == memory_id, memories.c.embedding_model != model)
        values = {"vector": pack(vector), "embedding_model": model}
        connection.execute(update(memories).where(*wanted).values(values))


def merge(connection: Connection, scope: Scope, memory: Memory, importance: float, now: float) -> Memory:
    """The same was said once more."""
    values = {"repeats": memories.c.repeats + 1, "used_at": now, "importance": max(memory.importance, importance)}
    change(connection, scope, [memory.id], **values)
    return find(connection, scope, memory.id)


def forget(connection: Connection, scope: Scope, memory_id: str) -> int:
    """Delete a memory and what it had replaced; how many rows went. Raises `NotFound`."""
    find(connection, scope, memory_id)
    ids = [memory_id, *(version.id for version in versions_of(connection, scope, memory_id))]
    for start in range(0, len(ids), AT_ONCE):
        connection.execute(delete(memories).where(mine(scope), memories.c.id.in_(ids[start : start + AT_ONCE])))
    return len(ids)


def forget_all(connection: Connection, tenant: str, person: str) -> int:
    """Delete all that is remembered of a person; how many rows went."""
    gone = connection.execute(delete(memories).where(memories.c.tenant == tenant, memories.c.owner == person))
    connection.execute(delete(memory_notes).where(memory_notes.c.tenant == tenant, memory_notes.c.owner == person))
    return gone.rowcount


def prune(connection: Connection, scope: Scope, most: int, *, kept: str, now: float, half_life: float) -> int:
    """Delete what is above `most`, but not `kept`: superseded ones first, then the least important and longest unused.

    `half_life` is in seconds. Gives how many went, and notes it.
    """
    count = connection.scalar(select(func.count()).select_from(memories).where(mine(scope))) or 0
    if count <= most:
        return 0
    table = memories.c
    rows = connection.execute(
        select(table.id, table.importance, table.used_at, table.superseded_at).where(mine(scope), table.id != kept)
    ).all()

    def worth(row: Any) -> tuple[bool, float]:
        return row.superseded_at is None, row.importance + 0.5 ** (max(now - row.used_at, 0.0) / half_life)

    gone = [row.id for row in sorted(rows, key=worth)[: count - most]]
    for start in range(0, len(gone), AT_ONCE):
        connection.execute(delete(memories).where(mine(scope), table.id.in_(gone[start : start + AT_ONCE])))
    person = (memory_notes.c.tenant == scope.tenant, memory_notes.c.owner == person_of(scope))
    values = {"pruned": memory_notes.c.pruned + len(gone), "pruned_at": now}
    if not connection.execute(update(memory_notes).where(*person).values(values)).rowcount:
        first = {"tenant": scope.tenant, "owner": person_of(scope), "pruned": len(gone), "pruned_at": now}
        connection.execute(insert(memory_notes).values(first))
    return len(gone)


def pruned(connection: Connection, scope: Scope) -> tuple[int, datetime | None]:
    """How many had to go so far, and when the last did."""
    query = select(memory_notes.c.pruned, memory_notes.c.pruned_at)
    person = (memory_notes.c.tenant == scope.tenant, memory_notes.c.owner == person_of(scope))
    row = connection.execute(query.where(*person)).one_or_none()
    return (0, None) if row is None else (row.pruned, moment(row.pruned_at))
