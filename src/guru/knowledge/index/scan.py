"""The nearest of many packed vectors, by looking at all of them: exact, with nothing to build.

The query is rounded to bytes, too, and multiplied in them: a million vectors of 384 dimensions in 20 ms, as fast as
memory gives them. What this rounding can have cost at most is known (Cauchy and Schwarz). What that of the vectors has
cost is not, but how it is spread is: a number is rounded by up to half a step, each as likely, so that a product is off
by a 3.5th of a step as a standard deviation. Every row that is not `CERTAIN` of them behind the best is a candidate, to
be measured again by whoever has finer vectors (`embedded.py`).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from guru.knowledge.distance import FITTED, nearness
from guru.types import Distance

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW: Final = 16
"""Where no more than one row in so many is eligible, those rows are looked at and not all."""
GROUPS: Final = 4096
CERTAIN: Final = 4.5
"""Standard deviations: one rounding in 150,000 is further off."""


class Vectors:
    """Packed vectors (`rows.vector_type`) with what a scan wants to know of each."""

    def __init__(self, packed: NDArray[Any]) -> None:
        self.packed = packed

    @cached_property
    def scales(self) -> NDArray[Any]:
        """Side by side: among the vectors, each of them would be a way to memory."""
        import numpy as np

        return np.ascontiguousarray(self.packed["scale"])

    @cached_property
    def squares(self) -> NDArray[Any]:
        """Of their lengths, float32."""
        import numpy as np
        import simsimd

        values = self.packed["values"]
        products = np.array(simsimd.dot(values, values), np.float64).reshape(-1)  # of one row it is a number
        squares: NDArray[Any] = products * self.scales.astype(np.float64) ** 2
        return squares.astype(np.float32)

    def candidates(
        self, query: NDArray[Any], k: int, distance: Distance, eligible: NDArray[Any] | None = None
    ) -> Candidates:
        """The eligible rows among which the `k` nearest to a unit vector are, also by the vectors that were packed."""

        rows = self._near(query, k, distance, eligible)
        near = nearness(self.packed[rows], query, distance)
        return leading(Candidates(rows, near, self._reach(self.scales[rows], -near, distance)), k)

    def _near(self, query: NDArray[Any], k: int, distance: Distance, eligible: NDArray[Any] | None) -> NDArray[Any]:
        """Rows, not many more than have to be measured as they are."""
        import numpy as np

        if eligible is not None and np.count_nonzero(eligible) <= max(k, len(eligible) // FEW):
            return np.asarray(np.flatnonzero(eligible))
        if distance == "manhattan":  # no product tells of it
            near, wrong = nearness(self.packed, query, distance), 0.0
        else:
            near, wrong = self._products(query)
            if distance not in FITTED:  # the square of the distance, less that of the query's length
                near, wrong = 2 * near - self.squares, 2 * wrong
        rows = None if eligible is None else np.flatnonzero(eligible)
        near = near if rows is None else near[rows]
        least = self._behind(_at_least(near, k), query, distance) - 2 * wrong
        found = np.flatnonzero(near >= least)
        return np.asarray(found if rows is None else rows[found])

    def _behind(self, score: float, query: NDArray[Any], distance: Distance) -> float:
        """How far behind `score`, as `_near` counts it, a row may be that is before it by the vectors that were
        packed."""
        import numpy as np

        if not np.isfinite(score):
            return score
        if distance != "euclidean":
            return score - 2 * float(self._reach(self._coarsest, -score, distance))
        square = float(query @ query)
        far = max(square - score, 0.0) ** 0.5
        return float(square - (far + 2 * float(self._reach(self._coarsest, far, distance))) ** 2)

    def _reach(self, scale: Any, far: Any, distance: Distance) -> Any:
        """How far the nearness of vectors with these scales, at these distances, may be from that of the vectors that
        were packed.

        Distances are also longer by what the rounding adds to them.
        """
        import numpy as np

        dimension = self.packed["values"].shape[1]
        off = CERTAIN * scale / 12**0.5
        if distance in FITTED:
            return off
        if distance == "manhattan":
            return off * dimension**0.5 + np.minimum(scale * dimension / 4, np.maximum(far, 0))
        added = scale * scale * dimension / 12
        return off + added / np.maximum(far, np.sqrt(added))

    @cached_property
    def _longest(self) -> float:
        return float(self.squares.max(initial=0.0) ** 0.5)

    @cached_property
    def _coarsest(self) -> float:
        return float(self.scales.max(initial=0.0))

    def _products(self, query: NDArray[Any]) -> tuple[NDArray[Any], float]:
        """The product of every vector with the query, float32, and by how much it may be wrong at most."""
        import numpy as np
        import simsimd

        step = max(float(np.abs(query).max()), 1e-12) / 127
        rounded = np.rint(query / step).astype(np.int8)
        # Not into an array of ours: simsimd 6.5 gives back a None that it does not own for `out`, and after some
        # thousands of them the interpreter ends.
        found = simsimd.cdist(rounded[None], self.packed["values"], metric="dot", out_dtype="float32")
        products = np.asarray(found)[0]
        products *= self.scales
        products *= np.float32(step)
        return products, float(np.linalg.norm(query - rounded * step)) * self._longest + 1e-5


class Candidates(NamedTuple):
    """Rows, or ids, that may be the nearest, sorted."""

    ids: NDArray[Any]
    near: NDArray[Any]
    """By the packed vectors."""
    reach: NDArray[Any]
    """How far that may be from what it is by the vectors that were packed."""

    def take(self, places: NDArray[Any]) -> Candidates:
        return Candidates(self.ids[places], self.near[places], self.reach[places])


def leading(found: Candidates, k: int) -> Candidates:
    """Those of which nobody knows that `k` others are before them; no more than `most_of` are looked at again."""
    import numpy as np

    if len(found.ids) <= k:
        return found
    worst = np.partition(found.near - found.reach, len(found.ids) - k)[len(found.ids) - k]
    places = np.flatnonzero(found.near + found.reach >= worst)
    if len(places) > most_of(k):
        near = found.near[places]
        places = np.sort(places[np.lexsort((found.ids[places], -near))[: most_of(k)]])
    return found.take(places)


def most_of(k: int) -> int:
    """Where a thousand passages are as good as the same, any of them will do."""
    return 4 * k + 1000


def _at_least(scores: NDArray[Any], k: int) -> float:
    """A number that `k` of the scores reach, and not many more: the k-th of the best of groups of them."""
    import numpy as np

    size = max(1, len(scores) // max(GROUPS, 8 * k))
    if len(scores) <= k:
        return -np.inf
    whole = len(scores) // size * size
    best = scores[:whole].reshape(-1, size).max(axis=1)
    return float(np.partition(best, len(best) - k)[len(best) - k]) if len(best) >= k else -np.inf
