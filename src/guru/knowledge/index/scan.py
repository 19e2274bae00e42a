"""The nearest of many packed vectors, by looking at all of them: exact, with nothing to build.

The query is rounded to bytes, too, and multiplied in them: a million vectors of 384 dimensions in 20 ms, as fast as
memory gives them. What the rounding can have cost at most is known (Cauchy and Schwarz), and everything that might be
among the best is multiplied again as it is.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from guru.knowledge.distance import FITTED, nearness
from guru.types import Distance

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW: Final = 16
"""Where no more than one row in so many is eligible, those rows are looked at and not all."""
GROUPS: Final = 4096


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

    def nearest(
        self, query: NDArray[Any], k: int, distance: Distance, eligible: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """The `k` nearest rows to a vector among the eligible ones, sorted, and their nearness."""
        import numpy as np

        rows = self._candidates(query, k, distance, eligible)
        near = nearness(self.packed[rows], query, distance)
        order = np.sort(np.lexsort((rows, -near))[:k])
        return rows[order], near[order]

    def _candidates(
        self, query: NDArray[Any], k: int, distance: Distance, eligible: NDArray[Any] | None
    ) -> NDArray[Any]:
        """Rows among which the `k` nearest are."""
        import numpy as np

        if eligible is not None and np.count_nonzero(eligible) <= max(k, len(eligible) // FEW):
            return np.asarray(np.flatnonzero(eligible))
        if distance == "manhattan":  # no product tells of it
            near, wrong = nearness(self.packed, query, distance), 0.0
        else:
            near, wrong = self._products(query)
            if distance not in FITTED:  # the square of the distance, less that of the query's length
                near, wrong = 2 * near - self.squares, 2 * wrong
        if eligible is None:
            return np.asarray(np.flatnonzero(near >= _at_least(near, k) - 2 * wrong))
        rows: NDArray[Any] = np.flatnonzero(eligible)
        near = near[rows]
        return np.asarray(rows[near >= _at_least(near, k) - 2 * wrong])

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
        longest = float(np.sqrt(self.squares.max()))
        return products, float(np.linalg.norm(query - rounded * step)) * longest + 1e-5


def _at_least(scores: NDArray[Any], k: int) -> float:
    """A number that `k` of the scores reach, and not many more: the k-th of the best of groups of them."""
    import numpy as np

    size = max(1, len(scores) // max(GROUPS, 8 * k))
    if len(scores) <= k:
        return -np.inf
    whole = len(scores) // size * size
    best = scores[:whole].reshape(-1, size).max(axis=1)
    return float(np.partition(best, len(best) - k)[len(best) - k]) if len(best) >= k else -np.inf
