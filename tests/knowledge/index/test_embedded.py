"""The view in memory, after any sequence of changes, is what a fresh one would be."""

import asyncio

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from guru.knowledge.collections import read_collections, touch
from guru.knowledge.index import embedded, segments
from guru.knowledge.index.embedded import EmbeddedIndex
from guru.knowledge.query import weigh
from guru.knowledge.rows import pack_fine, split_fine
from guru.knowledge.terms import count_terms, hash_term
from guru.store.database import Database
from guru.store.scope import Scope
from guru.store.tables import chunks, collections, documents

WORDS = ["pump", "valve", "tea", "leaf"]


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
        row = {
            "id": "c", "tenant": "t", "name": "c", "embedding_model": "m", "settings": {}, "generation": 0,
            "created_at": 0.0, "updated_at": 0.0,
        }  # fmt: skip
        await database.write(lambda connection: connection.execute(insert(collections).values(row)))
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
