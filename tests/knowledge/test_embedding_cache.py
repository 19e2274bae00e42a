"""A text is embedded once by a model, for one organisation; and what is kept tells nothing to who has not the text."""

import numpy as np
import pytest
from sqlalchemy import func, select, update

from guru.errors import ModelError, ModelUnavailable
from guru.knowledge import embedding_cache
from guru.knowledge.embedding_cache import DAY, EmbeddingCache
from guru.knowledge.rows import pack_fine, unpack_vectors
from guru.store.tables import embeddings
from scripted import WordEmbedder


class Counting(WordEmbedder):
    """Knows what it was asked."""

    def __init__(self, dimension=64, revision="", name="test/words"):
        self.dimension, self.revision, self.name = dimension, revision, name
        self.asked = []
        self.failures = []

    async def embed(self, texts):
        if self.failures:
            raise self.failures.pop(0)
        self.asked += texts
        return await super().embed(texts)


@pytest.fixture
async def database(stores, tmp_path):
    database = stores.database(tmp_path)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def cache(database):
    return EmbeddingCache(database, megabytes=10, days=30)


TEXTS = ["Tea grows on slopes.", "The pump is greased.", "Tea grows on slopes.", ""]


async def test_what_was_embedded_is_read_and_is_the_same(cache):
    model = Counting()
    first = await cache.embed("a", model, TEXTS)
    again = await cache.embed("a", model, [*TEXTS, "Something new."])
    assert (first.embedded, first.reused) == (3, 0)
    assert (again.embedded, again.reused) == (1, 3)
    assert model.asked == [*TEXTS[:2], "", "Something new."]
    assert np.array_equal(again.packed[:4], first.packed)
    truth = await WordEmbedder().embed(TEXTS)
    assert np.abs((unpack_vectors(first.packed) * truth).sum(axis=1) - 1).max() < 0.00002
    assert first.packed.tobytes() == pack_fine(truth).tobytes()


async def test_organisations_models_and_revisions_are_apart(cache):
    models = [Counting(), Counting(revision="2"), Counting(name="test/others")]
    for model in models:
        assert (await cache.embed("a", model, TEXTS)).embedded == 3
    assert (await cache.embed("b", models[0], TEXTS)).embedded == 3
    assert (await cache.embed("a", models[0], TEXTS)).embedded == 0
    assert (await cache.size("a")).texts == 9
    assert (await cache.size("b")).texts == 3
    assert (await cache.size("c")).texts == 0


async def test_what_others_may_not_see_is_apart(cache):
    model = Counting()
    legal, everybody = [embedding_cache.readers_of(names) for names in (["team:legal", "user:anna"], [])]
    assert legal == embedding_cache.readers_of(["user:anna", "team:legal"])
    assert (await cache.embed("a", model, TEXTS, [legal] * 4)).embedded == 3
    mixed = await cache.embed("a", model, [*TEXTS, *TEXTS], [legal] * 4 + [everybody] * 4)
    assert (mixed.embedded, mixed.reused, len(mixed.packed)) == (3, 3, 8)
    assert np.array_equal(mixed.packed[:4], mixed.packed[4:])
    assert (await cache.embed("a", model, TEXTS)).embedded == 0


async def test_nothing_that_is_kept_can_be_read_without_the_text(cache, database):
    model = Counting()
    text = "The secret word is quux."
    vector = (await cache.embed("a", model, [text])).packed[0].tobytes()
    (row,) = await database.read(lambda connection: connection.execute(select(embeddings)).all())
    kept = np.frombuffer(row.vector, np.uint8)
    assert len(row.key) == 32
    assert (kept != np.frombuffer(vector, np.uint8)).mean() > 0.9
    values = kept[4:].view(np.int8).astype(float)
    near = values @ np.frombuffer(vector[4:], np.int8).astype(float)
    assert abs(near) < 0.5 * np.linalg.norm(values) * np.linalg.norm(np.frombuffer(vector[4:], np.int8).astype(float))
    assert not any(word in bytes(row.key) + row.vector for word in (b"secret", b"quux"))
    assert embedding_cache.masked(row.vector, "a", model, embedding_cache.Item(text)) == vector


