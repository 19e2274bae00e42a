"""The view in memory, after any sequence of changes, is what a fresh one would be."""

import asyncio

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, update

from guru.knowledge.collections import read_collections, touch
from guru.knowledge.distance import nearness
from guru.knowledge.index import embedded, segments
from guru.knowledge.index.embedded import EmbeddedIndex
from guru.knowledge.query import weigh
from guru.knowledge.rows import coarse_of, pack_fine, split_fine, unpack_vectors
from guru.knowledge.terms import count_terms, hash_term
from guru.store.database import Database
from guru.store.scope import Scope
from guru.store.tables import chunks, collections, documents

WORDS = ["pump", "valve", "tea", "leaf"]


def begin_collection(connection):
    row = {
        "id": "c", "tenant": "t", "name": "c", "embedding_model": "m", "settings": {}, "generation": 0,
        "created_at": 0.0, "updated_at": 0.0,
    }  # fmt: skip
    connection.execute(insert(collections).values(row))


def add(connection, name, word, count):
    document = {
        "id": f"doc_{name}", "tenant": "t", "collection_id": "c", "name": name, "content_hash": "", "recipe": "",
        "bytes": 0, "media_type": "", "chunks": count, "ingested_at": 0.0, "language": "en",
    }  # fmt: skip
    connection.execute(insert(documents).values(document))
    vectors = np.random.default_rng(len(name)).standard_normal((count, 4)).astype("f4")
    row = {
        "tenant": "t", "collection_id": "c", "document_id": document["id"], "start": 0, "end": 1, "tokens": 1,
        "text": word, "terms": count_terms(word, "", "en").tobytes(), "sentences": b"", "sentence_terms": b"",
        "sentence_vectors": b"", "heading_path": [],
    }  # fmt: skip
    columns = ("vector", "vector_residual")
    packed = [dict(zip(columns, split_fine(vector), strict=True)) for vector in pack_fine(vectors)]
    if count % 3 == 0:  # as an earlier version wrote them
        packed = [{"vector": given["vector"], "vector_residual": None} for given in packed]
    rows = [{**row, "ordinal": i, **given} for i, given in enumerate(packed)]
    connection.execute(insert(chunks), rows)
    touch(connection, "c")


def scores(snapshot):
    """BM25 of every living passage for every word, with its vector, by id."""
    weighed = weigh(snapshot, [[hash_term(word)] for word in WORDS])
    ids = np.concatenate([np.zeros(0, np.int64), *(part.segment.ids[part.mask] for part in snapshot.held.parts)])
    vectors = [vector.tobytes() for vector in snapshot.vectors(ids)]
    return dict(zip(ids.tolist(), zip(snapshot.bm25(ids, weighed).tolist(), vectors, strict=True), strict=True))


changes = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from([*WORDS, None]), st.integers(1, 12)), min_size=1, max_size=12
)


@pytest.mark.parametrize("small", [False, True])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=changes)
def test_a_refreshed_view_is_a_fresh_one(tmp_path_factory, changes, small):
    """Also where what large collections have is made small: several segments that stay, several ranges of ids."""
    sizes = (7, 3, 5) if small else (segments.LARGEST, embedded.BUCKET, embedded.BATCH)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(segments, "LARGEST", sizes[0])
        patched.setattr(embedded, "BUCKET", sizes[1])
        patched.setattr(embedded, "BATCH", sizes[2])
        check_refreshed(tmp_path_factory, changes, small)


