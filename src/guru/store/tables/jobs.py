"""Work that survives a restart."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, Index, Integer, String, Table, Text

from guru.store.tables.base import metadata

jobs = Table(
    "jobs",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    # Whose it is, where it is not everybody's of the organisation.
    Column("person", String),
    Column("kind", String, nullable=False),
    Column("subject", String),
    Column("status", String, nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("progress", JSON, nullable=False, default=dict),
    Column("result", JSON),
    Column("error", Text),
    Column("cancel_requested", Boolean, nullable=False, default=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("owner", String),
    Column("heartbeat_at", Float),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("finished_at", Float),
    Index("jobs_by_status", "status", "created_at"),
    Index("jobs_of_subject", "tenant", "subject", "created_at"),
)
