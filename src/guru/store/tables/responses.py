"""Answers of the Responses API that were asked to be kept."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, Index, String, Table

from guru.store.tables.base import metadata

responses = Table(
    "responses",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    # Who made it: `user:ann`, `key:key_…`, or `owner` for the person whose machine it is.
    Column("owner", String, nullable=False),
    # The answer before this one in the conversation.
    Column("previous_id", String),
    # The items of this turn's input, each with an id; the answer as it was shown, with its output.
    Column("input", JSON, nullable=False),
    Column("response", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Index("responses_by_time", "created_at"),
)