def check_refreshed(tmp_path_factory, changes, small):
    async def check():
        database = Database.in_home(tmp_path_factory.mktemp("home"))
        await database.open()
        await database.write(begin_collection)
        index = EmbeddedIndex()
        for number, word, count in changes:

            def change(connection, number=number, word=word, count=count):
                connection.execute(delete(documents).where(documents.c.name == str(number)))
                touch(connection, "c")
                if word:
                    add(connection, str(number), word, count)

            await database.write(change)

            def look(connection):
                _, kept = index.snapshot(connection, Scope("t"), "c")
                _, fresh = EmbeddedIndex().snapshot(connection, Scope("t"), "c")
                assert scores(kept) == scores(fresh)
                return kept, fresh

            kept, fresh = await database.read(look)
            assert kept.means()[0] == fresh.means()[0]
            assert kept.statistics == fresh.statistics
            (collection,) = await database.read(lambda connection: read_collections(connection, Scope("t")))
            assert kept.statistics.passages == collection.chunks
            assert small or len(kept.held.parts) <= 6
        await database.close()

    asyncio.run(check())


@pytest.mark.parametrize("distance", ["cosine", "dot", "euclidean", "manhattan"])
async def test_the_nearest_are_those_of_the_vectors_that_were_given(tmp_path, distance):
    """Also where some rows are of an earlier version, which has rounded theirs."""
    database = Database.in_home(tmp_path)
    await database.open()
    random = np.random.default_rng(3)
    vectors = random.standard_normal((1, 48)) + 0.5 * random.standard_normal((3000, 48))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("f4")
    fine = pack_fine(vectors)
    rounded = random.random(3000) < 0.1
    as_stored = np.where(rounded[:, None], unpack_vectors(coarse_of(fine)), vectors).astype("f8")

    def fill(connection):
        begin_collection(connection)
        add(connection, "a", "pump", 3000)
        for number, vector, old in zip(range(1, 3001), fine, rounded.tolist(), strict=True):
            packed, residual = split_fine(vector)
            values = {"vector": packed, "vector_residual": None if old else residual}
            connection.execute(update(chunks).where(chunks.c.id == number).values(values))

    await database.write(fill)
    index = EmbeddedIndex()
    missed_by_bytes = 0
    for query in vectors[random.integers(0, 3000, 20)]:
        if distance in ("cosine", "dot"):
            exact = as_stored @ query
        else:
            exact = -np.linalg.norm(as_stored - query, ord=1 if distance == "manhattan" else 2, axis=1)
        best = np.sort(np.argsort(-exact)[:10]) + 1

        def look(connection, query=query):
            snapshot = index.snapshot(connection, Scope("t"), "c")[1]
            coarse = nearness(snapshot.held.packed(np.arange(1, 3001)), query, distance)
            return snapshot.dense(query, 10, distance=distance), np.sort(np.argsort(-coarse)[:10]) + 1

        found, coarse = await database.read(look)
        # Those that are nearer to each other than 16 bits tell apart may stand in for each other.
        assert np.sort(exact[found - 1]) == pytest.approx(np.sort(exact[best - 1]), abs=1e-4)
        assert len(np.intersect1d(found, best)) >= 9
        missed_by_bytes += 10 - len(np.intersect1d(coarse, best))
    assert missed_by_bytes > 0
    await database.close()


async def test_all_that_a_search_measures_is_read_in_one_query(tmp_path, monkeypatch):
    database = Database.in_home(tmp_path)
    await database.open()

    def fill(connection):
        begin_collection(connection)
        add(connection, "a", "pump", 40)
        add(connection, "bb", "tea", 40)

    await database.write(fill)
    asked = []
    read = embedded.read_residuals
    monkeypatch.setattr(embedded, "read_residuals", lambda connection, ids: asked.append(ids) or read(connection, ids))

    def look(connection):
        snapshot = EmbeddedIndex().snapshot(connection, Scope("t"), "c")[1]
        words = weigh(snapshot, [[hash_term("tea")]])
        sparse = snapshot.sparse(words, 10)
        dense = snapshot.dense(unpack_vectors(snapshot.held.packed(np.array([3])))[0], 10)
        ids = np.union1d(sparse, dense)
        return ids, snapshot.vectors(ids)

    ids, vectors = await database.read(look)
    assert len(asked) == 1
    assert len(ids) == len(vectors) > 10
    assert set(ids.tolist()) <= set(asked[0])
    await database.close()
