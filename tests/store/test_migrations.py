"""A database of an earlier version is brought up to date with what is in it."""

from sqlalchemy import delete, insert, inspect, select, text

from guru.store.migrations import MIGRATIONS, applied
from guru.store.tables import (
    chunk_vectors,
    collections,
    conversations,
    documents,
    embeddings,
    evaluation_items,
    evaluations,
    index_entries,
    index_marks,
    messages,
)  # fmt: skip


async def test_the_tables_of_evaluations_are_added_to_a_database_that_lacks_them(stores, tmp_path):
    database = stores.database(tmp_path)
    await database.open()
    row = {"id": "col_1", "tenant": "local", "name": "kept", "embedding_model": "m", "created_at": 1, "updated_at": 1}

    def go_back(connection):
        connection.execute(insert(collections).values(row))
        evaluation_items.drop(connection)
        evaluations.drop(connection)
        connection.execute(delete(applied).where(applied.c.version >= 2))

    await database.write(go_back)
    await database.close()
    database = stores.database(tmp_path)
    await database.open()
    tables, names = await database.read(
        lambda connection: (
            set(inspect(connection).get_table_names()),
            list(connection.scalars(select(collections.c.name))),
        )
    )
    assert {"evaluations", "evaluation_items"} <= tables
    assert names == ["kept"]
    await database.close()


async def test_documents_of_a_database_without_models_of_vectors_get_theirs_and_stay_as_they_were_cut(stores, tmp_path):
    database = stores.database(tmp_path)
    await database.open()
    model = "local/all-minilm-l6-v2"
    collection = {"id": "c", "tenant": "t", "name": "c", "embedding_model": model, "created_at": 1, "updated_at": 1}
    document = {
        "id": "d", "tenant": "t", "collection_id": "c", "name": "n", "content_hash": "", "bytes": 0, "media_type": "",
        "recipe": f"2:{model}:recursive:200:40", "chunks": 0, "ingested_at": 0.0,
    }  # fmt: skip

    def go_back(connection):
        connection.execute(insert(collections).values(collection))
        connection.execute(insert(documents).values(document))
        chunk_vectors.drop(connection)
        embeddings.drop(connection)
        for table, column in (("documents", "embedding_model"), ("collections", "previous_model")):
            connection.execute(text(f"ALTER TABLE {table} DROP COLUMN {column}"))
        connection.execute(text("ALTER TABLE collections DROP COLUMN switched_at"))
        connection.execute(delete(applied).where(applied.c.name == "add_models_of_vectors"))

    await database.write(go_back)
    await database.close()
    database = stores.database(tmp_path)
    await database.open()
    row = await database.read(lambda connection: connection.execute(select(documents)).one())
    assert (row.recipe, row.embedding_model) == ("2:recursive:200:40", model)
    kept = await database.read(lambda connection: connection.execute(select(collections)).one())
    assert (kept.previous_model, kept.switched_at) == (None, None)
    tables = await database.read(lambda connection: set(inspect(connection).get_table_names()))
    assert {"chunk_vectors", "embeddings"} <= tables
    await database.close()


async def test_messages_without_conflicts_are_kept_and_can_have_some(stores, tmp_path):
    database = stores.database(tmp_path)
    await database.open()
    conversation = {"id": "conv_1", "tenant": "local", "owner": "o", "created_at": 1, "updated_at": 1}
    message = {"id": "msg_1", "tenant": "local", "conversation_id": "conv_1", "role": "assistant", "content": "Yes."}

    def go_back(connection):
        connection.execute(insert(conversations).values(conversation))
        connection.execute(insert(messages).values(message | {"status": "complete", "created_at": 1}))
        for name in ("conflicts", "progress"):
            connection.execute(text(f"ALTER TABLE messages DROP COLUMN {name}"))
        connection.execute(delete(applied).where(applied.c.name == "add_conflicts"))

    await database.write(go_back)
    await database.close()
    database = stores.database(tmp_path)
    await database.open()
    (kept,) = await database.read(lambda connection: connection.execute(select(messages)).all())
    assert (kept.id, kept.content, kept.conflicts, kept.progress) == ("msg_1", "Yes.", None, None)
    await database.close()


async def test_the_tables_of_indexes_elsewhere_are_added_to_a_database_that_lacks_them(stores, tmp_path):
    database = stores.database(tmp_path)
    await database.open()

    def go_back(connection):
        version = next(place for place, step in enumerate(MIGRATIONS, start=1) if step.__name__ == "add_index_marks")
        index_entries.drop(connection)
        index_marks.drop(connection)
        connection.execute(delete(applied).where(applied.c.version >= version))

    await database.write(go_back)
    await database.close()
    database = stores.database(tmp_path)
    await database.open()
    tables = await database.read(lambda connection: set(inspect(connection).get_table_names()))
    assert {"index_marks", "index_entries"} <= tables
    await database.close()


async def test_vectors_of_a_database_without_residuals_stay_and_texts_are_embedded_anew(stores, tmp_path):
    database = stores.database(tmp_path)
    await database.open()

    def go_back(connection):
        connection.execute(insert(embeddings).values(key=b"k", tenant="t", vector=b"an old one", used_at=0.0))
        for table in ("chunks", "chunk_vectors"):
            connection.execute(text(f"ALTER TABLE {table} DROP COLUMN vector_residual"))
        step = [step.__name__ for step in MIGRATIONS].index("add_residuals") + 1
        connection.execute(delete(applied).where(applied.c.version >= step))

    await database.write(go_back)
    await database.close()
    database = stores.database(tmp_path)
    await database.open()

    def look(connection):
        columns = {
            table: {it["name"] for it in inspect(connection).get_columns(table)}
            for table in ("chunks", "chunk_vectors")
        }
        return columns, connection.execute(select(embeddings)).all()

    columns, texts = await database.read(look)
    assert all("vector_residual" in names for names in columns.values())
    assert texts == []
    await database.close()
