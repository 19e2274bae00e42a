"""What every index promises: whatever happens to the rows, its answers are those of the definitions."""

import random

import numpy as np
import pytest
from sqlalchemy import select

from guru.errors import NotFound
from guru.knowledge.index.base import Wanted
from guru.knowledge.query import weigh
from guru.knowledge.rows import SENTENCE_COLUMNS, unpack_vectors
from guru.knowledge.terms import hash_term, query_terms
from guru.store.scope import Scope
from guru.store.tables import chunks
from knowledge.index.corpus import ALL, ANNA, DIMENSION, bm25, hashes, units

# Clients of other servers leave sockets behind, also when they are closed.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
WORDS = ["pump", "valve", "tea", "leaf", "motor", "harbour", "boat", "P-101"]
DISTANCES = ("cosine", "dot", "euclidean", "manhattan")


def sentence(random, most=9):
    return " ".join(random.choices(WORDS, weights=range(len(WORDS), 0, -1), k=random.randint(1, most)))


def nearness(passage, vector, distance):
    if distance in ("cosine", "dot"):
        return float(passage.vector @ vector)
    return -float(np.linalg.norm(passage.vector - vector, ord=1 if distance == "manhattan" else 2))


def best(scores, k, least=None):
    """The `k` greatest scores, those not above `least` left out."""
    return sorted((score for score in scores if least is None or score > least), reverse=True)[:k]


async def check(corpus, scope=ALL, *, k=5, allowed=None, distance="cosine", query="pump tea P-101 boat", seed=0):
    """Hold a snapshot to its protocol, all of it, and return the passages that there are."""
    truth = await corpus.truth(scope)
    vector = units(1, 1000 + seed)[0]
    eligible = {number: it for number, it in truth.items() if allowed is None or it.document in allowed}

    def use(snapshot):
        words = query_terms(query, snapshot.languages)
        expected = bm25(truth, words)
        weighed = weigh(snapshot, hashes(words))
        stems = sorted({term for word in words for term in word})
        assert snapshot.frequencies([hash_term(term) for term in stems]) == [
            sum(passage.frequency(term) > 0 for passage in truth.values()) for term in stems
        ]
        lengths = [sum(passage.body.values()) for passage in truth.values()]
        assert snapshot.statistics.passages == len(truth)
        assert snapshot.statistics.mean_length == pytest.approx(sum(lengths) / max(len(lengths), 1))

        found = snapshot.dense(vector, k, allowed=allowed, distance=distance).tolist()
        near = {number: nearness(passage, vector, distance) for number, passage in eligible.items()}
        assert found == sorted(set(found))
        assert best([near[number] for number in found], k) == pytest.approx(best(near.values(), k), abs=1e-5)

        found = snapshot.sparse(weighed, k, allowed=allowed).tolist()
        assert found == sorted(set(found))
        sparse = {number: expected[number] for number in eligible}
        assert best([sparse[number] for number in found], k) == pytest.approx(best(sparse.values(), k, 0), rel=1e-4)

        ids = np.array(sorted(truth), np.int64)
        for chosen in (ids, ids[::2], ids[:0]):
            vectors = snapshot.vectors(chosen)
            stored = [truth[number].vector for number in chosen.tolist()]
            assert np.array_equal(unpack_vectors(vectors), np.reshape(stored, (-1, DIMENSION))) or (
                not stored and len(vectors) == 0
            )
            scores = [expected[number] for number in chosen.tolist()]
            assert snapshot.bm25(chosen, weighed) == pytest.approx(scores, rel=1e-4, abs=1e-5)
            sentences = [[getattr(row, name) for name in SENTENCE_COLUMNS] for row in snapshot.sentences(chosen)]
            assert sentences == [truth[number].sentences for number in chosen.tolist()]

        names, means = snapshot.means()
        assert names == sorted({passage.document for passage in truth.values()})
        for name, mean in zip(names, means, strict=True):
            total = sum(passage.coarse for passage in truth.values() if passage.document == name)
            assert mean == pytest.approx(total / np.linalg.norm(total), abs=1e-5)

    await corpus.look(use, scope, wanted=wanted(vector, k, allowed, distance))
    assert corpus.notes == []
    return truth


def wanted(vector, k, allowed, distance):
    accepts = None if allowed is None else lambda document: document["document_id"] in allowed
    return Wanted(vectors=[vector], k=k, distance=distance, accepts=accepts)


@pytest.mark.parametrize("seed", range(4))
async def test_after_any_sequence_of_changes_it_is_right(corpus, seed):
    chance = random.Random(seed)
    for step in range(14):
        name = f"document {chance.randrange(5)}"
        if chance.random() < 0.25:
            await corpus.drop(name)
        else:
            texts = [sentence(chance) for _ in range(chance.randint(1, 12))]
            await corpus.put(name, texts, heading=chance.choice(["", "Pumps and tea"]))
        await check(corpus, k=chance.choice([1, 3, 10, 100]), seed=step)


@pytest.mark.parametrize("distance", DISTANCES)
async def test_the_nearest_are_found_by_every_distance(corpus, distance):
    chance = random.Random(7)
    await corpus.put("a", [sentence(chance) for _ in range(60)])
    await corpus.put("b", [sentence(chance) for _ in range(40)])
    for seed in range(3):
        await check(corpus, distance=distance, k=7, seed=seed)


