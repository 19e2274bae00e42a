"""What indexes on other servers have been given of the passages."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, String, Table

from guru.store.tables.base import metadata

# No key points to a collection or a chunk: what is gone here has still to be removed there.
index_marks = Table(
    "index_marks",
    metadata,
    Column("collection_id", String, primary_key=True),
    Column("store", String, primary_key=True),
    Column("tenant", String, nullable=False),
    # What the collection is called there. It changes with the embedding model.
    Column("name", String, nullable=False),
    # Of the passages up to this id, all that were there at this generation have been given.
    Column("newest", BigInteger, nullable=False, default=0),
    Column("generation", Integer, nullable=False, default=-1),
    # Who gives at present, and until when nobody else does.
    Column("owner", String),
    Column("until", Float),
)

# A passage that may be there: written before it is given, removed after it has been removed there.
index_entries = Table(
    "index_entries",
    metadata,
    Column("chunk_id", BigInteger, primary_key=True, autoincrement=False),
    Column("store", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("collection_id", String, nullable=False),
    Index("index_entries_of_collection", "collection_id", "store"),
)
