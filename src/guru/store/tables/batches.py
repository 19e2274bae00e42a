"""Files that clients upload, and batches of requests."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from guru.store.tables.base import metadata

files = Table(
    "files",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    # Who made it: `user:ann`, `key:key_…`, or `owner` for the person whose machine it is.
    Column("owner", String, nullable=False),
    Column("filename", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    # The blob that holds the content.
    Column("digest", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Index("files_of_tenant", "tenant", "created_at"),
    Index("files_of_content", "digest"),
)

batches = Table(
    "batches",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    # Who made it: `user:ann`, `key:key_…`, or `owner` for the person whose machine it is.
    Column("owner", String, nullable=False),
    Column("endpoint", String, nullable=False),
    Column("input_file_id", String, nullable=False),
    Column("completion_window", String, nullable=False),
    Column("status", String, nullable=False),
    # Who handed it in: every line is a request of theirs.
    Column("caller", JSON, nullable=False),
    Column("metadata", JSON),
    Column("job_id", String),
    # The provider's own batch, where it runs there: `name` and `id`.
    Column("provider", JSON),
    # The counts of lines. Those of answers are here when the batch has ended, and its lines are in its files.
    Column("total", Integer, nullable=False, default=0),
    Column("completed", Integer),
    Column("failed", Integer),
    Column("errors", JSON),
    Column("output_seconds", Integer),
    Column("output_file_id", String),
    Column("error_file_id", String),
    Column("created_at", Float, nullable=False),
    Column("in_progress_at", Float),
    Column("finalizing_at", Float),
    Column("completed_at", Float),
    Column("failed_at", Float),
    Column("cancelling_at", Float),
    Column("cancelled_at", Float),
    Column("expires_at", Float, nullable=False),
    Column("expired_at", Float),
    Index("batches_of_tenant", "tenant", "created_at"),
)

# A line that is finished. It is there before it is counted, so a batch that goes on after a kill asks no line twice
# that it has an answer to.
batch_lines = Table(
    "batch_lines",
    metadata,
    Column("batch_id", ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("succeeded", Integer, nullable=False),
    Column("result", Text, nullable=False),
)
