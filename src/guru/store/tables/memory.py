"""What is remembered of people."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from guru.store.tables.base import metadata

# One row for each memory of one person; a superseded one stays, and names the one in its place.
memories = Table(
    "memories",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    # `user:ann`, `key:key_…`, or `owner` for the person whose machine it is. Nobody else reads it.
    Column("owner", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("text", Text, nullable=False),
    # What it is about, as `user: home`; of a summary, the hash of the messages in it.
    Column("attribute", String),
    Column("importance", Float, nullable=False),
    Column("made_by", String, nullable=False),
    # Of the person's own, or none.
    Column("conversation_id", ForeignKey("conversations.id", ondelete="SET NULL")),
    Column("source", JSON, nullable=False),
    Column("repeats", Integer, nullable=False, default=0),
    # float16, and the model that it is of; a summary has none.
    Column("vector", LargeBinary),
    Column("embedding_model", String, nullable=False, default=""),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("used_at", Float, nullable=False),
    Column("superseded_at", Float),
    Column("superseded_by", String),
    Index("memories_of_person", "tenant", "owner", "kind", "created_at"),
    Index("memories_of_conversation", "conversation_id"),
)

# What had to go because a person had too many: shown, so that nothing is dropped in silence.
memory_notes = Table(
    "memory_notes",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("owner", String, primary_key=True),
    Column("pruned", Integer, nullable=False),
    Column("pruned_at", Float, nullable=False),
)
