"""The last stage: a model reads the best passages beside the question and says in which order they answer it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from msgspec import Struct

from guru.errors import Forbidden, GuruError, InvalidParameter, NotFound
from guru.tasks import Ranking, SearchModels
from guru.types import Hit


class Reranked(Struct, frozen=True):
    """The places of passages in their new order, and the scores of those that the model has scored."""

    order: list[int]
    scores: dict[int, float]
    note: str | None = None
    """Why the order is the one before."""


async def rerank(
    models: SearchModels, name: str, query: str, hits: Sequence[Hit], *, top: int, seconds: float
) -> Reranked:
    """The order of `hits` by the model `name`, which reads the first `top` of them; the others follow as they were.

    A model that fails, is late, or answers with something else than an order leaves the order alone, with a note.
    Raises `NotFound`, `Forbidden` and `InvalidParameter`, which a request must mend.
    """
    plain = list(range(len(hits)))
    if not hits:
        return Reranked(plain, {})
    try:
        async with asyncio.timeout(seconds):
            ranking = await models.rerank(name, query, [document_of(hit) for hit in hits[:top]])
        scores = read_ranking(ranking, min(top, len(hits)))
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
        return Reranked([*first, *(place for place in plain if place not in scores)], scores)
    return Reranked(plain, {}, f"rerank: {failure} The order is the fused one.")


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
