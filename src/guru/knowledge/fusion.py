"""One score from the scores of the stages: dense, best sentence, its coverage of the query, BM25.

The learned model is the default; ranks and scaled scores can be fused instead, as other systems do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from guru.types import SearchMode

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Weights(Struct, frozen=True):
    """A logistic model of whether a passage is relevant, given the scores of its stages."""

    bias: float
    dense: float = 0.0
    sentence: float = 0.0
    coverage: float = 0.0
    sparse: float = 0.0


# Made by `python benchmarks/fit_fusion.py DATA_DIR`, which also shows that weights fitted on one half of the documents
# do as well on the other half.
WEIGHTS: Final[dict[SearchMode, Weights]] = {
    "hybrid": Weights(bias=-9.9, dense=3.07, sentence=5.67, coverage=3.07, sparse=2.2),
    "dense": Weights(bias=-10.09, dense=4.86, sentence=9.59),
    "sparse": Weights(bias=-6.62, sparse=6.6),
}


def sentence_logits(mode: SearchMode, sentence: NDArray[Any], coverage: NDArray[Any]) -> NDArray[Any]:
    """What each sentence says for its passage; the best one speaks for it."""
    import numpy as np

    weights = WEIGHTS[mode]
    return np.asarray(weights.sentence * sentence + weights.coverage * coverage)


def fuse(
    mode: SearchMode, dense: NDArray[Any], sentence: NDArray[Any], coverage: NDArray[Any], sparse: NDArray[Any]
) -> NDArray[Any]:
    """The probability (0 to 1) that each passage is relevant; ranking by it is the ranking.

    `dense` and `sentence` are cosines with the query, `coverage` and `sparse` shares of the query's idf. None depends
    on what else was found, so a score means the same in a collection of one passage and in one of a million.
    """
    import numpy as np

    weights = WEIGHTS[mode]
    logit = weights.bias + weights.dense * dense + weights.sparse * sparse + sentence_logits(mode, sentence, coverage)
    return np.asarray(1 / (1 + np.exp(-logit)))


Side = tuple[str, "NDArray[Any]", "NDArray[Any]", float]
"""The name of a side, its scores of all candidates (the greater the better), which of them it has found, its weight."""


def reciprocal_ranks(sides: Sequence[Side], ids: NDArray[Any], k: int) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
    """Reciprocal rank fusion: the weighted sum of 1 / (k + rank), as a share of what the first of every side has.

    A side says nothing for a passage that it has not found; its rank there is 0. Equal scores rank by id. Also gives
    the ranks. Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank
    Learning Methods" (2009).
    """
    import numpy as np

    total, ranks = np.zeros(len(ids)), {}
    for name, scores, found, weight in sides:
        rank = np.zeros(len(ids))
        order = np.lexsort((ids, -scores))
        order = order[found[order]]
        rank[order] = np.arange(1, len(order) + 1)
        total += np.where(rank > 0, weight / (k + rank), 0.0)
        ranks[f"{name}_rank"] = rank
    return total / (sum(weight for *_, weight in sides) / (k + 1)), ranks


def weighted_sum(sides: Sequence[Side], ids: NDArray[Any], k: int) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
    """The weighted mean of the sides' scores, each scaled to 0 to 1 over the candidates. Also gives the scaled scores.

    The dense side is scaled between its worst and its best. The sparse side has a zero of its own, no word in common,
    and is scaled by its best alone. So a score depends on what else was found.
    """
    import numpy as np

    total, scaled = np.zeros(len(ids)), {}
    for name, scores, _, weight in sides:
        low = 0.0 if name == "sparse" else float(scores.min(initial=np.inf))
        span = float(scores.max(initial=-np.inf)) - low
        share = (scores - low) / span if span > 0 else np.full(len(ids), 0.0 if name == "sparse" else 1.0)
        total += weight * share
        scaled[f"{name}_scaled"] = share
    return total / sum(weight for *_, weight in sides), scaled
