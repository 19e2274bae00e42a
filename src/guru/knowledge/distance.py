"""How near passages are to a query, by one distance or another, over their vectors as they are stored: exact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from guru.knowledge.rows import dot, unpack_vectors
from guru.types import Distance

if TYPE_CHECKING:
    from numpy.typing import NDArray

FITTED: Final[tuple[Distance, ...]] = ("cosine", "dot")
"""What the learned fusion may be given. Vectors here have unit length, so that the two are one number."""
_BLOCK: Final = 1024


def nearness(packed: NDArray[Any], query: NDArray[Any], distance: Distance) -> NDArray[Any]:
    """One number for each packed vector, float32, the greater the nearer: the product, or the distance with a minus.

    `packed` has shape (n,) and the type of `rows.vector_type` or `rows.fine_type`; `query` is a unit vector.
    """
    import numpy as np

    if distance in FITTED:
        return dot(packed, query)
    order = 1 if distance == "manhattan" else 2
    result = np.empty(len(packed), np.float32)
    for start in range(0, len(packed), _BLOCK):
        block = unpack_vectors(packed[start : start + _BLOCK])
        result[start : start + _BLOCK] = -np.linalg.norm(block - query, ord=order, axis=1)
    return result
