"""The tables of the index. All of it is derived: it is not transferred, and another form of it is made anew.

A collection has a number here, under which its vectors and postings stand. Numbers are never given again, so that what
a number has left behind is nobody's and can be swept later. Triggers keep the tables true when passages are removed
and documents changed, in the same transaction, by whatever program. What comes is written by the keeper (`keeper.py`).
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import DatabaseError

from guru.errors import StoreError

VERSION: Final = 2
"""Raised with every change of the tables, which are then made anew."""
OLDEST: Final = (0, 8)
"""Of pgvector: the first that goes on searching a graph until a filter has let enough through."""
MOST_DIMENSIONS: Final = 3900
"""Half precision numbers in one row, and in a page of a graph."""

TABLES: Final = """
CREATE TABLE index_schema (version integer NOT NULL);
CREATE TABLE index_collections (
    number serial PRIMARY KEY,
    tenant varchar NOT NULL,
    collection_id varchar NOT NULL UNIQUE REFERENCES collections (id) ON DELETE CASCADE,
    embedding_model varchar NOT NULL,
    dimension integer NOT NULL,
    newest bigint NOT NULL,      -- passages up to this id are in the index, where they are not gone
    -- A server of an earlier version, which writes no facts, cannot say that it has put passages in.
    described bigint NOT NULL DEFAULT 0 CHECK (described = newest),
    generation integer NOT NULL  -- of the collection when all that there was had come
);
-- Passages and their lengths, as sums of changes: those who add and those who remove do not wait for each other.
CREATE TABLE index_totals (number integer NOT NULL, passages integer NOT NULL, length bigint NOT NULL);
CREATE INDEX index_totals_of ON index_totals (number);
CREATE TABLE index_postings (
    number integer NOT NULL,
    term bigint NOT NULL,
    chunk_id bigint NOT NULL,
    frequency real NOT NULL,     -- weighted over the fields
    length integer NOT NULL,     -- of the passage, in terms
    PRIMARY KEY (number, term, chunk_id) INCLUDE (frequency, length)
);
CREATE INDEX index_postings_of_chunk ON index_postings (chunk_id);
CREATE TABLE index_documents (
    number integer NOT NULL,
    document_id varchar NOT NULL,
    passages integer NOT NULL,   -- of the whole document
    facts jsonb,                 -- what filters look at (`facts.py`); `null`: it cannot be held; NULL: it has changed
    PRIMARY KEY (number, document_id)
);
CREATE INDEX index_documents_facts ON index_documents USING gin (facts jsonb_path_ops) WITH (fastupdate = off);
CREATE INDEX index_documents_odd ON index_documents (number) WHERE facts IS NULL OR facts = 'null';
"""
# Vectors stand in the row and not beside it (PLAIN), so that a scan reads pages in order.
VECTORS: Final = """
CREATE TABLE IF NOT EXISTS {table} (
    chunk_id bigint NOT NULL,
    number integer NOT NULL,
    document_id varchar NOT NULL,
    length integer NOT NULL,
    vector halfvec({dimension}) NOT NULL,
    PRIMARY KEY (chunk_id, number)
);
ALTER TABLE {table} ALTER COLUMN vector SET STORAGE PLAIN;
CREATE INDEX IF NOT EXISTS {table}_of_document ON {table} (number, document_id) INCLUDE (chunk_id, length);
"""
# Not by foreign keys: they would be checked for each of a million postings, and a collection that goes as a whole is
# only forgotten here; its rows are swept in portions later, when nobody waits.
FORGET: Final = """
CREATE FUNCTION index_forget() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $body$
DECLARE
    of record;
BEGIN
    FOR of IN
        SELECT i.number, i.dimension, count(*) AS gone,
               (SELECT coalesce(sum(t.passages), 0) FROM index_totals t WHERE t.number = i.number) AS passages
        FROM gone g JOIN index_collections i ON i.collection_id = g.collection_id AND g.id <= i.newest
        GROUP BY i.number, i.dimension
    LOOP
        IF of.gone > 1000 AND of.gone * 2 > of.passages THEN
            DELETE FROM index_collections WHERE number = of.number;
            CONTINUE;
        END IF;
        DELETE FROM index_postings p USING gone g WHERE p.chunk_id = g.id AND p.number = of.number;
        DELETE FROM index_documents d USING (SELECT DISTINCT document_id FROM gone) g
        WHERE d.number = of.number AND d.document_id = g.document_id
            AND NOT EXISTS (SELECT FROM chunks c WHERE c.document_id = d.document_id);
        EXECUTE format(
            'WITH forgotten AS (
                 DELETE FROM %I v USING gone g WHERE v.chunk_id = g.id AND v.number = $1 RETURNING v.length
             )
             INSERT INTO index_totals SELECT $1, -count(*), -coalesce(sum(length), 0) FROM forgotten',
            'index_vectors_' || of.dimension
        ) USING of.number;
    END LOOP;
    RETURN NULL;
