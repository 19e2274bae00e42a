"""After catching up a store holds the rows, and nothing else, whatever happened on the way."""

import random

import pytest
from sqlalchemy import delete, func, select, update

from guru.errors import GuruError
from guru.knowledge.collections import touch
from guru.knowledge.index.external import catch_up, index, marks
from guru.knowledge.index.external.base import StoreAway, name_of
from guru.store.tables import chunks, collections, index_entries, index_marks
from knowledge.index.corpus import ALL, DIMENSION, Corpus, units
from knowledge.index.external.kinds import make_external, place_of
from knowledge.index.external.shelf import refuse
from knowledge.index.test_conformance import check, wanted

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
NAME = name_of("t.c", "m")


class Dying:
    """A store whose process dies now and then: before a call has been made, or after it, before anybody knows."""

    def __init__(self, store, chance):
        self.store, self.chance, self.deadly = store, chance, True

    def __getattr__(self, name):
        call = getattr(self.store, name)

        def made(*args, **kwargs):
            dies = self.chance.random() if self.deadly else 1.0
            if dies < 0.15:
                raise ConnectionResetError("died before")
            result = call(*args, **kwargs)
            if dies < 0.3:
                raise ConnectionResetError("died after")
            return result

        return made


@pytest.fixture
def place(tmp_path):
    with place_of("qdrant", tmp_path) as place:
        yield place


@pytest.fixture
async def corpus(stores, tmp_path, place, monkeypatch):
    monkeypatch.setattr(index, "PATIENCE", 30.0)
    monkeypatch.setattr(catch_up, "SETTLING", (0.01,))
    database = stores.database(tmp_path)
    await database.open()
    corpus = Corpus(database, make_external(place, database))
    await corpus.collection()
    yield corpus
    await corpus.index.aclose()
    await database.close()


def held(place, name=NAME):
    return {number: document for number, (document, _) in place.shelf.collections[name]["points"].items()}


async def rows(corpus):
    query = select(chunks.c.id, chunks.c.document_id).where(chunks.c.collection_id == "t.c")
    return dict(map(tuple, await corpus.database.read(lambda connection: connection.execute(query).all())))


async def count_of(corpus, table):
    return await corpus.database.read(lambda connection: connection.scalar(select(func.count()).select_from(table)))


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_dies_on_the_way_the_store_ends_with_the_rows(corpus, place, seed, monkeypatch):
    monkeypatch.setattr(catch_up, "BATCH", 7)
    chance = random.Random(seed)
    store = Dying(place.open(), chance)
    owners = [make_external(place, corpus.database, store) for _ in range(2)]
    for _ in range(25):
        name = f"document {chance.randrange(4)}"
        if chance.random() < 0.3:
            await corpus.drop(name)
        else:
            await corpus.put(name, ["pump tea"] * chance.randint(1, 20))
        for _ in range(chance.randrange(3)):
            try:
                await chance.choice(owners).catch_up("t.c")
            except StoreAway:
                pass
    store.deadly = False
    assert await owners[0].catch_up("t.c")
    assert held(place) == await rows(corpus)
    assert await count_of(corpus, index_entries) == len(await rows(corpus))
    for owner in owners:
        await owner.aclose()


async def test_only_one_gives_at_a_time_and_a_dead_one_is_waited_for_no_longer_than_its_lease(corpus, place):
    await corpus.put("a", ["pump"] * 3)
    values = {
        "collection_id": "t.c", "store": "qdrant", "tenant": "t", "name": NAME, "owner": "another", "until": 2e12,
    }  # fmt: skip
    await corpus.database.write(lambda connection: connection.execute(index_marks.insert().values(values)))
    assert not await corpus.index.catch_up("t.c")
    assert len(await check(corpus)) == 3  # scanned meanwhile
    await corpus.database.write(lambda connection: connection.execute(update(index_marks).values(until=1.0)))
    assert await corpus.index.catch_up("t.c")
    assert held(place) == await rows(corpus)


async def test_a_collection_that_was_removed_there_is_given_anew(corpus, place):
    await corpus.put("a", ["pump"] * 30)
    await check(corpus)
    place.shelf.collections.clear()
    await corpus.index.look_ahead(ALL, "c", wanted(units(1, 1)[0], 5, None, "cosine"))  # fails, and is told of
    await corpus.put("b", ["tea"] * 3)
    corpus.index.client._away_until = 0.0
    assert len(await check(corpus)) == 33
    assert held(place) == await rows(corpus)


async def test_passages_that_were_removed_there_are_given_anew_when_a_search_misses_them(corpus, place):
    await corpus.put("a", ["pump"] * 30)
    await check(corpus)
    place.shelf.collections[NAME]["points"].clear()
    assert len(await check(corpus, k=5)) == 30  # scanned, and noticed
    assert len(await check(corpus, k=5)) == 30
    assert held(place) == await rows(corpus)


async def test_a_collection_of_another_dimension_there_is_made_anew(corpus, place):
    place.shelf.collections[NAME] = {"dimension": 3, "points": {1: ("x", units(1, 1)[0][:3])}}
    await corpus.put("a", ["pump"] * 4)
    await check(corpus)
    assert place.shelf.collections[NAME]["dimension"] == DIMENSION
    assert held(place) == await rows(corpus)


async def test_vectors_of_another_model_are_another_collection_there(corpus, place):
    await corpus.put("a", ["pump"] * 4)
    await check(corpus)

    def change(connection):
        connection.execute(update(collections).values(embedding_model="n"))
        touch(connection, "t.c")

    await corpus.database.write(change)
    await check(corpus)
    assert set(place.shelf.collections) == {name_of("t.c", "n")}
    assert held(place, name_of("t.c", "n")) == await rows(corpus)


async def test_strays_that_somebody_else_puts_there_are_noticed(corpus, place):
    await corpus.put("a", ["pump"] * 4)
    await check(corpus)
    place.shelf.put(NAME, 999, "doc_stray", units(1, 3)[0])
    await corpus.put("b", ["tea"])
    await check(corpus)
    assert held(place) == await rows(corpus)


async def test_a_deleted_collection_is_removed_there_without_a_search(corpus, place):
    await corpus.put("a", ["pump"] * 4)
    await check(corpus)

    def remove(connection):
        connection.execute(delete(chunks))
        connection.execute(delete(collections))

    await corpus.database.write(remove)
    await corpus.index.tidy()
    assert place.shelf.collections == {}
    assert await count_of(corpus, index_marks) == await count_of(corpus, index_entries) == 0


async def test_removed_documents_are_removed_there_without_a_search(corpus, place):
    await corpus.put("a", ["pump"] * 4)
    await corpus.put("b", ["tea"] * 4)
    await check(corpus)
    await corpus.drop("a")
    assert len(held(place)) == 8
    await corpus.index.tidy()
    assert held(place) == await rows(corpus)


async def test_what_cannot_be_given_stays_marked_as_missing(corpus, place):
    await corpus.put("a", ["pump"] * 4)
    place.shelf.fault = refuse(507, "upsert")
    with pytest.raises(GuruError, match="Qdrant"):
        await corpus.index.catch_up("t.c")
    mark = (await corpus.database.read(lambda connection: marks.marks_of(connection, "qdrant")))[0]
    assert (mark.newest, mark.generation) == (0, -1)
    place.shelf.fault = None
    assert await corpus.index.catch_up("t.c")
    assert held(place) == await rows(corpus)
