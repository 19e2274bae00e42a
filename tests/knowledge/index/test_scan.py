"""A scan in bytes, measured again with residuals, finds what floats do, whatever the vectors are."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guru.knowledge.distance import nearness
from guru.knowledge.index import scan
from guru.knowledge.index.scan import Candidates, Vectors, leading, most_of
from guru.knowledge.rows import pack_fine, pack_vectors

DISTANCES = ("cosine", "dot", "euclidean", "manhattan")


def clustered(count, dimension, spread, seed):
    """Unit vectors around ten centres: the smaller the spread, the closer the race."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((10, dimension))
    vectors = np.repeat(centres, -(-count // 10), axis=0)[:count] + spread * random.standard_normal((count, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def truth(vectors, query, distance):
    """Nearness by the definitions, in floats of twice the length."""
    vectors, query = vectors.astype(np.float64), query.astype(np.float64)
    if distance in ("cosine", "dot"):
        return vectors @ query
    return -np.linalg.norm(vectors - query, ord=1 if distance == "manhattan" else 2, axis=1)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("spread", [1.0, 0.02])
@pytest.mark.parametrize("dimension", [384, 30, 1])
def test_the_nearest_are_those_of_all_scores(distance, spread, dimension):
    """Of the vectors as they are packed, and of those that were packed."""
    vectors = clustered(20_000, dimension, spread, seed=dimension)
    vectors *= np.random.default_rng(0).uniform(0.5, 1.5, (20_000, 1)).astype(np.float32)  # of no length in particular
    packed, held = pack_vectors(vectors), Vectors(pack_vectors(vectors))
    random = np.random.default_rng(1)
    for query in (vectors[7] / np.linalg.norm(vectors[7]), clustered(1, dimension, 1.0, seed=99)[0]):
        near, exact = nearness(packed, query, distance), truth(vectors, query, distance)
        for share in (None, 0.0, 0.0005, 0.01, 0.3):
            eligible = None if share is None else random.random(20_000) < share
            possible = np.arange(20_000) if eligible is None else np.flatnonzero(eligible)
            for k in (1, 10, 300):
                rows, scores, _ = held.candidates(query, k, distance, eligible)
                assert np.array_equal(rows, np.unique(rows))
                assert eligible is None or eligible[rows].all()
                assert scores == pytest.approx(near[rows], abs=2e-6)
                assert np.sort(scores)[::-1][:k] == pytest.approx(np.sort(near[possible])[::-1][:k], abs=2e-6)
                if len(rows) < most_of(k):
                    best = possible[np.argsort(-exact[possible], kind="stable")[:k]]
                    assert np.sort(exact[rows])[::-1][:k] == pytest.approx(exact[best], abs=1e-9)


@pytest.mark.parametrize("distance", DISTANCES)
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    dimension=st.sampled_from([2, 8, 96, 384]),
    spread=st.sampled_from([0.001, 0.05, 1.0]),
    k=st.sampled_from([1, 10, 40]),
    own=st.booleans(),
)
def test_rescored_they_are_in_the_order_of_the_floats(distance, seed, dimension, spread, k, own):
    vectors = clustered(600, dimension, spread, seed)
    query = vectors[seed % 600] if own else clustered(1, dimension, 1.0, seed + 1)[0]
    fine = pack_fine(vectors)
    rows, *_ = Vectors(pack_vectors(vectors)).candidates(query, k, distance)
    near = nearness(fine[rows], query, distance)
    found = rows[np.lexsort((rows, -near))[:k]]
    exact = truth(vectors, query, distance)
    # Those that are nearer to each other than 16 bits tell apart may stand either way.
    step = float(fine["scale"].max()) / 256 * (dimension if distance == "manhattan" else dimension**0.5)
    assert exact[found] == pytest.approx(np.sort(exact)[::-1][:k], abs=step)
    assert (np.diff(exact[found]) <= step).all()


def test_in_bytes_alone_they_are_not():
    """What the second measure is for."""
    vectors, query = clustered(5000, 384, 0.05, seed=1), clustered(1, 384, 1.0, seed=2)[0]
    exact = np.argsort(-truth(vectors, query, "cosine"))[:50]
    coarse = np.argsort(-nearness(pack_vectors(vectors), query, "cosine"))[:50]
    fine = np.argsort(-nearness(pack_fine(vectors), query, "cosine"))[:50]
    assert len(np.intersect1d(exact, coarse)) < 50
    assert np.array_equal(exact, fine)


def test_of_very_many_that_are_the_same_only_some_are_measured_again():
    vectors = np.repeat(clustered(1, 64, 1.0, seed=1), 5000, axis=0)
    rows, *_ = Vectors(pack_vectors(vectors)).candidates(vectors[0], 10, "cosine")
    assert rows.tolist() == list(range(most_of(10)))


def test_one_that_may_be_before_the_others_is_not_left_out():
    """A vector that is packed with a greater step is less certain of its place."""
    found = Candidates(np.arange(4), np.array([0.9, 0.8, 0.5, 0.5]), np.array([0.01, 0.01, 0.01, 0.4]))
    assert leading(found, 2).ids.tolist() == [0, 1, 3]
    assert leading(found, 3).ids.tolist() == [0, 1, 2, 3]


def test_scans_leave_the_interpreter_as_it_was():
    """Native code that counts references wrongly ends it, after some thousands of searches."""
    held, query = Vectors(pack_vectors(clustered(1000, 384, 1.0, seed=3))), clustered(1, 384, 1.0, seed=4)[0]
    held.candidates(query, 10, "cosine")
    before = sys.getrefcount(None)
    for _ in range(500):
        held.candidates(query, 10, "cosine")
        Vectors(held.packed).squares  # noqa: B018
    assert abs(sys.getrefcount(None) - before) < 100


@pytest.mark.parametrize("distance", DISTANCES[:3])
def test_few_of_the_rows_are_multiplied_again(monkeypatch, distance):
    vectors = clustered(20_000, 384, 1.0, seed=5)
    held, again = Vectors(pack_vectors(vectors)), []
    monkeypatch.setattr(scan, "nearness", lambda packed, *rest: again.append(len(packed)) or nearness(packed, *rest))
    rows, *_ = held.candidates(vectors[3], 100, distance)
    assert 100 <= again[0] < 1000
    assert 100 <= len(rows) < 200