END $body$;
CREATE TRIGGER index_forget AFTER DELETE ON chunks REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION index_forget();
CREATE FUNCTION index_forget_facts() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $body$
BEGIN
    UPDATE index_documents d SET facts = NULL FROM index_collections i
    WHERE i.collection_id = NEW.collection_id AND d.number = i.number AND d.document_id = NEW.id;
    RETURN NULL;
END $body$;
CREATE TRIGGER index_forget_facts AFTER UPDATE OF
    name, title, author, language, media_type, created, modified, ingested_at, bytes, page_spans, metadata
    ON documents FOR EACH ROW EXECUTE FUNCTION index_forget_facts();
"""
OWN_TABLES: Final = ("index_collections", "index_totals", "index_documents", "index_postings")
"""Besides those of the vectors."""
OURS: Final = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND c.relkind = 'r' AND c.relname ~ :pattern
"""


def vectors_of(dimension: int) -> str:
    """The name of the table with the vectors of a dimension."""
    return f"index_vectors_{int(dimension)}"


def graph_of(number: int) -> str:
    """The name of the HNSW graph of a collection."""
    return f"index_graph_{int(number)}"


def find_extension(connection: Connection) -> bool:
    """Whether pgvector is in this database, or only could be. Raises `StoreError` where it could not."""
    installed = connection.scalar(text("SELECT extversion FROM pg_extension WHERE extname = 'vector'"))
    known = installed or connection.scalar(
        text("SELECT default_version FROM pg_available_extensions WHERE name = 'vector'")
    )
    if known is None:
        raise StoreError(
            "This PostgreSQL has no extension `vector`.",
            hint="Install pgvector 0.8 or later where PostgreSQL runs: https://github.com/pgvector/pgvector",
        )
    if tuple(int(part) for part in str(known).split(".")[:2]) < OLDEST:
        raise StoreError(
            f"The extension `vector` is {known}; the index needs 0.8 or a later one.",
            hint="Install it, and let an administrator run: ALTER EXTENSION vector UPDATE",
        )
    return installed is not None


def make_extension(connection: Connection) -> None:
    """See that pgvector is there, and make it where that is allowed. Raises `StoreError`."""
    if find_extension(connection):
        return
    try:
        connection.execute(text("CREATE EXTENSION vector"))
    except DatabaseError as error:
        said = " ".join(str(error.orig).split()).rstrip(".")
        raise StoreError(
            f"The extension `vector` cannot be made: {said}.",
            hint="Let an administrator run in this database: CREATE EXTENSION vector",
        ) from error


def make_tables(connection: Connection) -> None:
    """Make the tables, or make them anew where they have another form. In the writer's turn, so only once."""
    known = connection.scalar(text("SELECT to_regclass('index_schema')"))
    if known and connection.scalar(text("SELECT max(version) FROM index_schema")) == VERSION and _are_whole(connection):
        return
    drop_tables(connection)
    connection.exec_driver_sql(TABLES)
    connection.exec_driver_sql(FORGET, execution_options={"no_parameters": True})
    connection.execute(text("INSERT INTO index_schema (version) VALUES (:version)"), {"version": VERSION})


def drop_tables(connection: Connection) -> None:
    """Remove all of the index. What was searched in it is searched in memory then, until it is made anew."""
    connection.exec_driver_sql("DROP TRIGGER IF EXISTS index_forget ON chunks")
    connection.exec_driver_sql("DROP TRIGGER IF EXISTS index_forget_facts ON documents")
    connection.exec_driver_sql("DROP FUNCTION IF EXISTS index_forget(), index_forget_facts()")
    names = ["index_schema", *OWN_TABLES, *vector_tables(connection)]
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {', '.join(names)}")


def make_vectors(connection: Connection, dimension: int) -> None:
    """Make the table for vectors of a dimension where there is none."""
    table = vectors_of(dimension)
    if connection.scalar(text("SELECT to_regclass(:table)"), {"table": table}) is None:
        connection.exec_driver_sql(VECTORS.format(table=table, dimension=int(dimension)))


def vector_tables(connection: Connection) -> list[str]:
    return sorted(connection.scalars(text(OURS), {"pattern": "^index_vectors_[0-9]+$"}))


def _are_whole(connection: Connection) -> bool:
    """Whether every table of vectors has them: who drops the extension drops the columns with it."""
    columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass(:table) AND attname = 'vector'"
    return all(connection.scalar(text(columns), {"table": table}) for table in vector_tables(connection))
