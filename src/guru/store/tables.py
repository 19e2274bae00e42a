"""Every table. A row belongs to a tenant, and every query says which. Times are seconds since 1970, UTC."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

# SQLite numbers rows by itself only where the key is spelled INTEGER.
RowId = BigInteger().with_variant(Integer, "sqlite")

collections = Table(
    "collections",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("name", String, nullable=False),
    Column("embedding_model", String, nullable=False),
    Column("settings", JSON, nullable=False, default=dict),
    # Raised by every transaction that changes what a search can see.
    Column("generation", Integer, nullable=False, default=0),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    UniqueConstraint("tenant", "name"),
)

documents = Table(
    "documents",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("collection_id", ForeignKey("collections.id", ondelete="CASCADE"), nullable=False),
    Column("name", String, nullable=False),
    # What was ingested: the bytes, and the settings that turned them into chunks.
    Column("content_hash", String, nullable=False),
    Column("recipe", String, nullable=False),
    # The folder or file of the command that brought it, for `--prune`.
    Column("source", String),
    Column("bytes", BigInteger, nullable=False),
    Column("media_type", String, nullable=False),
    Column("title", String),
    Column("author", String),
    Column("language", String),
    Column("created", String),
    Column("modified", String),
    Column("page_spans", JSON, nullable=False, default=list),
    Column("headings", JSON, nullable=False, default=list),
    Column("metadata", JSON, nullable=False, default=dict),
    Column("warnings", JSON, nullable=False, default=list),
    Column("chunks", Integer, nullable=False),
    Column("ingested_at", Float, nullable=False),
    UniqueConstraint("collection_id", "name"),
    Index("documents_of_content", "content_hash"),
)

# Apart from `documents`, so that listing documents does not read their texts.
document_texts = Table(
    "document_texts",
    metadata,
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    Column("tenant", String, nullable=False),
    Column("text", Text, nullable=False),
)

chunks = Table(
    "chunks",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("tenant", String, nullable=False),
    Column("collection_id", ForeignKey("collections.id", ondelete="CASCADE"), nullable=False),
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("page", Integer),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("heading_path", JSON, nullable=False, default=list),
    Column("text", Text, nullable=False),
    # Terms with their counts, for BM25; unit vectors of the passage and of each of its sentences.
    Column("terms", LargeBinary, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    Column("sentences", LargeBinary, nullable=False),
    # Terms of the sentences in order, for how much of a query one sentence has.
    Column("sentence_terms", LargeBinary, nullable=False),
    Column("sentence_vectors", LargeBinary, nullable=False),
    Index("chunks_of_document", "document_id", "ordinal"),
    Index("chunks_of_collection", "collection_id", "id"),
    sqlite_autoincrement=True,  # a removed chunk's number is never given to another
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("subject", String),
    Column("status", String, nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("progress", JSON, nullable=False, default=dict),
    Column("result", JSON),
    Column("error", Text),
    Column("cancel_requested", Boolean, nullable=False, default=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("owner", String),
    Column("heartbeat_at", Float),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("finished_at", Float),
    Index("jobs_by_status", "status", "created_at"),
    Index("jobs_of_subject", "tenant", "subject", "created_at"),
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("title", String),
    Column("collection", String),
    Column("model", String),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Index("conversations_by_time", "tenant", "updated_at"),
)

# A tree: an edited question or a retried answer is one more child of the same parent.
messages = Table(
    "messages",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("conversation_id", ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("parent_id", ForeignKey("messages.id", ondelete="CASCADE")),
    Column("role", String, nullable=False),
    Column("content", JSON, nullable=False),
    Column("citations", JSON, nullable=False, default=list),
    Column("unsupported", JSON, nullable=False, default=list),
    Column("outcome", String),
    Column("confidence", Float),
    Column("model", String),
    Column("usage", JSON),
    Column("cost", Float),
    Column("timings", JSON),
    Column("trace_id", String),
    Column("status", String, nullable=False),
    Column("error", Text),
    Column("created_at", Float, nullable=False),
    Index("messages_of_conversation", "conversation_id", "created_at"),
)

traces = Table(
    "traces",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("route", String, nullable=False),
    Column("model", String),
    Column("status", String, nullable=False),
    Column("error", Text),
    Column("started_at", Float, nullable=False),
    Column("duration", Float, nullable=False),
    Column("first_token", Float),
    Column("prompt_tokens", Integer, nullable=False, default=0),
    Column("completion_tokens", Integer, nullable=False, default=0),
    Column("cost", Float, nullable=False, default=0.0),
    Column("preview", String),
    Column("attributes", JSON, nullable=False, default=dict),
    Index("traces_by_time", "tenant", "started_at"),
)

spans = Table(
    "spans",
    metadata,
    Column("trace_id", ForeignKey("traces.id", ondelete="CASCADE"), primary_key=True),
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("parent_id", String),
    Column("name", String, nullable=False),
    Column("start", Float, nullable=False),
    Column("end", Float, nullable=False),
    Column("status", String, nullable=False),
    Column("attributes", JSON, nullable=False, default=dict),
)
