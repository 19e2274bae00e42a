"""What every vendor's file promises, held against the real thing or a server that speaks its protocol."""

import numpy as np
import pytest

from knowledge.index.corpus import units
from knowledge.index.external.kinds import LOCAL, WIRE, place_of

# Clients and their servers leave sockets and loggers behind, also when they are closed.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
NAME = "guru_0123456789abcdef0123456789abcdef"
OTHER = "guru_ffffffffffffffffffffffffffffffff"


@pytest.fixture(params=WIRE + LOCAL)
def place(request, tmp_path):
    with place_of(request.param, tmp_path) as place:
        yield place


@pytest.fixture
def store(place):
    store = place.open()
    yield store
    for name in (NAME, OTHER):
        store.drop(name)
    store.close()


def fill(store, count=60, name=NAME, first=1, seed=1):
    """Passages of documents of five each."""
    vectors = units(count, seed)
    ids = list(range(first, first + count))
    documents = [f"doc_{(number - first) // 5}" for number in ids]
    store.upsert(name, ids, documents, vectors)
    return dict(zip(ids, zip(documents, vectors, strict=True), strict=True))


def nearest(held, vector, k, chosen=lambda document: True):
    found = [(number, float(own @ vector)) for number, (document, own) in held.items() if chosen(document)]
    return sorted(found, key=lambda pair: -pair[1])[:k]


def check(found, expected):
    assert [number for number, _ in found] == [number for number, _ in expected]
    assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-4)


def test_it_says_what_it_is(store, place):
    assert place.vendor.title in store.ping()


def test_what_was_put_in_is_found_counted_and_given_back(store):
    assert store.count(NAME) == 0
    store.ensure(NAME, 8)
    held = fill(store)
    assert store.count(NAME) == 60
    for seed in range(5):
        vector = units(1, 100 + seed)[0]
        check(store.search(NAME, vector, 7), nearest(held, vector, 7))
    back = store.fetch(NAME, [3, 60, 999])
    assert sorted(back) == [3, 60]
    assert back[3].document == "doc_0" and np.allclose(back[3].vector, held[3][1], atol=1e-6)
    assert len(store.search(NAME, vector, 500)) == 60


def test_filters_narrow_the_search_itself(store):
    store.ensure(NAME, 8)
    held = fill(store)
    vector = units(1, 7)[0]
    some = [f"doc_{number}" for number in (1, 4, 9)]
    check(store.search(NAME, vector, 10, only=some), nearest(held, vector, 10, lambda it: it in some))
    check(store.search(NAME, vector, 20, only=some), nearest(held, vector, 20, lambda it: it in some))
    check(store.search(NAME, vector, 10, never=some), nearest(held, vector, 10, lambda it: it not in some))
    assert store.search(NAME, vector, 10, only=["doc_unknown"]) == []
    many = [f"doc_{number}" for number in range(1000)]
    check(store.search(NAME, vector, 10, only=many), nearest(held, vector, 10))
    assert store.search(NAME, vector, 10, never=many) == []


def test_what_is_put_in_twice_is_there_once_and_what_is_taken_out_is_gone(store):
    store.ensure(NAME, 8)
    fill(store)
    held = fill(store, seed=2)
    assert store.count(NAME) == 60
    store.delete(NAME, [*range(1, 31), 999])
    held = {number: it for number, it in held.items() if number > 30}
    assert store.count(NAME) == 30
    vector = units(1, 5)[0]
    check(store.search(NAME, vector, 40), nearest(held, vector, 40))
    store.delete(NAME, list(held))
    assert store.count(NAME) == 0 and store.search(NAME, vector, 5) == []


def test_collections_do_not_meet(store):
    store.ensure(NAME, 8)
    store.ensure(OTHER, 8)
    fill(store)
    held = fill(store, count=10, name=OTHER, first=500, seed=4)
    vector = units(1, 5)[0]
    check(store.search(OTHER, vector, 20), nearest(held, vector, 20))
    store.drop(NAME)
    store.drop(NAME)
    assert store.count(NAME) == 0
    assert store.count(OTHER) == 10


def test_it_stays_when_it_is_opened_again(store, place):
    store.ensure(NAME, 8)
    fill(store)
    assert store.ensure(NAME, 8) is False
    if place.shelf is None:
        store.close()
        again = place.open()
    else:
        again = store
    assert again.ensure(NAME, 8) is False
    assert again.count(NAME) == 60
    if again is not store:
        again.drop(NAME)
        again.close()
        store.__init__(getattr(place.settings, place.kind))


def test_a_collection_of_another_dimension_is_made_anew(store, place):
    if place.kind == "pinecone":
        pytest.skip("its index is made by a person, and left alone")
    assert store.ensure(NAME, 8) is True
    fill(store)
    assert store.ensure(NAME, 5) is True
    assert store.count(NAME) == 0
    store.upsert(NAME, [1], ["doc_1"], np.eye(5, dtype="f4")[:1])
    assert store.count(NAME) == 1


def test_ids_may_be_large(store):
    store.ensure(NAME, 8)
    fill(store, count=3, first=2**40)
    assert {number for number, _ in store.search(NAME, units(1, 1)[0], 9)} == {2**40, 2**40 + 1, 2**40 + 2}
