"""The index in PostgreSQL beyond what every index promises: its graphs, its keeper, and who may make it."""

import asyncio
import os
import random
import signal
import subprocess
import sys

import numpy as np
import pytest
from sqlalchemy import delete, event, insert, select, text, update

from guru.config import StoreSettings
from guru.errors import StoreError
from guru.knowledge.collections import touch
from guru.knowledge.distance import nearness
from guru.knowledge.index.embedded import EmbeddedIndex, EmbeddedSearch
from guru.knowledge.index.own import look_for_pgvector, open_index, read_index_status
from guru.knowledge.index.postgresql import graphs, postings
from guru.knowledge.index.postgresql.catch_up import catch_up
from guru.knowledge.index.postgresql.index import PostgreSQLIndex, PostgreSQLSnapshot
from guru.knowledge.index.postgresql.schema import VERSION, make_tables
from guru.knowledge.index.stored import read_fine_rows
from guru.knowledge.query import weigh
from guru.knowledge.ranking import rank
from guru.knowledge.rows import pack_fine, split_fine
from guru.knowledge.terms import count_terms, hash_term
from guru.store.database import Database
from guru.store.scope import Scope
from guru.store.tables import chunk_vectors, chunks, collections, documents
from knowledge.index.corpus import ALL, Corpus
from knowledge.index.kept import KeptIndex
from knowledge.index.test_conformance import check, sentence

PER_DOCUMENT = 10


@pytest.fixture
def url(postgresql):
    made = postgresql.make_migrated()
    yield made
    postgresql.drop(made)


@pytest.fixture
async def database(url):
    opened = Database(url)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def index(database):
    """Kept by hand, with graphs from 2,000 passages on."""
    await open_index(database, StoreSettings())
    made = PostgreSQLIndex(database, graph_from=2000)
    yield made
    await made.aclose()


def clustered(count, dimension, seed):
    """Vectors as texts have them: near to others of their subject."""
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((40, dimension))
    found = centres[chance.integers(0, 40, count)] + chance.standard_normal((count, dimension)) * 1.2
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype("f4")


async def fill(database, count, dimension, *, name="c", tenant="t", first=0):
    """A collection of `count` passages, ten to a document."""
    texts = [f"pump {'valve' if n % 3 else 'tea'} part{n % 50}" for n in range(count)]
    vectors = [split_fine(vector) for vector in pack_fine(clustered(count, dimension, 1 + first))]
    mine = {"tenant": tenant, "collection_id": f"{tenant}.{name}"}

    def change(connection):
        row = {
            "id": mine["collection_id"], "tenant": tenant, "name": name, "embedding_model": "m", "settings": {},
            "generation": 0, "created_at": 0.0, "updated_at": 0.0,
        }  # fmt: skip
        if not first:
            connection.execute(insert(collections).values(row))
        of = [f"{tenant}.{name}.{(first + n) // PER_DOCUMENT}" for n in range(count)]
        document = {
            **mine, "content_hash": "", "recipe": "", "bytes": 0, "media_type": "", "chunks": PER_DOCUMENT,
            "ingested_at": 0.0, "language": "en",
        }  # fmt: skip
        connection.execute(insert(documents), [{**document, "id": each, "name": each} for each in sorted(set(of))])
        passage = {
            **mine, "start": 0, "end": 1, "tokens": 1, "sentences": np.array([0, 1, 0], "<i4").tobytes(),
            "sentence_terms": b"", "heading_path": [],
        }  # fmt: skip
        rows = [
            {
                **passage, "document_id": of[n], "ordinal": n, "text": texts[n], "vector": vectors[n][0],
                "vector_residual": vectors[n][1], "sentence_vectors": vectors[n][0],
                "terms": count_terms(texts[n], "", "en").tobytes(),
            }
            for n in range(count)
        ]  # fmt: skip
        connection.execute(insert(chunks), rows)
        touch(connection, mine["collection_id"])

    await database.write(change)


async def count(database, query):
    return await database.read(lambda connection: connection.scalar(text(query)))


async def snapshot_of(database, index, use=lambda snapshot: snapshot, tenant="t", name="c"):
    return await database.read(lambda connection: use(index.snapshot(connection, Scope(tenant), name)[1]))


