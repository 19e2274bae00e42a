"""A scan in bytes finds what floats do, whatever the vectors are."""

import sys

import numpy as np
import pytest

from guru.knowledge.distance import nearness
from guru.knowledge.index import scan
from guru.knowledge.index.scan import Vectors
from guru.knowledge.rows import pack_vectors

DISTANCES = ("cosine", "dot", "euclidean", "manhattan")


def clustered(count, dimension, spread, seed):
    """Unit vectors around ten centres: the smaller the spread, the closer the race."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((10, dimension))
    vectors = np.repeat(centres, -(-count // 10), axis=0)[:count] + spread * random.standard_normal((count, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("spread", [1.0, 0.02])
@pytest.mark.parametrize("dimension", [384, 30, 1])
def test_the_nearest_are_those_of_all_scores(distance, spread, dimension):
    vectors = clustered(20_000, dimension, spread, seed=dimension)
    vectors *= np.random.default_rng(0).uniform(0.5, 1.5, (20_000, 1)).astype(np.float32)  # of no length in particular
    packed, held = pack_vectors(vectors), Vectors(pack_vectors(vectors))
    random = np.random.default_rng(1)
    for query in (vectors[7], clustered(1, dimension, 1.0, seed=99)[0]):
        near = nearness(packed, query, distance)
        for share in (None, 0.0, 0.0005, 0.01, 0.3):
            eligible = None if share is None else random.random(20_000) < share
            for k in (1, 10, 300):
                rows, scores = held.nearest(query, k, distance, eligible)
                possible = near if eligible is None else near[eligible]
                assert sorted(scores, reverse=True) == pytest.approx(np.sort(possible)[::-1][:k].tolist(), abs=2e-6)
                assert np.array_equal(rows, np.unique(rows))
                assert scores == pytest.approx(near[rows], abs=2e-6)
                assert eligible is None or eligible[rows].all()


def test_scans_leave_the_interpreter_as_it_was():
    """Native code that counts references wrongly ends it, after some thousands of searches."""
    held, query = Vectors(pack_vectors(clustered(1000, 384, 1.0, seed=3))), clustered(1, 384, 1.0, seed=4)[0]
    held.nearest(query, 10, "cosine")
    before = sys.getrefcount(None)
    for _ in range(500):
        held.nearest(query, 10, "cosine")
        Vectors(held.packed).squares  # noqa: B018
    assert abs(sys.getrefcount(None) - before) < 100


def test_few_of_the_rows_are_multiplied_again(monkeypatch):
    vectors = clustered(20_000, 384, 1.0, seed=5)
    held, again = Vectors(pack_vectors(vectors)), []
    monkeypatch.setattr(scan, "nearness", lambda packed, *rest: again.append(len(packed)) or nearness(packed, *rest))
    held.nearest(vectors[3], 100, "cosine")
    assert 100 <= again[0] < 1000
