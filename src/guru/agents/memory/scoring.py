"""How much a memory matters to what is asked: relevance, recency and importance.

The three and their sum are those of Generative Agents (Park et al. 2023, https://arxiv.org/abs/2304.03442, section
4.2): the cosine of the vectors, an exponential decay since a memory was last used, and how much it matters in itself.
There each is stretched to [0, 1] over the memories at hand; here they keep their own scales, so that a score says the
same whatever else is remembered, and a threshold on the relevance holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from guru.agents.memory.base import Scores
from guru.config import MemorySettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAY: Final = 86_400.0
STANDING: Final = 0.9
"""Importance from which a memory is shown whatever the question: how somebody wants to be answered fits no question."""


def score(
    cosines: NDArray[Any], used_at: NDArray[Any], importance: NDArray[Any], now: float, settings: MemorySettings
) -> NDArray[Any]:
    """Relevance, recency, importance and total: shape (4, n), each 0 to 1."""
    import numpy as np

    relevance = np.clip(cosines, 0.0, 1.0)
    age = np.maximum(now - used_at, 0.0) / DAY
    recency = np.power(0.5, age / settings.half_life_days)
    weights = (settings.relevance_weight, settings.recency_weight, settings.importance_weight)
    parts = np.stack([relevance, recency, importance])
    total = np.average(parts, axis=0, weights=weights)
    return np.vstack([parts, total])


def best(scores: NDArray[Any], k: int, floor: float) -> list[int]:
    """The places of the `k` highest totals, the best first, of what is relevant enough or stands by itself."""
    import numpy as np

    relevance, _, importance, total = scores
    able = np.flatnonzero((relevance >= floor) | (importance >= STANDING))
    order = np.lexsort((able, -total[able]))[:k]
    return [int(place) for place in able[order]]


def scores_of(column: NDArray[Any]) -> Scores:
    relevance, recency, importance, total = (round(float(value), 4) for value in column)
    return Scores(relevance=relevance, recency=recency, importance=importance, total=total)


def explain(scores: Scores, age: float, floor: float) -> str:
    """The scores in words; `age` is the seconds since the memory was used."""
    near = f"relevant ({scores.relevance:.2f})"
    if scores.relevance < floor:
        near = f"not close to the question ({scores.relevance:.2f}), but shown with any, as it matters so much"
    days = age / DAY
    when = "used today" if days < 1 else f"used {days:.0f} day{'' if round(days) == 1 else 's'} ago"
    return f"{near}, {when} ({scores.recency:.2f}), importance {scores.importance:.2f}"