async def recall(database, index, dimension, allowed=None, k=10, depth=10):
    """Of the `k` nearest, by the vectors as they are stored, the share that the index finds."""

    def stored(connection):
        columns = (chunks.c.id, chunks.c.document_id, chunks.c.vector, chunks.c.vector_residual)
        rows = connection.execute(select(*columns).order_by(chunks.c.id))
        rows = [row for row in rows if allowed is None or row.document_id in allowed]
        return np.array([row.id for row in rows]), read_fine_rows(rows)

    ids, vectors = await database.read(stored)
    found = []
    for vector in clustered(50, dimension, 99):
        nearest = ids[np.argsort(-nearness(vectors, vector, "cosine"))[:k]]
        answer = await snapshot_of(database, index, lambda s, v=vector: s.dense(v, depth, allowed=allowed))
        found.append(np.isin(nearest, answer).mean())
    return float(np.mean(found))


async def test_a_filter_costs_no_recall_with_and_without_a_graph(database, index):
    await fill(database, 6000, 64)
    await index.keeper._catch_up()
    names = [f"t.c.{n}" for n in range(6000 // PER_DOCUMENT)]
    chance = random.Random(1)
    shares = {share: frozenset(chance.sample(names, int(share * len(names)))) for share in (0.5, 0.1, 0.02, 0.002)}
    assert await recall(database, index, 64) == 1
    for allowed in shares.values():
        assert await recall(database, index, 64, allowed) == 1
    await index.keeper.work()
    assert (await read_index_status(database, index, StoreSettings())).graphs == 1
    assert await recall(database, index, 64, depth=100) >= 0.99
    assert await recall(database, index, 64, k=300, depth=300) >= 0.99
    for allowed in shares.values():
        assert await recall(database, index, 64, allowed, depth=100) >= 0.999


async def test_a_filter_that_only_far_passages_pass_is_answered_in_full_by_a_graph(database, index):
    """Where all that is near is filtered out, a search of the graph gives up: then all is scanned."""
    index = PostgreSQLIndex(database, graph_from=400)
    await fill(database, 5000, 64)
    await index.keeper.work()
    vector = clustered(1, 64, 1)[0]

    def far(connection):
        columns = (chunks.c.document_id, chunks.c.vector, chunks.c.vector_residual)
        rows = connection.execute(select(*columns)).all()
        near = nearness(read_fine_rows(rows), vector, "cosine")
        best = {}
        for row, value in zip(rows, near.tolist(), strict=True):
            best[row.document_id] = max(value, best.get(row.document_id, -1))
        return frozenset(sorted(best, key=best.__getitem__)[: len(best) // 2])

    allowed = await database.read(far)
    found = await snapshot_of(database, index, lambda s: s.dense(vector, 100, allowed=allowed))
    assert len(found) == 100


async def test_what_was_there_before_the_index_is_searched_in_memory_and_then_in_the_index(database, index):
    await fill(database, 2500, 16)
    assert isinstance(await snapshot_of(database, index), EmbeddedSearch)
    status = await read_index_status(database, index, StoreSettings())
    assert (status.collections, status.passages, status.waiting) == (0, 0, 2500)
    index.keeper.start()
    while not isinstance(await snapshot_of(database, index), PostgreSQLSnapshot):
        await asyncio.sleep(0.1)
    while (status := await read_index_status(database, index, StoreSettings())).waiting:
        await asyncio.sleep(0.1)
    assert (status.kind, status.collections, status.passages) == ("pgvector", 1, 2500)
    again = PostgreSQLIndex(database)
    assert isinstance(await snapshot_of(database, again), PostgreSQLSnapshot)
    assert again._memory == {}


async def test_a_search_asks_the_database_few_times(database, index):
    """What it costs is the statements, more than what they find."""
    await fill(database, 60, 16)
    await index.keeper.work()
    vector, asked = clustered(1, 16, 5)[0], []

    def search(connection):
        scope = Scope("t", ("user:anna",))
        _, snapshot = index.snapshot(connection, scope, "c")
        return rank(snapshot, "pump tea", vector, mode="hybrid", k=10)

    await database.read(search)
    event.listen(database.engine, "before_cursor_execute", lambda *arguments: asked.append(arguments[2]))
    found, _ = await database.read(search)
    assert len(found.ids) == 10
    # The transaction, the state, the frequencies of the words, each side, and what is measured.
    assert len(asked) == 1 + 1 + 1 + 2 + 1, "\n".join(asked)


async def test_vectors_that_stand_beside_their_passages_are_those_that_hold(database, index):
    await fill(database, 60, 16)
    other = [split_fine(vector) for vector in pack_fine(clustered(60, 16, 3))]

    def switch(connection):
        """Ten passages have no vectors by the other model: those in their rows are taken for them."""
        for number, chunk_id in enumerate(connection.scalars(select(chunks.c.id).order_by(chunks.c.id)).all()[:50]):
            row = {"chunk_id": chunk_id, "model": "n", "tenant": "t", "collection_id": "t.c"}
            vector, residual = other[number]
            row |= {"vector": vector, "vector_residual": residual or None, "sentence_vectors": bytes([number])}
            connection.execute(insert(chunk_vectors).values(row))
        connection.execute(update(collections).values(embedding_model="n"))
        touch(connection, "t.c")

    await index.keeper.work()
    await database.write(switch)
    await index.keeper.work()
    stored = await database.read(
        lambda c: c.execute(select(chunks.c.id, chunks.c.vector, chunks.c.vector_residual).order_by(chunks.c.id)).all()
    )
    ids = np.array([row.id for row in stored])
    packed = np.concatenate([pack_fine(clustered(60, 16, 3))[:50], read_fine_rows(stored)[50:]])

    def look(snapshot):
        assert isinstance(snapshot, PostgreSQLSnapshot)
        vector = clustered(1, 16, 5)[0]
        nearest = ids[np.sort(np.argsort(-nearness(packed, vector, "cosine"))[:7])]
        return snapshot.vectors(ids), snapshot.sentences(ids[:50]), snapshot.dense(vector, 7), nearest

    vectors, sentences, found, nearest = await snapshot_of(database, index, look)
    assert np.array_equal(vectors, packed)
    assert [row.sentence_vectors for row in sentences] == [bytes([number]) for number in range(50)]
    assert found.tolist() == nearest.tolist()


async def test_two_keepers_put_each_passage_in_once(database, url, index):
    await fill(database, 3000, 16)
    other = Database(url)
    second = PostgreSQLIndex(other, graph_from=2000)
    await asyncio.gather(index.keeper.work(), second.keeper.work())
    await index.keeper.work()
    assert await count(database, "SELECT count(*) FROM index_vectors_16") == 3000
    assert await count(database, "SELECT sum(passages) FROM index_totals") == 3000
    assert await count(database, "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
                                 "WHERE c.relname LIKE 'index_graph_%' AND i.indisvalid") == 1  # fmt: skip
    await second.aclose()
    await other.close()


async def test_a_collection_that_is_deleted_leaves_nothing(database, index):
    await fill(database, 2500, 16)
    await fill(database, 30, 16, name="small")
    await index.keeper.work()

    def remove(name):
        def change(connection):
            connection.execute(delete(chunks).where(chunks.c.collection_id == name))
            connection.execute(delete(collections).where(collections.c.id == name))

        return change

    await database.write(remove("t.c"))
    # It is forgotten as a whole, in no time; and swept when nobody waits.
    assert await count(database, "SELECT count(*) FROM index_collections") == 1
    assert await count(database, "SELECT count(*) FROM index_vectors_16") == 2530
    await index.keeper.work()
    assert await count(database, "SELECT count(*) FROM index_vectors_16") == 30
    assert await count(database, "SELECT to_regclass('index_graph_1')") is None
    await database.write(remove("t.small"))
    await index.keeper.work()
    for table in ("index_collections", "index_totals", "index_documents", "index_postings", "index_vectors_16"):
        assert await count(database, f"SELECT count(*) FROM {table}") == 0, table


async def test_most_of_a_collection_that_is_removed_is_made_anew(database, index):
    await fill(database, 3000, 16)
    await index.keeper.work()
    names = [f"t.c.{n}" for n in range(200)]

    def remove(connection):
        connection.execute(delete(chunks).where(chunks.c.document_id.in_(names)))
        connection.execute(delete(documents).where(documents.c.id.in_(names)))
        touch(connection, "t.c")

    await database.write(remove)
    assert (await snapshot_of(database, index, lambda s: s.statistics)).passages == 1000
    await index.keeper.work()
    assert isinstance(await snapshot_of(database, index), PostgreSQLSnapshot)
    assert (await snapshot_of(database, index, lambda s: s.statistics)).passages == 1000
    assert await count(database, "SELECT count(*) FROM index_vectors_16") == 1000


async def test_a_collection_that_grows_by_half_gets_another_graph(database, monkeypatch):
    monkeypatch.setattr(graphs, "OUTGROWN", 100)
    index = PostgreSQLIndex(database, graph_from=500)
    await open_index(database, StoreSettings())
    await fill(database, 600, 16)
    await index.keeper.work()
    graph = "SELECT 'index_graph_1'::regclass::oid"
    before = await count(database, graph)
    await fill(database, 100, 16, first=600)
    await index.keeper.work()
    assert await count(database, graph) == before
    await fill(database, 900, 16, first=700)
    await index.keeper.work()
    assert await count(database, graph) != before
    assert await recall(database, index, 16, depth=100) >= 0.99
    await index.aclose()


async def test_vectors_of_two_dimensions_and_tenants_are_apart(database, index):
    index = PostgreSQLIndex(database, graph_from=300)
    await fill(database, 400, 16)
    await fill(database, 400, 24, name="d")
    await fill(database, 400, 16, tenant="u")
    await index.keeper.work()
    predicates = "SELECT count(DISTINCT pg_get_expr(indpred, indrelid)) FROM pg_index " \
                 "WHERE indpred IS NOT NULL AND indrelid::regclass::text LIKE 'index_vectors_%'"  # fmt: skip
    assert await count(database, predicates) == 3
    for dimension, tenant, name in ((16, "t", "c"), (24, "t", "d"), (16, "u", "c")):
        vector = clustered(1, dimension, 5)[0]
        found = await snapshot_of(database, index, lambda s, v=vector: s.dense(v, 50), tenant, name)
        mine = select(chunks.c.id).where(chunks.c.collection_id == f"{tenant}.{name}", chunks.c.id.in_(found.tolist()))
        assert len(await database.read(lambda c, q=mine: c.scalars(q).all())) == 50


async def test_another_model_is_another_index(database, index):
    await fill(database, 50, 16)
    await index.keeper.work()
    other = [split_fine(vector) for vector in pack_fine(clustered(50, 24, 3))]

    def switch(connection):
        for number, chunk_id in enumerate(connection.scalars(select(chunks.c.id).order_by(chunks.c.id)).all()):
            vector, residual = other[number]
            change = update(chunks).where(chunks.c.id == chunk_id)
            connection.execute(change.values(vector=vector, vector_residual=residual))
        connection.execute(update(collections).values(embedding_model="n"))
        touch(connection, "t.c")

    await database.write(switch)
    assert len(await snapshot_of(database, index, lambda s: s.dense(clustered(1, 24, 4)[0], 5))) == 5
    await index.keeper.work()
    assert isinstance(await snapshot_of(database, index), PostgreSQLSnapshot)
    assert len(await snapshot_of(database, index, lambda s: s.dense(clustered(1, 24, 4)[0], 5))) == 5
    await index.keeper.work()
    assert await count(database, "SELECT count(*) FROM index_vectors_16") == 0


async def test_vectors_too_long_for_pgvector_are_searched_in_memory(database, index):
    await fill(database, 3, 4000)
    await index.keeper.work()
    assert len(await snapshot_of(database, index, lambda s: s.dense(clustered(1, 4000, 4)[0], 2))) == 2
    assert isinstance(await snapshot_of(database, index), EmbeddedSearch)


async def test_passages_that_are_removed_while_they_are_put_in_leave_nothing_behind(database, index):
    """A keeper that never rests beside somebody who replaces documents all the time."""
    corpus = Corpus(database, index)
    await corpus.collection()
    chance = random.Random(4)
    done = False

    async def keep():
        while not done:
            await index.keeper._catch_up()

    keeping = asyncio.create_task(keep())
    for _ in range(60):
        name = f"document {chance.randrange(4)}"
        if chance.random() < 0.3:
            await corpus.drop(name)
        else:
            await corpus.put(name, [sentence(chance) for _ in range(chance.randint(1, 30))])
    done = True
    await keeping
    await index.keeper.work()
    truth = await check(corpus)
    assert await count(database, "SELECT count(*) FROM index_vectors_8") == len(truth)
    assert await count(database, "SELECT count(DISTINCT chunk_id) FROM index_postings") == len(truth)
    assert await count(database, "SELECT coalesce(sum(passages), 0) FROM index_totals") == len(truth)


async def test_a_passage_that_somebody_removes_right_now_is_left_for_the_next_look(database, index):
    await fill(database, 30, 16)
    with database.transaction("alone") as removing:
        removing.execute(delete(documents).where(documents.c.id == "t.c.1"))
        await asyncio.wait_for(index.keeper._catch_up(), 20)
        assert await count(database, "SELECT count(*) FROM index_totals") == 0
    await index.keeper._catch_up()
    assert await count(database, "SELECT count(*) FROM index_vectors_16") == 20


async def test_half_a_portion_is_none(database, index):
    await fill(database, 30, 16)
    with pytest.raises(RuntimeError), database.transaction("beside") as connection:
        catch_up(connection, "t.c")
        raise RuntimeError
    assert isinstance(await snapshot_of(database, index), EmbeddedSearch)
    await index.keeper.work()
    assert await count(database, "SELECT count(*) FROM index_vectors_16") == 30


BUILDER = """
import asyncio, sys
from guru.knowledge.index.postgresql.index import PostgreSQLIndex
from guru.store.database import Database

async def main(url):
    database = Database(url)
    index = PostgreSQLIndex(database, graph_from=2000)
    print("begins", flush=True)
    await index.keeper.work()

asyncio.run(main(sys.argv[1]))
"""


async def test_a_build_whose_server_was_killed_ends_and_so_does_one_that_postgresql_ended(database, url, index):
    await fill(database, 5000, 256)
    await index.keeper._catch_up()
    building = "SELECT pid FROM pg_stat_progress_create_index WHERE datname = current_database()"
    valid = "SELECT count(*) FROM pg_index WHERE indisvalid AND indexrelid = to_regclass('index_graph_1')"
    worker = await asyncio.to_thread(
        subprocess.Popen, [sys.executable, "-c", BUILDER, url], stdout=subprocess.PIPE, env=dict(os.environ)
    )
    with worker:
        while await count(database, building) is None and not await count(database, valid):
            await asyncio.sleep(0.02)
        worker.send_signal(signal.SIGKILL)
    # PostgreSQL goes on with it. Here it is stopped, as by a restart: half a graph is left.
    await count(database, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_progress_create_index "
                          "WHERE datname = current_database()")  # fmt: skip
    vector = clustered(1, 256, 5)[0]
    assert len(await snapshot_of(database, index, lambda s: s.dense(vector, 20))) == 20
    async with asyncio.timeout(120):
        while not await count(database, valid):
            await index.keeper.work()
            await asyncio.sleep(0.1)
    assert await recall(database, index, 256, depth=100) >= 0.95


async def test_a_collection_that_cannot_be_put_in_keeps_no_other_out(database, index):
    await fill(database, 30, 16)
    await fill(database, 30, 16, name="d")
    broken = update(chunks).where(chunks.c.document_id == "t.c.1").values(terms=b"no terms")
    await database.write(lambda c: c.execute(broken))
    await index.keeper.work()
    assert await count(database, "SELECT count(*) FROM index_collections") == 1
    assert isinstance(await snapshot_of(database, index, name="d"), PostgreSQLSnapshot)


async def test_a_graph_is_built_by_one_process_where_several_have_no_room(database, index):
    await fill(database, 2500, 16)
    await index.keeper._catch_up()
    engine = database.dialect.create_engine(database.url, 2)
    assert await asyncio.to_thread(graphs.build, engine, 1, 16, 2500, [], workers=False)
    engine.dispose()
    assert (await read_index_status(database, index, StoreSettings())).graphs == 1


async def test_a_keeper_that_is_closed_stops_its_build(database, url):
    await open_index(database, StoreSettings())
    index = PostgreSQLIndex(database, graph_from=2000)
    await fill(database, 6000, 256)
    await index.keeper._catch_up()
    building = asyncio.create_task(index.keeper._graphs(quiet=0.0))
    while not index.keeper._building:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)
    await asyncio.wait_for(index.aclose(), 30)
    await asyncio.wait_for(building, 30)
    assert not index.keeper._building


@pytest.mark.parametrize("k", [1, 5, 20])
async def test_leaving_out_frequent_words_changes_no_result(database, index, monkeypatch, k):
    """Bounds are what decides: whatever counts as frequent, the scores are those of all words."""
    corpus = Corpus(database, index)
    await corpus.collection()
    chance = random.Random(k)
    for n in range(12):
        await corpus.put(str(n), [sentence(chance) for _ in range(10)])
    await index.keeper.work()
    asked = ["pump boat", "tea leaf harbour", "boat boat boat pump", "P-101 motor pump valve tea"]
    for query in asked:
        monkeypatch.setattr(postings, "FREQUENT", 10**9)
        whole = await bm25_of(corpus, query, k)
        for frequent in (0, 20, 60):
            monkeypatch.setattr(postings, "FREQUENT", frequent)
            assert await bm25_of(corpus, query, k) == pytest.approx(whole, rel=1e-6)
            await check(corpus, k=k, query=query)


async def bm25_of(corpus, query, k):
    def use(snapshot):
        words = weigh(snapshot, [[hash_term(word)] for word in query.split()])
        found = postings.best(
            snapshot.connection,
            snapshot._documents,
            words,
            k,
            statistics=snapshot.statistics,
            frequencies=snapshot._frequencies,
        )
        return sorted(found[1].tolist(), reverse=True)

    return await corpus.look(use)


async def test_tables_of_another_form_are_made_anew(database, index):
    await fill(database, 30, 16)
    await index.keeper.work()
    await database.write(lambda c: c.execute(text("UPDATE index_schema SET version = version + 1")))
    await database.write(make_tables)
    assert await count(database, "SELECT version FROM index_schema") == VERSION
    assert await count(database, "SELECT count(*) FROM index_collections") == 0
    assert len(await snapshot_of(database, index, lambda s: s.dense(clustered(1, 16, 4)[0], 5))) == 5
    await index.keeper.work()
    assert await count(database, "SELECT count(*) FROM index_vectors_16") == 30


async def test_without_the_extension_passages_are_removed_as_ever_and_with_it_the_index_is_made_anew(database, index):
    await fill(database, 30, 16)
    await index.keeper.work()
    await database.write(lambda c: c.execute(text("DROP EXTENSION vector CASCADE")))
    await database.write(lambda c: c.execute(delete(documents).where(documents.c.id == "t.c.1")))
    await open_index(database, StoreSettings())
    await index.keeper.work()
    assert isinstance(await snapshot_of(database, index), PostgreSQLSnapshot)
    assert await count(database, "SELECT count(*) FROM index_vectors_16") == 20


async def test_servers_that_start_at_once_make_one_index(url):
    opened = [Database(url) for _ in range(3)]
    made = await asyncio.gather(*(open_index(each, StoreSettings()) for each in opened))
    assert all(isinstance(index, PostgreSQLIndex) for index in made)
    await asyncio.gather(*(index.aclose() for index in made))
    await asyncio.gather(*(each.close() for each in opened))


async def test_who_may_not_make_the_extension_searches_in_memory_until_somebody_has(postgresql):
    """The owner of a database is no superuser, and pgvector's extension wants one."""
    postgresql.execute("DROP ROLE IF EXISTS plain")
    postgresql.execute("CREATE ROLE plain LOGIN")
    url = postgresql.make("OWNER plain")
    mine = url.replace("//postgres", "//plain", 1)
    database = Database(mine)
    try:
        await database.open()
        settings = StoreSettings(url=mine)
        index = await open_index(database, settings)
        assert isinstance(index, EmbeddedIndex)
        with pytest.raises(StoreError, match="permission denied") as refused:
            await open_index(database, StoreSettings(url=mine, index="pgvector"))
        assert "CREATE EXTENSION vector" in refused.value.hint
        postgresql.execute("CREATE EXTENSION vector", url)
        status = await read_index_status(database, index, settings)
        assert (status.kind, status.hint) == ("memory", "Start the server again.")
        made = await open_index(database, settings)
        assert isinstance(made, PostgreSQLIndex)
        await fill(database, 30, 16)
        await made.keeper.work()
        assert isinstance(await snapshot_of(database, made), PostgreSQLSnapshot)
        assert isinstance(await open_index(database, StoreSettings(url=mine, index="memory")), EmbeddedIndex)
        await made.aclose()
    finally:
        await database.close()
        postgresql.drop(url)
        postgresql.execute("DROP ROLE plain")


async def test_sqlite_is_searched_in_memory(tmp_path):
    database = Database.in_home(tmp_path)
    await database.open()
    index = await open_index(database, StoreSettings())
    assert isinstance(index, EmbeddedIndex)
    status = await read_index_status(database, index, StoreSettings())
    assert (status.kind, status.note) == ("memory", None)
    assert "PostgreSQL" in (await look_for_pgvector(database)).message
    with pytest.raises(StoreError, match="SQLite"):
        await open_index(database, StoreSettings(index="pgvector"))
    await database.close()


async def test_the_statistics_of_a_scope_are_its_own(database):
    index = KeptIndex(database)
    corpus = Corpus(database, index)
    await corpus.collection()
    await corpus.put("a", ["pump tea"] * 3, access=["user:ben"])
    await corpus.put("b", ["pump boat tea tea"] * 2)
    await index.keeper.work()
    assert len(await check(corpus, ALL)) == 5
    assert len(await check(corpus, Scope("t", ("user:anna",)))) == 2
    await index.aclose()
