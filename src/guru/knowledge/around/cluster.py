"""Clusters of unit vectors: spherical k-means, with the number of clusters that the silhouette prefers.

Dhillon and Modha, "Concept Decompositions for Large Sparse Text Data Using Clustering" (2001); Arthur and
Vassilvitskii, "k-means++: The Advantages of Careful Seeding" (2007); Rousseeuw, "Silhouettes" (1987).
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

SAMPLE: Final = 5_000
"""Points that centres are found with; the others are then put to the nearest centre."""
SILHOUETTE_SAMPLE: Final = 1_500
"""Points between which all distances are looked at, and that numbers of clusters are tried on."""
NUMBERS: Final = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 24)
"""Of clusters, that are tried where nobody says how many."""
FEWEST_POINTS: Final = 4
"""Fewer points are one cluster: nothing could tell two from chance."""
LEAST_SILHOUETTE: Final = 0.04
"""Under it clusters are not told apart, and all is one. Random directions have about 0.01."""
STARTS: Final = 4
TRIAL_STARTS: Final = 2
ROUNDS: Final = 30
BLOCK: Final = 4_096


class Clusters(Struct, frozen=True):
    """Clusters, the largest first."""

    labels: NDArray[Any]
    """The cluster of each point."""
    centres: NDArray[Any]
    """Unit vectors, float32, shape (k, dimension)."""
    silhouette: float | None
    """Of the sample, -1 to 1: the higher, the better the clusters are apart. None for one cluster."""
    sampled: int | None
    """How many of the points the centres were found with; None: with all."""


def find_clusters(vectors: NDArray[Any], count: int | None = None, seed: int = 0) -> Clusters:
    """Cluster unit vectors, shape (n, dimension), n > 0; `count` says how many there are, up to n.

    The same vectors and `seed` give the same clusters.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    n = len(vectors)
    sampled = n > SAMPLE
    sample = vectors[np.sort(random.choice(n, SAMPLE, replace=False))] if sampled else vectors
    distinct = len(np.unique(sample.round(4), axis=0))
    if count is None and (n < FEWEST_POINTS or distinct < FEWEST_POINTS):
        count = 1
    if count is not None:
        centres = kmeans(sample, min(count, distinct), random)
        score = silhouette(sample, nearest(sample, centres), random) if len(centres) > 1 else None
    else:
        centres, score = choose(sample, distinct, random)
    return by_size(vectors, centres, score, SAMPLE if sampled else None)


def choose(sample: NDArray[Any], distinct: int, random: Generator) -> tuple[NDArray[Any], float | None]:
    """The centres for the number with the best silhouette; one centre where none is good."""
    import numpy as np

    some = sample
    if len(sample) > SILHOUETTE_SAMPLE:
        some = sample[np.sort(random.choice(len(sample), SILHOUETTE_SAMPLE, replace=False))]
    most = min(max(2, isqrt(2 * len(sample))), distinct - 1)
    best, score = 1, LEAST_SILHOUETTE
    for count in (number for number in NUMBERS if number <= most):
        labels = nearest(some, kmeans(some, count, random, TRIAL_STARTS))
        if (found := silhouette(some, labels, random)) > score:
            best, score = count, found
    centres = kmeans(sample, best, random)
    return centres, silhouette(sample, nearest(sample, centres), random) if best > 1 else None


def kmeans(points: NDArray[Any], count: int, random: Generator, starts: int = STARTS) -> NDArray[Any]:
    """The centres of the best of some starts."""
    runs = [refine(points, plus_plus(points, count, random)) for _ in range(starts if count > 1 else 1)]
    return max(runs, key=lambda run: run[0])[1]


def plus_plus(points: NDArray[Any], count: int, random: Generator) -> NDArray[Any]:
    """Points to begin with, each chosen the more likely the farther it is from those before it."""
    import numpy as np

    chosen = [int(random.integers(len(points)))]
    far = np.maximum(1 - points @ points[chosen[0]], 0).astype(np.float64)
    while len(chosen) < count:
        total = far.sum()
        at = int(random.integers(len(points)))
        if total > 1e-9:
            at = min(int(np.searchsorted(np.cumsum(far), random.random() * total)), len(points) - 1)
        chosen.append(at)
        far = np.minimum(far, np.maximum(1 - points @ points[at], 0))
    return points[chosen].copy()


def refine(points: NDArray[Any], centres: NDArray[Any]) -> tuple[float, NDArray[Any]]:
    """Lloyd's rounds until nothing moves; the mean cosine of points with their centres, and these."""
    import numpy as np

    labels = np.full(len(points), -1)
    for _ in range(ROUNDS):
        near = points @ centres.T
        found = near.argmax(axis=1)
        best = near[np.arange(len(points)), found]
        for empty in np.setdiff1d(np.arange(len(centres)), found):
            worst = int(best.argmin())  # a cluster that lost all its points begins again at the point that fits worst
            found[worst], best[worst] = empty, 1.0
        if (found == labels).all():
            break
        labels = found
        centres = means(points, labels, len(centres))
    return float((points * centres[labels]).sum(axis=1).mean()), centres


def means(points: NDArray[Any], labels: NDArray[Any], count: int) -> NDArray[Any]:
    """The mean directions."""
    import numpy as np

    member = np.zeros((count, len(points)), np.float32)
    member[labels, np.arange(len(points))] = 1
    sums = member @ points
    return np.asarray(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12), np.float32)


def nearest(points: NDArray[Any], centres: NDArray[Any]) -> NDArray[Any]:
    """The nearest centre of each point."""
    import numpy as np

    blocks = [points[start : start + BLOCK] @ centres.T for start in range(0, len(points), BLOCK)]
    return np.concatenate([block.argmax(axis=1) for block in blocks])


def silhouette(points: NDArray[Any], labels: NDArray[Any], random: Generator) -> float:
    """The mean silhouette of (a sample of) unit vectors by cosine distance; a cluster of one counts 0."""
    import numpy as np

    if len(points) > SILHOUETTE_SAMPLE:
        some = np.sort(random.choice(len(points), SILHOUETTE_SAMPLE, replace=False))
        points, labels = points[some], labels[some]
    there, labels = np.unique(labels, return_inverse=True)
    if len(there) < 2:
        return 0.0
    member = np.zeros((len(points), len(there)), np.float32)
    member[np.arange(len(points)), labels] = 1
    sizes = member.sum(axis=0)
    sums = np.maximum(1 - points @ points.T, 0) @ member
    rows = np.arange(len(points))
    inside = sums[rows, labels] / np.maximum(sizes[labels] - 1, 1)
    others = sums / sizes
    others[rows, labels] = np.inf
    outside = others.min(axis=1)
    scores = (outside - inside) / np.maximum(np.maximum(inside, outside), 1e-9)
    return float(np.where(sizes[labels] > 1, scores, 0.0).mean())


def by_size(vectors: NDArray[Any], centres: NDArray[Any], score: float | None, sampled: int | None) -> Clusters:
    """The clusters that have points, the largest first."""
    import numpy as np

    labels = nearest(vectors, centres)
    sizes = np.bincount(labels, minlength=len(centres))
    first = np.full(len(centres), len(vectors))
    np.minimum.at(first, labels, np.arange(len(labels)))
    order = [int(number) for number in np.lexsort((first, -sizes)) if sizes[number]]
    renamed = np.zeros(len(centres), np.int64)
    renamed[order] = np.arange(len(order))
    return Clusters(renamed[labels], centres[order], score if len(order) > 1 else None, sampled)
