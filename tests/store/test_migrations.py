"""A database of an earlier version is brought up to date with what is in it."""

import pytest
from sqlalchemy import Table, delete, insert, inspect, select, text

from guru.store import migrations
from guru.store.migrations import MIGRATIONS, applied
from guru.store.tables import (
    agent_runs,
    chunk_vectors,
    collections,
    conversations,
    documents,
    embeddings,
    evaluation_items,
    evaluations,
    index_entries,
    index_marks,
    mcp_mail,
    mcp_sessions,
    mcp_streams,
    mcp_tasks,
    messages,
    workflow_runs,
    workflow_steps,
)  # fmt: skip


@pytest.fixture
async def upgrade(stores, tmp_path):
    """A function that gives a database as it is after `step` and all later ones, made as it was before that step.

    It had `rows` then, each with its table; `lacking` are tables, columns as `table.column`, and statements.
    """
    opened = []

    async def upgrade(step, *lacking, rows=()):
        def go_back(connection):
            for table, row in rows:
                connection.execute(insert(table).values(row))
            for what in lacking:
                if isinstance(what, Table):
                    what.drop(connection)
                else:
                    table, _, column = what.partition(".")
                    connection.execute(text(f"ALTER TABLE {table} DROP COLUMN {column}" if column else what))
            connection.execute(delete(applied).where(applied.c.version > MIGRATIONS.index(step)))

        earlier = stores.database(tmp_path)
        await earlier.open()
        await earlier.write(go_back)
        await earlier.close()
        database = stores.database(tmp_path)
        await database.open()
        opened.append(database)
        return database

    yield upgrade
    for database in opened:
        await database.close()


def tables_of(connection):
    return set(inspect(connection).get_table_names())


async def test_the_tables_of_evaluations_are_added_to_a_database_that_lacks_them(upgrade):
    row = {"id": "col_1", "tenant": "local", "name": "kept", "embedding_model": "m", "created_at": 1, "updated_at": 1}
    database = await upgrade(migrations.add_evaluations, evaluation_items, evaluations, rows=[(collections, row)])
    assert {"evaluations", "evaluation_items"} <= await database.read(tables_of)
    names = await database.read(lambda connection: connection.scalars(select(collections.c.name)).all())
    assert names == ["kept"]


async def test_documents_of_a_database_without_models_of_vectors_get_theirs_and_stay_as_they_were_cut(upgrade):
    model = "local/all-minilm-l6-v2"
    collection = {"id": "c", "tenant": "t", "name": "c", "embedding_model": model, "created_at": 1, "updated_at": 1}
    document = {
        "id": "d", "tenant": "t", "collection_id": "c", "name": "n", "content_hash": "", "bytes": 0, "media_type": "",
        "recipe": f"2:{model}:recursive:200:40", "chunks": 0, "ingested_at": 0.0,
    }  # fmt: skip
    database = await upgrade(
        migrations.add_models_of_vectors,
        chunk_vectors, embeddings, "documents.embedding_model", "collections.previous_model", "collections.switched_at",
        rows=[(collections, collection), (documents, document)],
    )  # fmt: skip
    row = await database.read(lambda connection: connection.execute(select(documents)).one())
    assert (row.recipe, row.embedding_model) == ("2:recursive:200:40", model)
    kept = await database.read(lambda connection: connection.execute(select(collections)).one())
    assert (kept.previous_model, kept.switched_at) == (None, None)
    assert {"chunk_vectors", "embeddings"} <= await database.read(tables_of)


async def test_messages_without_conflicts_are_kept_and_can_have_some(upgrade):
    conversation = {"id": "conv_1", "tenant": "local", "owner": "o", "created_at": 1, "updated_at": 1}
    message = {
        "id": "msg_1", "tenant": "local", "conversation_id": "conv_1", "role": "assistant", "content": "Yes.",
        "status": "complete", "created_at": 1,
    }  # fmt: skip
    rows = [(conversations, conversation), (messages, message)]
    database = await upgrade(migrations.add_conflicts, "messages.conflicts", "messages.progress", rows=rows)
    (kept,) = await database.read(lambda connection: connection.execute(select(messages)).all())
    assert (kept.id, kept.content, kept.conflicts, kept.progress) == ("msg_1", "Yes.", None, None)


async def test_the_tables_of_indexes_elsewhere_are_added_to_a_database_that_lacks_them(upgrade):
    database = await upgrade(migrations.add_index_marks, index_entries, index_marks)
    assert {"index_marks", "index_entries"} <= await database.read(tables_of)


async def test_runs_of_a_database_without_their_ends_are_kept_and_found(upgrade):
    run = {
        "id": "run_1", "tenant": "t", "owner": "o", "workflow": "w", "version": 1, "definition": {}, "status": "done",
        "input": {}, "caller": {}, "created_at": 1.0,
    }  # fmt: skip
    step = {
        "run_id": "run_1", "path": "each/0/a:b#2", "tenant": "t", "name": "a:b", "kind": "task", "status": "done",
        "attempts": [], "answers": {}, "started_at": 1.0,
    }  # fmt: skip
    begun = {
        "tenant": "t", "owner": "o", "agent": "helper", "definition": {}, "caller": {}, "messages": [],
        "status": "waiting", "created_at": 1.0,
    }  # fmt: skip
    of_step = [begun | {"id": f"run_2{number}", "cause": f"workflow:run_1:each/0/a:b#2:{number}"} for number in (1, 2)]
    indexes = ("workflow_runs_by_tenant", "workflow_runs_by_end", "agent_runs_of_tenant", "workflow_steps_parked")
    database = await upgrade(
        migrations.add_ends_of_runs,
        *(f"DROP INDEX {name}" for name in indexes),
        "CREATE INDEX agent_runs_by_time ON agent_runs (tenant, created_at)",
        "workflow_steps.agent_run",
        rows=[(workflow_runs, run), (workflow_steps, step), *((agent_runs, row) for row in of_step)],
    )
    (kept,) = await database.read(lambda connection: connection.execute(select(workflow_steps)).all())
    assert (kept.path, kept.agent_run) == ("each/0/a:b#2", "run_22")

    def named(connection):
        tables = ("agent_runs", "workflow_runs", "workflow_steps")
        return {index["name"] for table in tables for index in inspect(connection).get_indexes(table)}

    names = await database.read(named)
    assert set(indexes) <= names and "agent_runs_by_time" not in names


async def test_the_tables_of_mcp_sessions_are_added_to_a_database_that_lacks_them(upgrade):
    added = [mcp_sessions, mcp_streams, mcp_mail, mcp_tasks]
    database = await upgrade(migrations.add_mcp_sessions, *added)
    assert {table.name for table in added} <= await database.read(tables_of)


async def test_vectors_of_a_database_without_residuals_stay_and_texts_are_embedded_anew(upgrade):
    old = {"key": b"k", "tenant": "t", "vector": b"an old one", "used_at": 0.0}
    places = ("chunks", "chunk_vectors")
    lacking = [f"{table}.vector_residual" for table in places]
    database = await upgrade(migrations.add_residuals, *lacking, rows=[(embeddings, old)])

    def look(connection):
        return [{column["name"] for column in inspect(connection).get_columns(table)} for table in places]

    assert all("vector_residual" in names for names in await database.read(look))
    assert await database.read(lambda connection: connection.execute(select(embeddings)).all()) == []
