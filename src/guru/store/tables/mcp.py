"""Tools of MCP servers as they were accepted; sessions and tasks of clients of `/mcp`, which several servers share."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, Index, String, Table, Text

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

mcp_sessions = Table(
    "mcp_sessions",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    # Whose it is, and the key that they came with; empty without one.
    Column("person", String, nullable=False),
    Column("key", String, nullable=False),
    Column("revision", String, nullable=False),
    # What the client calls itself.
    Column("client", String, nullable=False),
    Column("capabilities", JSON, nullable=False),
    # Of log messages that it is sent.
    Column("level", String, nullable=False),
    # The resources whose changes it is told of.
    Column("uris", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("used_at", Float, nullable=False),
    Index("mcp_sessions_of", "tenant", "person", "used_at"),
)

# The answer to a request of a session whose client went away before it was whole.
mcp_streams = Table(
    "mcp_streams",
    metadata,
    Column("session", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("tenant", String, nullable=False),
    # The id of the request, as JSON.
    Column("request", String, nullable=False),
    # Numbers and texts of the messages.
    Column("messages", JSON, nullable=False),
    Column("ended", Boolean, nullable=False),
    # When the server that works on it said so last.
    Column("alive_at", Float, nullable=False),
)

# What one server has for another one, which works for the same session.
mcp_mail = Table(
    "mcp_mail",
    metadata,
    Column("session", String, primary_key=True),
    # `question`: a client was asked something; `cancel`: a request; `resume`: a stream.
    Column("kind", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("tenant", String, nullable=False),
    # The answer to a question, as JSON.
    Column("body", Text),
    Column("sent_at", Float, nullable=False),
)

mcp_tasks = Table(
    "mcp_tasks",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("person", String, nullable=False),
    Column("key", String, nullable=False),
    Column("status", String, nullable=False),
    # `result` or `error`, at the end.
    Column("outcome", JSON, nullable=False),
    # What the client has not answered yet, and what it has.
    Column("questions", JSON, nullable=False),
    Column("answers", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("alive_at", Float, nullable=False),
    Index("mcp_tasks_of", "tenant", "person", "status"),
)
