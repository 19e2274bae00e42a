"""Summaries of documents and of their parts, kept by what they were made of: nothing is summarised twice."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, String, Table

from guru.store.tables.base import metadata

# They go with their document: what was removed, or replaced, leaves no summary behind.
summaries = Table(
    "summaries",
    metadata,
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    # A digest of the text, the method, the model and the length.
    Column("digest", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("body", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Index("summaries_of_tenant", "tenant"),
)
