"""How sure a mean over questions is: bootstrap intervals, for one setting and for many that are compared at once.

B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13; for many at once the largest studentized
difference: P. Westfall, S. Young, "Resampling-Based Multiple Testing", 1993. Every result is repeatable by its seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL: Final = 0.95
RESAMPLES: Final = 2000
BLOCK: Final = 1 << 21
"""Counts drawn at once, so that memory stays small for many questions."""


class Interval(Struct, frozen=True):
    """A mean, and where it would lie for other questions of the same kind, in 95 of 100 cases."""

    mean: float
    low: float
    high: float
    n: int
    """Questions."""


def bootstrap(values: Sequence[float], *, seed: int, level: float = LEVEL) -> Interval | None:
    """The mean of one value in [0, 1] for each question with its percentile interval; None without values."""
    import numpy as np

    return bootstraps(np.asarray(values, float)[:, None], seed=seed, level=level)[0] if len(values) else None


def bootstraps(values: NDArray[Any], *, seed: int, level: float = LEVEL) -> list[Interval]:
    """The same for each of several measures of the same questions: `values` has shape (questions, measures).

    Where every question scored 1, or every one 0, resampling sees no way to do otherwise. There the interval ends where
    so many in a row are still likely: at C. Clopper and E. Pearson's bound, 1934, as for a share.
    """
    import numpy as np

    n = len(values)
    low, high = np.quantile(resampled_means(values, seed), [(1 - level) / 2, (1 + level) / 2], axis=0)
    bound = ((1 - level) / 2) ** (1 / n)
    low = np.where(values.min(axis=0) == 1, bound, low)
    high = np.where(values.max(axis=0) == 0, 1 - bound, high)
    rows = zip(values.mean(axis=0).tolist(), low.tolist(), high.tolist(), strict=True)
    return [Interval(mean, least, most, n) for mean, least, most in rows]


def simultaneous(differences: NDArray[Any], *, seed: int, level: float = LEVEL) -> list[Interval]:
    """Intervals for the means of several columns that hold all together with probability `level`.

    `differences` has shape (questions, settings): each setting against the same other one, question by question. As all
    hold at once, picking the best of many settings by them is not picking the luckiest. Where no question tells two
    settings apart (values are in [0, 1]), the interval has the share of questions that may still do so.
    """
    import numpy as np

    n = len(differences)
    means = differences.mean(axis=0)
    error = differences.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.zeros(differences.shape[1])
    varies = error > 0
    unseen = 1 - ((1 - level) / len(means)) ** (1 / n)
    reach = np.full(len(means), unseen)
    if varies.any():
        deviations = np.abs(resampled_means(differences[:, varies], seed) - means[varies]) / error[varies]
        reach[varies] = np.quantile(deviations.max(axis=1), level) * error[varies]
    return [
        Interval(float(mean), float(mean - width), float(mean + width), n)
        for mean, width in zip(means, reach, strict=True)
    ]


def resampled_means(values: NDArray[Any], seed: int) -> NDArray[Any]:
    """The means of the columns, shape (RESAMPLES, columns), over questions drawn with replacement."""
    import numpy as np

    random, n = np.random.default_rng(seed), len(values)
    block = max(1, BLOCK // n)
    pieces = []
    for start in range(0, RESAMPLES, block):
        counts = random.multinomial(n, np.full(n, 1 / n), size=min(block, RESAMPLES - start))
        pieces.append(counts @ values / n)
    return np.concatenate(pieces)
