"""Conversations and their messages as rows: one row per message, a tree."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import Connection, Row, and_, delete, insert, or_, select, update

from guru.errors import InvalidParameter, NotFound
from guru.store.scope import Scope
from guru.store.tables import conversations, memories, messages
from guru.types import Citation, Conflict, Part, Progress, Usage

MessageStatus = Literal["complete", "streaming", "interrupted", "failed"]


class StoredMessage(Struct, kw_only=True):
    """A message as it is kept. `parent_id` is the message before it; siblings are edits and retries."""

    id: str
    parent_id: str | None
    role: str
    content: str | list[Part]
    citations: list[Citation] = []
    unsupported: list[dict[str, int]] = []
    """Sentences without a source: offsets `start` and `end` in the content."""
    conflicts: list[Conflict] = []
    """Where its sources disagree on what was asked."""
    progress: Progress | None = None
    """Of an answer over many documents: how many were read, and which were not."""
    outcome: str | None = None
    confidence: float | None = None
    model: str | None = None
    usage: Usage | None = None
    cost: float | None = None
    timings: dict[str, float] | None = None
    """Seconds: queue, first_token and total; and tokens_per_second."""
    trace_id: str | None = None
    status: MessageStatus = "complete"
    error: str | None = None
    created_at: datetime


class Conversation(Struct, kw_only=True):
    id: str
    title: str | None
    collection: str | None
    model: str | None
    memory: bool | None = None
    """Whether it uses what is remembered of its owner. None: as the configuration says."""
    created_at: datetime
    updated_at: datetime


class ConversationPage(Struct):
    conversations: list[Conversation]
    next: str | None
    """Give it as `before` to see older ones; null at the end."""


class ConversationTree(Conversation, kw_only=True):
    messages: list[StoredMessage]


class Changes(Struct, forbid_unknown_fields=True):
    """What to change; what is left out stays."""

    title: str | UnsetType | None = UNSET
    collection: str | UnsetType | None = UNSET
    model: str | UnsetType | None = UNSET
    memory: bool | UnsetType | None = UNSET


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def to_conversation(row: Row[Any]) -> Conversation:
    return Conversation(
        id=row.id, title=row.title, collection=row.collection, model=row.model, memory=row.memory,
        created_at=moment(row.created_at), updated_at=moment(row.updated_at),
    )  # fmt: skip


def to_message(row: Row[Any]) -> StoredMessage:
    fields = {name: getattr(row, name) for name in StoredMessage.__struct_fields__}
    made = {"created_at": moment(row.created_at), "conflicts": row.conflicts or []}  # older rows have none
    return msgspec.convert(fields | made, StoredMessage)


def find_conversation(connection: Connection, scope: Scope, conversation_id: str) -> Row[Any]:
    """Raises `NotFound`."""
    query = select(conversations).where(scope.of(conversations), conversations.c.id == conversation_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"There is no conversation {conversation_id!r}.")
    return row


def list_conversations(connection: Connection, scope: Scope, limit: int, before: str | None) -> ConversationPage:
    """The ones used last come first."""
    query = select(conversations).where(scope.of(conversations))
    order = (conversations.c.updated_at.desc(), conversations.c.id.desc())
    if before is not None:
        time, _, last = before.partition("~")
        try:
            at = float(time)
        except ValueError:
            raise InvalidParameter("`before` is not a page of this list.", param="before") from None
        same = and_(conversations.c.updated_at == at, conversations.c.id < last)
        query = query.where(or_(conversations.c.updated_at < at, same))
    rows = connection.execute(query.order_by(*order).limit(limit + 1)).all()
    more = len(rows) > limit
    rows = rows[:limit]
    cursor = f"{rows[-1].updated_at!r}~{rows[-1].id}" if more else None
    return ConversationPage([to_conversation(row) for row in rows], cursor)


def read_tree(connection: Connection, scope: Scope, conversation_id: str) -> ConversationTree:
    """A conversation with all its messages, the oldest first. Raises `NotFound`."""
    row = find_conversation(connection, scope, conversation_id)
    mine = select(messages).where(messages.c.tenant == scope.tenant, messages.c.conversation_id == conversation_id)
    rows = connection.execute(mine.order_by(messages.c.created_at, messages.c.id)).all()
    conversation = to_conversation(row)
    fields = {name: getattr(conversation, name) for name in Conversation.__struct_fields__}
    return ConversationTree(**fields, messages=[to_message(item) for item in rows])


def insert_conversation(connection: Connection, row: dict[str, Any]) -> None:
    connection.execute(insert(conversations).values(row))


def change_conversation(connection: Connection, scope: Scope, conversation_id: str, values: dict[str, Any]) -> None:
    """Raises `NotFound`."""
    find_conversation(connection, scope, conversation_id)
    mine = and_(scope.of(conversations), conversations.c.id == conversation_id)
    connection.execute(update(conversations).where(mine).values(values))


def delete_conversation(connection: Connection, scope: Scope, conversation_id: str) -> None:
    """Raises `NotFound`."""
    find_conversation(connection, scope, conversation_id)
    mine = and_(scope.of(conversations), conversations.c.id == conversation_id)
    summary = (memories.c.tenant == scope.tenant, memories.c.conversation_id == conversation_id)
    connection.execute(delete(memories).where(*summary, memories.c.kind == "summary"))
    connection.execute(delete(conversations).where(mine))


def insert_message(connection: Connection, tenant: str, conversation_id: str, row: dict[str, Any]) -> StoredMessage:
    values = {"tenant": tenant, "conversation_id": conversation_id, **row}
    connection.execute(insert(messages).values(values))
    return to_message(connection.execute(select(messages).where(messages.c.id == row["id"])).one())


def change_message(connection: Connection, message_id: str, values: dict[str, Any]) -> None:
    connection.execute(update(messages).where(messages.c.id == message_id).values(values))


def interrupt_streaming(connection: Connection) -> int:
    """Answers that a dead process was writing: what was saved of them stays. Returns how many."""
    ended = update(messages).where(messages.c.status == "streaming").values(status="interrupted")
    return connection.execute(ended).rowcount
