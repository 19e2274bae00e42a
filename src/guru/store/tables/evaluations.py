"""Measurements of retrieval and answers on questions, with what came of each question."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, String, Table

from guru.store.tables.base import metadata

evaluations = Table(
    "evaluations",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("kind", String, nullable=False),
    # By name: the report outlives its collection.
    Column("collection", String, nullable=False),
    Column("job_id", String),
    # Who began it: what it asks of models is asked as theirs.
    Column("caller", JSON, nullable=False),
    Column("options", JSON, nullable=False),
    Column("report", JSON),
    Column("created_at", Float, nullable=False),
    Column("finished_at", Float),
    Index("evaluations_of_tenant", "tenant", "created_at"),
)

# A question, and what is known of it so far: an evaluation that goes on after a kill asks nothing twice.
evaluation_items = Table(
    "evaluation_items",
    metadata,
    Column("evaluation_id", ForeignKey("evaluations.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("question", JSON, nullable=False),
    Column("searched", JSON),
    Column("answered", JSON),
)
