"""The map: every dot within it, topics apart, the same each time."""

import numpy as np

from guru.knowledge.around.cluster import find_clusters
from guru.knowledge.around.layout import lay_out
from knowledge.around.test_cluster import planted


def placed(vectors, **options):
    found = find_clusters(vectors, **options)
    return lay_out(vectors, found.labels, found.centres), found.labels


def test_topics_stand_apart_and_typical_documents_in_their_middle():
    vectors, _ = planted(5, 30)
    places, labels = placed(vectors)
    assert np.abs(places).max() <= 1 + 1e-9
    middles = np.array([places[labels == number].mean(axis=0) for number in range(5)])
    reach = np.array([np.linalg.norm(places[labels == n] - middles[n], axis=1).max() for n in range(5)])
    for one in range(5):
        for two in range(one):
            assert np.linalg.norm(middles[one] - middles[two]) > 0.95 * (reach[one] + reach[two])


def test_no_two_dots_lie_on_each_other():
    vectors, _ = planted(3, 25)
    places, _ = placed(np.concatenate([vectors, vectors[:10]]))
    gaps = np.linalg.norm(places[:, None] - places[None, :], axis=2)
    np.fill_diagonal(gaps, 1)
    assert gaps.min() > 0.02


def test_the_same_points_stand_at_the_same_places():
    vectors, _ = planted(4, 20, noise=0.2)
    assert (placed(vectors)[0] == placed(vectors.copy())[0]).all()


def test_one_two_and_equal_points_have_places():
    one, _ = planted(1, 1)
    assert placed(one)[0].tolist() == [[0, 0]]
    two, _ = planted(2, 1)
    places = placed(two)[0]
    assert np.isfinite(places).all()
    assert np.linalg.norm(places[0] - places[1]) > 0.1
    assert np.isfinite(placed(np.repeat(one, 12, axis=0))[0]).all()
