"""The last stage: a model reads the best passages beside the question and says in which order they answer it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from guru.errors import Forbidden, GuruError, InvalidParameter, NotFound
from guru.knowledge.odds import mixed, probability
from guru.tasks import Ranking, SearchModels
from guru.types import Hit

SHARE: Final = 0.5
"""Of a calibrated model in the order, the rest being the search's (benchmarks/reader.md)."""


class Reranked(Struct, frozen=True):
    """The places of passages in their new order, and the scores of those that the model has scored."""

    order: list[int]
    scores: dict[int, float]
    """What the order is by."""
    note: str | None = None
    """Why the order is the one before."""
    own: dict[int, float] = {}
    """What the model itself says."""


async def rerank(
    models: SearchModels,
    name: str,
    query: str,
    hits: Sequence[Hit],
    *,
    top: int,
    seconds: float,
    weight: float | None = None,
    chances: Sequence[float] | None = None,
) -> Reranked:
    """The order of `hits` by the model `name`, which reads the first `top` of them; the others follow as they were.

    `chances` are what the search says of each of them, where that is a probability. Then `weight`, 0 to 1, is the
    model's share in the order, by log odds: both know something, and who is surer counts for more. None is `SHARE`
    for a model whose scores are probabilities too, and 1 for others.

    A model that fails, is late, or answers with something else than an order leaves the order alone, with a note.
    Raises `NotFound`, `Forbidden` and `InvalidParameter`, which a request must mend.
    """
    plain = list(range(len(hits)))
    if not hits:
        return Reranked(plain, {})
    try:
        async with asyncio.timeout(seconds):
            ranking = await models.rerank(name, query, [document_of(hit) for hit in hits[:top]])
        own = read_ranking(ranking, min(top, len(hits)))
        if weight is None:
            weight = SHARE if ranking.calibrated else 1.0
        scores = own if chances is None else {place: mix(own[place], chances[place], weight) for place in own}
    except (Forbidden, NotFound, InvalidParameter):
        raise
    except TimeoutError:
        failure = f"{name} did not answer within {seconds:g} seconds."
    except GuruError as error:
        failure = error.message
    except ValueError as error:
        failure = f"{name} {error}."
    else:
        first = sorted(scores, key=lambda place: (-scores[place], place))
        return Reranked([*first, *(place for place in plain if place not in scores)], scores, own=own)
    return Reranked(plain, {}, f"rerank: {failure} The order is the fused one.")


def mix(score: float, chance: float, weight: float) -> float:
    """A probability between two, by the `weight` of the first. Raises `ValueError` for a score that is none."""
    if weight == 1:
        return score
    if not 0 <= score <= 1:
        raise ValueError(f"answered with the score {score:g}, which is no probability to weigh by `rerank_weight`")
    return probability(mixed(score, chance, weight))


def document_of(hit: Hit) -> str:
    """What the model reads of a passage: where it stands, and its text."""
    above = " > ".join(dict.fromkeys([*([hit.title] if hit.title else []), *hit.heading_path]))
    return f"{above}\n{hit.text}" if above else hit.text


def read_ranking(ranking: Ranking, count: int) -> dict[int, float]:
    """The score of every place of `count`. Raises `ValueError` for what is no ranking of them."""
    scores = {item.index: item.relevance_score for item in ranking.results}
    if len(scores) != len(ranking.results) or not scores.keys() <= set(range(count)) or not scores:
        raise ValueError("answered with places that it was not given")
    if not all(map(math.isfinite, scores.values())):
        raise ValueError("answered with scores that are no numbers")
    return scores
