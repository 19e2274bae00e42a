"""Documents that are unlike the others of their collection, each with a score and with what can be said of why.

Breunig, Kriegel, Ng and Sander, "LOF: Identifying Density-Based Local Outliers" (2000): how much sparser it is around a
document than around its nearest neighbours. What is unusual is decided by the median and the median absolute deviation
of the scores (Iglewicz and Hoaglin, "How to Detect and Handle Outliers", 1993): outliers do not hide each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEIGHBOURS: Final = 10
FEWEST: Final = 6
"""Of fewer documents none can be called unusual."""
SAMPLE: Final = 10_000
"""Documents among which neighbours are looked for, where there are more."""
BLOCK: Final = 512
LEAST: Final = 0.05
"""A distance under it counts as it: copies of one text would make everything beside them infinitely far."""
LIMIT: Final = 5.0
"""Robust standard deviations above the median from which a factor is unusual. In a cloud without outliers less than one
document in a hundred is so far above."""
LEAST_FACTOR: Final = 1.1
"""And the factor that it must be above the median at least: where all are alike the deviation is nearly nothing."""


class Outliers(Struct, frozen=True):
    """What was measured of every point."""

    factor: NDArray[Any]
    """The local outlier factor: about 1 for a point as dense around as its neighbours."""
    deviation: NDArray[Any]
    """Robust standard deviations of the factor above the median."""
    neighbours: NDArray[Any]
    """The nearest points of each, the nearest first, shape (n, k)."""
    similarity: NDArray[Any]
    """Their cosines."""
    sampled: int | None

    @property
    def unusual(self) -> NDArray[Any]:
        import numpy as np

        return np.asarray((self.deviation >= LIMIT) & (self.factor >= LEAST_FACTOR * np.median(self.factor)))


def measure(vectors: NDArray[Any], seed: int = 0) -> Outliers | None:
    """How unlike its neighbours each unit vector is; None where there are too few to tell."""
    import numpy as np

    n = len(vectors)
    if n < FEWEST:
        return None
    chosen = np.arange(n)
    if n > SAMPLE:
        chosen = np.sort(np.random.default_rng(seed).choice(n, SAMPLE, replace=False))
    neighbours, similarity = find_neighbours(vectors, chosen, min(NEIGHBOURS, max(2, (n - 1) // 2)))
    distance = np.maximum(1 - similarity, LEAST)
    # The reachability distance smooths what is nearer to a point than that point's own k-th neighbour.
    reach = np.maximum(distance, distance[neighbours, -1])
    density = 1 / reach.mean(axis=1)
    factor = density[neighbours].mean(axis=1) / density
    return Outliers(factor, deviations(factor), neighbours, similarity, SAMPLE if n > SAMPLE else None)


def find_neighbours(vectors: NDArray[Any], chosen: NDArray[Any], k: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """For each vector the `k` nearest of those `chosen` beside itself, and their cosines: exact, block by block."""
    import numpy as np

    others = vectors[chosen]
    place = np.full(len(vectors), -1)
    place[chosen] = np.arange(len(chosen))
    neighbours = np.empty((len(vectors), k), np.int64)
    similarity = np.empty((len(vectors), k), np.float32)
    for start in range(0, len(vectors), BLOCK):
        near = vectors[start : start + BLOCK] @ others.T
        mine = place[start : start + BLOCK]
        there = np.flatnonzero(mine >= 0)
        near[there, mine[there]] = -np.inf
        best = np.argpartition(-near, k - 1, axis=1)[:, :k]
        values = np.take_along_axis(near, best, axis=1)
        order = np.lexsort((best, -values), axis=1)
        neighbours[start : start + BLOCK] = chosen[np.take_along_axis(best, order, axis=1)]
        similarity[start : start + BLOCK] = np.take_along_axis(values, order, axis=1)
    return neighbours, similarity


def deviations(values: NDArray[Any]) -> NDArray[Any]:
    """Robust standard deviations above the median, from the median deviation of the values above it alone: the factors
    lean to the right, and by both sides too many would be unusual."""
    import numpy as np

    middle = np.median(values)
    above = values[values > middle] - middle
    spread = 1.4826 * float(np.median(above)) if len(above) else 0.0
    return np.asarray((values - middle) / max(spread, 1e-6))
