"""Collections, their documents and passages."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from guru.store.tables.base import RowId, metadata

collections = Table(
    "collections",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("name", String, nullable=False),
    Column("embedding_model", String, nullable=False),
    # The model before the last change, whose vectors are kept for going back, and since when they are the old ones.
    Column("previous_model", String),
    Column("switched_at", Float),
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
    # Of the vectors that stand in the rows of its chunks; those of other models are in `chunk_vectors`.
    Column("embedding_model", String, nullable=False, server_default=""),
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

# Who may see a document: one row for each name on its list. A document without rows is everybody's of the tenant.
document_access = Table(
    "document_access",
    metadata,
    Column("document_id", ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("collection_id", ForeignKey("collections.id", ondelete="CASCADE"), nullable=False),
    Index("document_access_of_collection", "collection_id"),
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
    # What is read where this chunk is found, and the row that names the columns of the table that it begins within.
    Column("parent_start", Integer),
    Column("parent_end", Integer),
    Column("header_start", Integer),
    Column("header_end", Integer),
    Column("text", Text, nullable=False),
    # Terms with their counts, for BM25; the unit vector of the passage, what that is rounded by (not in rows of earlier
    # versions), and the vectors of its sentences.
    Column("terms", LargeBinary, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    Column("vector_residual", LargeBinary),
    Column("sentences", LargeBinary, nullable=False),
    # Terms of the sentences in order, for how much of a query one sentence has.
    Column("sentence_terms", LargeBinary, nullable=False),
    Column("sentence_vectors", LargeBinary, nullable=False),
    Index("chunks_of_document", "document_id", "ordinal"),
    Index("chunks_of_collection", "collection_id", "id"),
    sqlite_autoincrement=True,  # a removed chunk's number is never given to another
)

# Vectors of a chunk by another model than the one whose vectors stand in its row: of the one that a collection is being
# changed to, or has been changed to, or had before.
chunk_vectors = Table(
    "chunk_vectors",
    metadata,
    Column("chunk_id", ForeignKey("chunks.id", ondelete="CASCADE"), primary_key=True),
    Column("model", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("collection_id", ForeignKey("collections.id", ondelete="CASCADE"), nullable=False),
    Column("vector", LargeBinary, nullable=False),
    Column("vector_residual", LargeBinary),
    Column("sentence_vectors", LargeBinary, nullable=False),
    Index("chunk_vectors_of_collection", "collection_id", "model"),
)

# Vectors of texts that were embedded before; `knowledge/embedding_cache.py` says why nobody reads one without its text.
embeddings = Table(
    "embeddings",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    Column("used_at", Float, nullable=False),
    Index("embeddings_by_use", "used_at"),
    Index("embeddings_of_tenant", "tenant"),
)