async def test_an_empty_collection_has_nothing(corpus):
    assert await check(corpus) == {}
    document = await corpus.put("a", ["pump tea"])
    assert len(await check(corpus)) == 1
    await corpus.drop("a")
    assert await check(corpus) == {}
    assert await check(corpus, allowed=frozenset({document})) == {}


async def test_a_filter_leaves_the_best_of_what_it_allows(corpus):
    chance = random.Random(3)
    documents = [await corpus.put(str(n), [sentence(chance) for _ in range(8)]) for n in range(20)]
    for seed, share in enumerate((1, 2, 5, 19)):
        await check(corpus, allowed=frozenset(chance.sample(documents, share)), seed=seed)
    await check(corpus, allowed=frozenset())
    await check(corpus, allowed=frozenset({"doc of another collection"}))
    await corpus.drop("3")
    await check(corpus, allowed=frozenset(documents))


async def test_a_hidden_document_is_in_no_answer_and_in_no_statistic(corpus):
    chance = random.Random(5)
    for n in range(12):
        access = (["user:anna"], ["user:ben"], ["team:legal"], [])[n % 4]
        await corpus.put(str(n), [sentence(chance) for _ in range(6)], access=access)
    legal = Scope("t", ("user:anna",), ("team:legal",))
    assert [len(await check(corpus, scope)) for scope in (ALL, legal, ANNA, Scope("t", ()))] == [72, 54, 36, 18]
    mine = {passage.document for passage in (await corpus.truth(ANNA)).values()}
    every = {passage.document for passage in (await corpus.truth()).values()}
    await check(corpus, ANNA, allowed=frozenset(every))
    await check(corpus, ANNA, allowed=frozenset(every - mine))


async def test_a_list_that_is_changed_holds_from_the_next_search_on(corpus):
    await corpus.put("a", ["pump tea"], access=["user:ben"])
    assert await check(corpus, ANNA) == {}
    await corpus.put("a", ["pump tea"], access=["user:anna"])
    assert len(await check(corpus, ANNA)) == 1


async def test_a_document_that_is_replaced_is_found_as_it_is(corpus):
    for n in range(6):
        await corpus.put("a", [f"pump boat {n}"] * (n + 1))
        await corpus.put("b", ["tea leaf"] * 3)
        assert len(await check(corpus, query=f"pump {n}")) == n + 4


async def test_words_of_every_language_and_script_are_found(corpus):
    await corpus.put("de", ["Die Pumpen und die Häuser", "Tee aus Assam"], language="de")
    await corpus.put("ru", ["Насосы стоят у причала"], language="ru")
    await corpus.put("zh", ["水泵的轴承每年三月润滑"], language="zh", heading="维护")
    await corpus.put("el", ["Ναΐφ αντλίες"], language="el")
    await corpus.put("fr", ["L'été à la ferme 😀"], language="fr")
    for query in ("Haus Pumpe", "насос причал", "轴承 润滑", "αντλία", "été ferme", "维护", "😀", "the"):
        await check(corpus, query=query)


async def test_tenants_and_collections_do_not_meet(corpus):
    await corpus.collection("u")
    await corpus.collection("t", "d")
    await corpus.put("a", ["pump tea"] * 2)
    await corpus.put("a", ["pump boat"] * 3, tenant="u")
    await corpus.put("a", ["pump boat"] * 4, collection="d")
    assert len(await check(corpus)) == 2
    assert len(await check(corpus, Scope("u"))) == 3
    with pytest.raises(NotFound):
        await corpus.look(lambda snapshot: None, Scope("u"), "d")
    with pytest.raises(NotFound):
        await corpus.look(lambda snapshot: None, Scope("u"), "d", wanted(units(1, 1)[0], 3, None, "cosine"))


@pytest.mark.parametrize("looked", [True, False])
async def test_a_transaction_that_began_earlier_sees_its_own_state(corpus, looked):
    """Also when others have seen a newer one meanwhile, whether or not it was the first to look."""
    await corpus.put("a", ["tea"] * 2)
    await corpus.put("b", ["pump"] * 3)
    vector = units(1, 1)[0]
    ahead = await corpus.index.look_ahead(ALL, "c", wanted(vector, 10, None, "cosine"))
    with corpus.database.engine.connect() as early, early.begin():
        ids = list(early.scalars(select(chunks.c.id).order_by(chunks.c.id)))
        if looked:
            assert corpus.index.snapshot(early, ALL, "c", ahead)[1].dense(vector, 10).tolist() == ids
        await corpus.put("a", ["boat tea"] * 7)
        await check(corpus)
        await corpus.drop("b")
        await check(corpus)
        _, snapshot = corpus.index.snapshot(early, ALL, "c", ahead)
        assert (snapshot.statistics.passages, snapshot.dense(vector, 10).tolist()) == (5, ids)
        assert snapshot.frequencies([hash_term("pump"), hash_term("boat")]) == [3, 0]
    assert len(await check(corpus)) == 7


async def test_an_index_that_is_made_anew_finds_what_the_old_one_did(corpus, make_index):
    for n in range(5):
        await corpus.put(str(n), ["pump tea", "boat"])
    await corpus.drop("2")
    await check(corpus)
    corpus.index = make_index(corpus.database)
    assert len(await check(corpus)) == 8
