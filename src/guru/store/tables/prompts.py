"""Prompts: their versions, which never change, and the labels that name some of them."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from guru.store.tables.base import metadata

prompts = Table(
    "prompts",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("name", String, nullable=False),
    # The number of the newest version.
    Column("latest", Integer, nullable=False),
    # The file that it is read from, by its name, and the SHA-256 of what was read: then nobody else saves versions.
    Column("file", String),
    Column("file_digest", String),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    UniqueConstraint("tenant", "name"),
)

prompt_versions = Table(
    "prompt_versions",
    metadata,
    Column("prompt_id", ForeignKey("prompts.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("definition", JSON, nullable=False),
    # SHA-256 of the definition: the same content is not kept twice in a row.
    Column("digest", String, nullable=False),
    Column("author", String, nullable=False),
    Column("notes", Text, nullable=False),
    Column("created_at", Float, nullable=False),
)

prompt_labels = Table(
    "prompt_labels",
    metadata,
    Column("prompt_id", ForeignKey("prompts.id", ondelete="CASCADE"), primary_key=True),
    Column("label", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("version", Integer, nullable=False),
)

# Every move of a label, in its order: what a rollback goes back by.
prompt_moves = Table(
    "prompt_moves",
    metadata,
    Column("id", String, primary_key=True),
    Column("prompt_id", ForeignKey("prompts.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("tenant", String, nullable=False),
    Column("label", String, nullable=False),
    # None: the label was not there before, or is not there any more.
    Column("before", Integer),
    Column("after", Integer),
    Column("author", String, nullable=False),
    Column("at", Float, nullable=False),
    UniqueConstraint("prompt_id", "number"),
    Index("moves_of_label", "prompt_id", "label", "number"),
)
