"""One score from the scores of the stages: dense, best sentence, its coverage of the query, BM25."""

from __future__ import annotations

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
