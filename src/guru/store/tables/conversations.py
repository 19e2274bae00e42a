"""Conversations and their messages."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Index, String, Table, Text

from guru.store.tables.base import metadata

conversations = Table(
    "conversations",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    # Who made it: `user:ann`, `key:key_…`, or `owner` for the person whose machine it is.
    Column("owner", String, nullable=False),
    Column("title", String),
    Column("collection", String),
    Column("model", String),
    # Whether it uses what is remembered of its owner; none: as `[memory] enabled` says.
    Column("memory", Boolean),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Index("conversations_by_time", "tenant", "owner", "updated_at"),
)

# A tree: an edited question or a retried answer is one more child of the same parent.
messages = Table(
    "messages",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("conversation_id", ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("parent_id", ForeignKey("messages.id", ondelete="CASCADE")),
    Column("role", String, nullable=False),
    Column("content", JSON, nullable=False),
    Column("citations", JSON, nullable=False, default=list),
    Column("unsupported", JSON, nullable=False, default=list),
    Column("conflicts", JSON),
    Column("progress", JSON),
    Column("outcome", String),
    Column("confidence", Float),
    Column("model", String),
    Column("usage", JSON),
    Column("cost", Float),
    Column("timings", JSON),
    Column("trace_id", String),
    Column("status", String, nullable=False),
    Column("error", Text),
    Column("created_at", Float, nullable=False),
    Index("messages_of_conversation", "conversation_id", "created_at"),
)
