"""Agents, their runs, and every step of each."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from guru.store.tables.base import metadata

agents = Table(
    "agents",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("name", String, nullable=False),
    Column("owner", String, nullable=False),
    Column("definition", JSON, nullable=False),
    # Who defined it: what it does by itself, it does as theirs.
    Column("caller", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("tenant", "name"),
)

agent_runs = Table(
    "agent_runs",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("owner", String, nullable=False),
    Column("agent", String, nullable=False),
    # The agent, and those that it may hand over to, as they were when the run began.
    Column("definition", JSON, nullable=False),
    # Who began it: what it asks of models and tools is asked as theirs.
    Column("caller", JSON, nullable=False),
    Column("messages", JSON, nullable=False),
    Column("status", String, nullable=False),
    Column("answer", Text),
    Column("error", Text),
    Column("hint", Text),
    Column("steps", Integer, nullable=False, default=0),
    Column("tokens", Integer, nullable=False, default=0),
    Column("cost", Float, nullable=False, default=0.0),
    Column("seconds", Float, nullable=False, default=0.0),
    Column("traces", JSON, nullable=False, default=list),
    # What began it: `person`, `schedule`, `document`, `webhook`, or the run that it replays.
    Column("cause", String, nullable=False),
    Column("job_id", String),
    Column("created_at", Float, nullable=False),
    Column("finished_at", Float),
    Index("agent_runs_of_tenant", "tenant", "id"),
    Index("agent_runs_by_cause", "tenant", "agent", "cause"),
    Index("agent_runs_by_end", "status", "finished_at"),
)

# What was done at the same time in one step has the same number.
agent_steps = Table(
    "agent_steps",
    metadata,
    Column("run_id", ForeignKey("agent_runs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False),
    Column("status", String, nullable=False),
    Column("request", JSON, nullable=False),
    Column("result", JSON),
    # Why a person must say something, and what was said.
    Column("reason", Text),
    Column("decision", JSON),
    # What the server of a tool wants to know of the person during the call.
    Column("asked", JSON),
    Column("begun_at", Float, nullable=False),
    Column("ended_at", Float),
)

# When an agent runs next by itself, or which documents it has seen: whoever moves the mark begins the run. That it has
# seen a document whose run was removed is a mark, too.
agent_marks = Table(
    "agent_marks",
    metadata,
    Column("tenant", String, primary_key=True),
    Column("agent", String, primary_key=True),
    Column("kind", String, primary_key=True),
    # The schedule or the collection: another one begins anew.
    Column("what", String, nullable=False),
    Column("mark", Float, nullable=False),
)
