"""Maximal marginal relevance: passages that say what one above them says already come later.

Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering Documents and Producing Summaries"
(1998).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guru.knowledge.rows import unpack_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray


def diversify(
    cosines: NDArray[Any], packed: NDArray[Any], k: int, diversity: float
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The places of `k` of some passages, which come best first, in the order in which they are chosen.

    Each is the one whose relevance times `1 - diversity`, less its greatest cosine with one that is chosen already
    times `diversity`, is the greatest. Also gives this value and this cosine for each.

    Relevance has to be on the scale of cosines, which no fused score is: the first passage gets the greatest of their
    `cosines` with the query, the second the next. So the order is that of the fusion. `packed` are their vectors.
    """
    import numpy as np

    k = min(k, len(cosines))
    vectors = unpack_vectors(packed)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    relevance = np.sort(cosines)[::-1].astype(np.float64)
    redundancy, left = np.zeros(len(cosines)), np.ones(len(cosines), bool)
    order, values, repeats = np.zeros(k, np.int64), np.zeros(k), np.zeros(k)
    for step in range(k):
        value = np.where(left, (1 - diversity) * relevance - diversity * redundancy, -np.inf)
        chosen = int(value.argmax())
        order[step], values[step], repeats[step] = chosen, value[chosen], redundancy[chosen]
        left[chosen] = False
        similar = vectors @ vectors[chosen]
        redundancy = similar if step == 0 else np.maximum(redundancy, similar)
    return order, values, repeats
