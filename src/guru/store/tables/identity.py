"""Who may call, and who changed what."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, Index, Integer, LargeBinary, String, Table, Text

from guru.store.tables.base import metadata

teams = Table(
    "teams",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("models", JSON, nullable=False),
    Column("limits", JSON),
    Column("budget", JSON),
    Column("created_at", Float, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("role", String, nullable=False),
    Column("team", String),
    Column("limits", JSON),
    Column("budget", JSON),
    Column("disabled", Boolean, nullable=False, default=False),
    Column("created_at", Float, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("name", String, nullable=False),
    # SHA-256 of the key; of the one before it, as long as that one still opens.
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("previous_hash", LargeBinary),
    Column("previous_expires_at", Float),
    Column("prefix", String, nullable=False),
    Column("role", String, nullable=False),
    Column("team", String),
    Column("user", String),
    Column("models", JSON, nullable=False),
    Column("routes", JSON, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("limits", JSON),
    Column("budget", JSON),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("revoked_at", Float),
    Column("last_used_at", Float),
    Index("api_keys_of_tenant", "tenant", "created_at"),
)

# One row. Raised by every transaction that changes who may call, for the other processes.
identity_generation = Table(
    "identity_generation",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("generation", Integer, nullable=False),
)

# Each row's hash covers the one before it. `before` and `after` are kept as the text that was hashed.
audit_entries = Table(
    "audit_entries",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("actor", String, nullable=False),
    Column("action", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("before", Text),
    Column("after", Text),
    Column("previous", String, nullable=False),
    Column("hash", String, nullable=False),
)

# How long each chain is and how it ends, so that a removed end is missed too.
audit_heads = Table(
    "audit_heads",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("hash", String, nullable=False),
)
