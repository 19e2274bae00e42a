"""The schema, step by step: an ordered list of plain functions. Forward only; a released step never changes."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    delete,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)

from guru.errors import StoreError
from guru.store import tables

applied = Table(
    "schema_migrations",
    MetaData(),
    Column("version", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("applied_at", Float, nullable=False),
)


def create_tables(connection: Connection) -> None:
    tables.metadata.create_all(connection)


def add_evaluations(connection: Connection) -> None:
    tables.metadata.create_all(connection, tables=[tables.evaluations, tables.evaluation_items])


def add_reading_places(connection: Connection) -> None:
    """Where a chunk's parent and the header of its table stand; a new database has the columns already."""
    names = ("parent_start", "parent_end", "header_start", "header_end")
    add_columns(connection, "chunks", **dict.fromkeys(names, "INTEGER"))


def add_document_access(connection: Connection) -> None:
    """Access lists of documents; a database that is new has them already."""
    tables.document_access.create(connection, checkfirst=True)


def add_conflicts(connection: Connection) -> None:
    """What an answer says of sources that disagree, and of how many it has read; a new database has it already."""
    known = {column["name"] for column in inspect(connection).get_columns("messages")}
    for name in ("conflicts", "progress"):
        if name not in known:
            connection.execute(text(f"ALTER TABLE messages ADD COLUMN {name} JSON"))


def add_summaries(connection: Connection) -> None:
    """Summaries of documents; a database that is new has them already."""
    tables.summaries.create(connection, checkfirst=True)


def add_models_of_vectors(connection: Connection) -> None:
    """Vectors of several models in one collection, and of texts embedded before. A recipe does not name the model any
    more, as documents are embedded anew without being cut anew."""
    add_columns(connection, "collections", previous_model="VARCHAR", switched_at="FLOAT")
    add_columns(connection, "documents", embedding_model="VARCHAR DEFAULT '' NOT NULL")
    tables.chunk_vectors.create(connection, checkfirst=True)
    tables.embeddings.create(connection, checkfirst=True)
    documents, collections = tables.documents, tables.collections
    for row in connection.execute(select(collections.c.id, collections.c.embedding_model)).all():
        recipe = func.replace(documents.c.recipe, f":{row.embedding_model}:", ":")
        without = (documents.c.collection_id == row.id, documents.c.embedding_model == "")
        values = {"embedding_model": row.embedding_model, "recipe": recipe}
        connection.execute(update(documents).where(*without).values(values))


def add_columns(connection: Connection, table: str, **columns: str) -> None:
    """Columns and their types; a database that is new has them already."""
    known = {column["name"] for column in inspect(connection).get_columns(table)}
    for name, kind in columns.items():
        if name not in known:
            connection.execute(text(f"ALTER TABLE {table} ADD COLUMN {name} {kind}"))


def add_index_marks(connection: Connection) -> None:
    """What indexes on other servers have been given; a database that is new has the tables already."""
    tables.metadata.create_all(connection, tables=[tables.index_marks, tables.index_entries])


def add_memory(connection: Connection) -> None:
    """What is remembered of people, and which conversations use it; a new database has it already."""
    tables.metadata.create_all(connection, tables=[tables.memories, tables.memory_notes])
    add_columns(connection, "conversations", memory="BOOLEAN")


def add_mcp_tools(connection: Connection) -> None:
    """Tools of MCP servers as they were accepted; a database that is new has the table already."""
    tables.mcp_tools.create(connection, checkfirst=True)


def add_agents(connection: Connection) -> None:
    """Agents and their runs; a database that is new has the tables already."""
    made = [tables.agents, tables.agent_runs, tables.agent_steps, tables.agent_marks]
    tables.metadata.create_all(connection, tables=made)


def add_prompts(connection: Connection) -> None:
    """Prompts with versions and labels; a database that is new has the tables already."""
    added = [tables.prompts, tables.prompt_versions, tables.prompt_labels, tables.prompt_moves]
    tables.metadata.create_all(connection, tables=added)


def add_workflows(connection: Connection) -> None:
    """Workflows, their runs and steps; a database that is new has the tables already."""
    names = ("workflows", "workflow_versions", "workflow_runs", "workflow_steps")
    tables.metadata.create_all(connection, tables=[tables.metadata.tables[name] for name in names])


def add_residuals(connection: Connection) -> None:
    """Vectors of passages in 16 bits; those that are stored have 8. So have those of texts that were embedded before,
    which would be taken for others: they are embedded again where they are wanted again."""
    kind = LargeBinary().compile(connection.dialect)
    for table in ("chunks", "chunk_vectors"):
        add_columns(connection, table, vector_residual=kind)
    connection.execute(delete(tables.embeddings))


MIGRATIONS: list[Callable[[Connection], None]] = [
    create_tables,
    add_evaluations,
    add_reading_places,
    add_document_access,
    add_conflicts,
    add_summaries,
    add_models_of_vectors,
    add_index_marks,
    add_memory,
    add_agents,
    add_mcp_tools,
    add_prompts,
    add_workflows,
    add_residuals,
]


def migrate(connection: Connection) -> int:
    """Bring the schema up to date in the caller's transaction; returns how many steps were taken.

    Raises `StoreError` when the database was written by a newer Guru, or belongs to another program.
    """
    refuse_foreign(connection)
    applied.create(connection, checkfirst=True)
    done = set(connection.scalars(select(applied.c.version)))
    if done and max(done) > len(MIGRATIONS):
        raise StoreError(
            f"The database has schema version {max(done)}; this Guru knows {len(MIGRATIONS)}.",
            hint="Upgrade Guru, or restore a backup made with this version.",
        )
    todo = [(version, step) for version, step in enumerate(MIGRATIONS, start=1) if version not in done]
    for version, step in todo:
        step(connection)
        connection.execute(insert(applied).values(version=version, name=step.__name__, applied_at=time.time()))
    return len(todo)


def refuse_foreign(connection: Connection) -> None:
    """Raises `StoreError` where other tables have our names: `users` and `files` are nobody's own."""
    looked = inspect(connection)
    there = set(looked.get_table_names())
    if applied.name in there:
        columns = {column["name"] for column in looked.get_columns(applied.name)}
        foreign = {applied.name} if columns != set(applied.c.keys()) else set()
    else:
        foreign = there & set(tables.metadata.tables)
    if foreign:
        raise StoreError(
            f"The database has tables of another program: {', '.join(sorted(foreign))}.",
            hint="Give Guru a database of its own: CREATE DATABASE guru",
        )
