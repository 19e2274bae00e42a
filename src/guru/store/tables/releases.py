"""Releases: which version of a model gets which share, how it does, and what users thought of the answers."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from guru.store.tables.base import metadata

# A row is never changed: another definition under the same label is another version.
model_versions = Table(
    "model_versions",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("alias", String, primary_key=True),
    Column("label", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("definition", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
)

releases = Table(
    "releases",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("alias", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("status", String, nullable=False),
    Column("share", Float, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("flags", JSON, nullable=False, default=list),
    Column("reason", Text),
    Column("started_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    Index("releases_of_alias", "tenant", "alias", "started_at"),
)

# What is counted while the share stays the same: an epoch. Sums only, so that a row is small forever.
release_counts = Table(
    "release_counts",
    metadata,
    Column("release_id", ForeignKey("releases.id", ondelete="CASCADE"), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("arm", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("counts", JSON, nullable=False),
)

release_changes = Table(
    "release_changes",
    metadata,
    Column("id", String, primary_key=True),
    Column("release_id", ForeignKey("releases.id", ondelete="CASCADE"), nullable=False),
    Column("tenant", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("actor", String, nullable=False),
    Column("action", String, nullable=False),
    Column("before", JSON),
    Column("after", JSON),
    Index("changes_of_release", "release_id", "at"),
)

shadow_answers = Table(
    "shadow_answers",
    metadata,
    Column("id", String, primary_key=True),
    Column("release_id", ForeignKey("releases.id", ondelete="CASCADE"), nullable=False),
    Column("tenant", String, nullable=False),
    Column("trace_id", String, nullable=False),
    Column("shadow_trace_id", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("status", String, nullable=False),
    Column("error", Text),
    Column("text", Text, nullable=False),
    Column("duration", Float, nullable=False),
    Column("cost", Float, nullable=False),
    Index("shadows_of_release", "release_id", "at"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("trace_id", String, nullable=False),
    # Who said it: one opinion each, the last one counts.
    Column("author", String, nullable=False),
    Column("score", Float, nullable=False),
    Column("comment", Text),
    Column("alias", String),
    Column("variant", String),
    Column("at", Float, nullable=False),
    UniqueConstraint("tenant", "trace_id", "author"),
    Index("feedback_by_time", "tenant", "at"),
)
