"""Tools of MCP servers as a person, or the first look at them, accepted them."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, String, Table

from guru.store.tables.base import metadata

mcp_tools = Table(
    "mcp_tools",
    metadata,
    Column("tenant", String, primary_key=True),
    # As the configuration names it.
    Column("server", String, primary_key=True),
    Column("tool", String, primary_key=True),
    # SHA-256 of the definition, as canonical JSON.
    Column("hash", String, nullable=False),
    Column("definition", JSON, nullable=False),
    # Who accepted it; empty: it was accepted when it was first seen, as nothing was wrong with it.
    Column("accepted_by", String, nullable=False),
    Column("accepted_at", Float, nullable=False),
)
