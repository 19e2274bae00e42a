"""Workflows: what they are, version by version; their runs, and every step of each."""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint, text

from guru.store.tables.base import metadata

PARKED: Final = text("status = 'parked'")

workflows = Table(
    "workflows",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("name", String, nullable=False),
    # The newest.
    Column("version", Integer, nullable=False),
    Column("description", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    UniqueConstraint("tenant", "name"),
)

workflow_versions = Table(
    "workflow_versions",
    metadata,
    Column("workflow_id", ForeignKey("workflows.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("definition", JSON, nullable=False),
    Column("made_by", String, nullable=False),
    Column("created_at", Float, nullable=False),
)

workflow_runs = Table(
    "workflow_runs",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("owner", String, nullable=False),
    # By name, and with the definition that it began with: a run outlives its workflow.
    Column("workflow", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("definition", JSON, nullable=False),
    Column("status", String, nullable=False),
    Column("input", JSON, nullable=False),
    Column("output", JSON),
    Column("error", String),
    Column("cause", Text),
    # Who began it: what its steps ask for is asked as theirs.
    Column("caller", JSON, nullable=False),
    Column("job_id", String),
    # Rises with everybody who takes the run up, so that one who was thought dead writes nothing more.
    Column("epoch", Integer, nullable=False, default=0),
    # Rises with every change, for those who watch.
    Column("changes", Integer, nullable=False, default=0),
    Column("bytes", Integer, nullable=False, default=0),
    # When it goes on by itself, where it waits.
    Column("wake_at", Float),
    Column("deadline_at", Float),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("finished_at", Float),
    Index("workflow_runs_by_tenant", "tenant", "id"),
    Index("workflow_runs_by_status", "status", "wake_at"),
    Index("workflow_runs_by_end", "status", "finished_at"),
)

workflow_steps = Table(
    "workflow_steps",
    metadata,
    Column("run_id", ForeignKey("workflow_runs.id", ondelete="CASCADE"), primary_key=True),
    # Where it is in the run: `charge`, `charge#2` the second time, `each/3/resize` within a map.
    Column("path", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("name", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("status", String, nullable=False),
    Column("input", JSON),
    Column("output", JSON),
    # The step after it.
    Column("next", String),
    Column("error", String),
    Column("cause", Text),
    Column("attempts", JSON, nullable=False),
    # What a person is asked, who may answer, and what was answered, by what it was asked for.
    Column("ask", JSON),
    Column("answers", JSON, nullable=False),
    # The run of an agent that the step has begun.
    Column("agent_run", String),
    Column("wake_at", Float),
    Column("started_at", Float, nullable=False),
    Column("finished_at", Float),
    # Looked through every second: few steps wait for an agent that waits for a person.
    Index("workflow_steps_parked", "agent_run", sqlite_where=PARKED, postgresql_where=PARKED),
)
