"""Clusters of vectors: as many as there are, the same each time, also of many."""

import numpy as np
import pytest

from guru.knowledge.around.cluster import SAMPLE, find_clusters


def planted(count, each, dimension=48, noise=0.05, seed=3):
    """Unit vectors around `count` directions, and which they are around."""
    random = np.random.default_rng(seed)
    middles = random.normal(size=(count, dimension))
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    truth = np.repeat(np.arange(count), each)
    vectors = middles[truth] + random.normal(size=(len(truth), dimension)) * noise
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), truth


@pytest.mark.parametrize("count", [2, 3, 5, 9])
def test_as_many_clusters_are_found_as_there_are(count):
    vectors, truth = planted(count, 20)
    found = find_clusters(vectors)
    assert len(found.centres) == count
    assert all(len(set(truth[found.labels == number])) == 1 for number in range(count))
    assert found.silhouette > 0.5
    assert found.sampled is None


def test_what_has_no_clusters_is_one():
    random = np.random.default_rng(0).normal(size=(300, 200))
    vectors = (random / np.linalg.norm(random, axis=1, keepdims=True)).astype(np.float32)
    found = find_clusters(vectors)
    assert (len(found.centres), found.silhouette) == (1, None)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_too_few_points_are_one_cluster(n):
    vectors, _ = planted(n, 1)
    found = find_clusters(vectors)
    assert (len(found.centres), found.labels.tolist()) == (1, [0] * n)


def test_copies_of_one_point_are_one_cluster_and_no_more_are_made_than_there_are_points():
    one, _ = planted(1, 1)
    assert len(find_clusters(np.repeat(one, 50, axis=0)).centres) == 1
    assert len(find_clusters(np.repeat(one, 50, axis=0), count=7).centres) == 1
    three, _ = planted(3, 1)
    assert len(find_clusters(three, count=10).centres) == 3


def test_the_number_can_be_said_and_the_largest_comes_first():
    vectors, _ = planted(4, 10)
    found = find_clusters(np.concatenate([vectors, vectors[:25]]), count=4)
    sizes = np.bincount(found.labels)
    assert len(sizes) == 4
    assert sizes.tolist() == sorted(sizes.tolist(), reverse=True)


def test_the_same_seed_gives_the_same_clusters():
    vectors, _ = planted(6, 40, noise=0.25)
    first, second = find_clusters(vectors, seed=5), find_clusters(vectors, seed=5)
    assert (first.labels == second.labels).all()
    assert (first.centres == second.centres).all()


def test_of_many_points_a_sample_finds_the_centres():
    vectors, truth = planted(6, SAMPLE // 2, dimension=24)
    found = find_clusters(vectors)
    assert found.sampled == SAMPLE
    assert len(found.labels) == len(vectors) == 3 * SAMPLE
    assert len(found.centres) == 6
    assert all(len(set(truth[found.labels == number])) == 1 for number in range(6))