async def test_a_model_that_was_exchanged_under_its_name_is_asked_for_all(cache):
    await cache.embed("a", Counting(dimension=64), TEXTS)
    other = Counting(dimension=32)
    found = await cache.embed("a", other, ["A new one.", *TEXTS])
    assert found.packed["values"].shape == (5, 32)
    assert found.embedded == 4
    unknown = Counting(dimension=16)
    embed = unknown.embed

    async def learn(texts):
        unknown.dimension = 16
        return await embed(texts)

    unknown.embed, unknown.dimension = learn, 0  # a provider's model says its dimension with its first answer
    found = await cache.embed("a", unknown, ["Yet another one.", *TEXTS])
    assert found.packed["values"].shape == (5, 16)
    assert set(TEXTS) <= set(unknown.asked)


async def test_the_oldest_go_first_and_those_that_nobody_uses(database):
    cache = EmbeddingCache(database, megabytes=0.05, days=30)
    model = Counting()
    texts = [f"text {number}" for number in range(400)]
    await cache.embed("a", model, texts)

    def age(connection):
        names = {
            embedding_cache.name_of("a", model, embedding_cache.Item(text)): number for number, text in enumerate(texts)
        }
        for key, number in names.items():
            used = update(embeddings).where(embeddings.c.key == key)
            connection.execute(used.values(used_at=embeddings.c.used_at - (400 - number)))

    await database.write(age)
    removed = await cache.sweep()
    size = await cache.size("a")
    assert (removed > 100, size.texts, size.bytes <= 50_000) == (True, 400 - removed, True)
    assert (await cache.embed("a", model, texts[-50:])).embedded == 0
    assert (await cache.embed("a", model, texts[:50])).embedded == 50
    old = update(embeddings).values(used_at=embeddings.c.used_at - 31 * DAY)
    await database.write(lambda connection: connection.execute(old))
    assert (await cache.embed("a", model, texts[-1:])).embedded == 0  # used again, and so young
    await cache.sweep()
    assert (await cache.size("a")).texts == 1


async def test_without_room_nothing_is_kept(database):
    cache = EmbeddingCache(database, megabytes=0, days=30)
    model = Counting()
    for _ in range(2):
        assert (await cache.embed("a", model, TEXTS)).embedded == 3
    count = select(func.count()).select_from(embeddings)
    assert await database.read(lambda connection: connection.execute(count).scalar_one()) == 0


async def test_many_texts_in_portions(cache, monkeypatch):
    monkeypatch.setattr(embedding_cache, "BATCH", 7)
    model = Counting()
    texts = [f"line {number % 30}" for number in range(50)]
    first = await cache.embed("a", model, texts)
    assert (first.embedded, len(model.asked)) == (30, 30)
    found = await cache.embed("a", model, [*texts, "line 31"])
    assert (found.embedded, found.reused, len(found.packed)) == (1, 30, 51)
    truth = await WordEmbedder().embed(texts)
    assert ((unpack_vectors(found.packed[:50]) * truth).sum(axis=1) > 0.99).all()
    assert (await cache.embed("a", model, [])).packed["values"].shape == (0, 64)


async def test_a_busy_model_is_waited_for_and_a_refusal_is_not(cache, monkeypatch):
    monkeypatch.setattr(embedding_cache, "WAITS", (0.01, 0.01))
    model = Counting()
    model.failures = [ModelUnavailable("busy"), ModelUnavailable("busy")]
    assert (await cache.embed("a", model, TEXTS)).embedded == 3
    model.failures = [ModelUnavailable("busy")] * 3
    with pytest.raises(ModelUnavailable):
        await cache.embed("a", model, ["new"])
    model.failures = [ModelError("no")]
    with pytest.raises(ModelError, match="no"):
        await cache.embed("a", model, ["new"])
    assert model.failures == []
