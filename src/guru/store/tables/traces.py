"""What happened to requests."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from guru.store.tables.base import metadata

traces = Table(
    "traces",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("route", String, nullable=False),
    Column("model", String),
    Column("status", String, nullable=False),
    Column("error", Text),
    Column("started_at", Float, nullable=False),
    Column("duration", Float, nullable=False),
    Column("first_token", Float),
    Column("prompt_tokens", Integer, nullable=False, default=0),
    Column("completion_tokens", Integer, nullable=False, default=0),
    Column("cost", Float, nullable=False, default=0.0),
    Column("preview", String),
    Column("attributes", JSON, nullable=False, default=dict),
    Index("traces_by_time", "tenant", "started_at"),
)

spans = Table(
    "spans",
    metadata,
    Column("trace_id", ForeignKey("traces.id", ondelete="CASCADE"), primary_key=True),
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("parent_id", String),
    Column("name", String, nullable=False),
    Column("start", Float, nullable=False),
    Column("end", Float, nullable=False),
    Column("status", String, nullable=False),
    Column("attributes", JSON, nullable=False, default=dict),
)
