"""What happened to requests."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, Index, Integer, String, Table, Text

from guru.store.tables.base import metadata

traces = Table(
    "traces",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("route", String, nullable=False),
    Column("requested", String),
    Column("model", String),
    Column("key", String),
    Column("team", String),
    Column("user", String),
    Column("tags", JSON, nullable=False, default=list),
    Column("cache", String, nullable=False, default="miss"),
    Column("variant", String),
    Column("status", String, nullable=False),
    Column("error", Text),
    Column("started_at", Float, nullable=False),
    Column("duration", Float, nullable=False),
    Column("first_token", Float),
    Column("prompt_tokens", Integer, nullable=False, default=0),
    Column("completion_tokens", Integer, nullable=False, default=0),
    Column("cost", Float, nullable=False, default=0.0),
    Column("preview", String),
    # JSON texts, written as the journal has them: whoever opens one trace pays for reading them, not the road.
    Column("attributes", Text, nullable=False, default="{}"),
    Column("calls", Text, nullable=False, default="[]"),
    Column("spans", Text, nullable=False, default="[]"),
    Index("traces_by_time", "tenant", "started_at"),
)
