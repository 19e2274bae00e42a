"""A database of an earlier version is brought up to date with what is in it."""

from sqlalchemy import delete, insert, inspect, select, text

from guru.store.migrations import applied
from guru.store.tables import collections, conversations, evaluation_items, evaluations, messages


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
