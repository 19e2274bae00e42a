"""Queries made of a question by a model: each way is one small file, and all of them are off unless asked for.

A model's answer is data: it is read strictly, and where it is not what was asked for, or does not come in time, the
plain question is searched for, and a note says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from msgspec import Struct

from guru.errors import Forbidden, GuruError, InvalidParameter, NotFound
from guru.knowledge.queries import decomposition, follow_up, hyde, multi_query, step_back
from guru.knowledge.queries.reading import Probe, Unreadable
from guru.tasks import SearchModels
from guru.types import Rewriting

__all__ = ["WAYS", "Limits", "Probe", "Way", "attempt", "expand", "follow_up"]


class Way(Protocol):
    """One way of making queries: what the model is told, and how its answer is read. A module is one."""

    INSTRUCTION: str

    def read(self, answer: str, question: str) -> list[Probe]:
        """Raises `Unreadable`."""
        ...


class Limits(Struct, frozen=True):
    """Of one question to a model."""

    tokens: int = 256
    """Of its answer."""
    seconds: float = 10.0


WAYS: Final[dict[Rewriting, Way]] = {
    "multi-query": multi_query,
    "hyde": hyde,
    "step-back": step_back,
    "decomposition": decomposition,
}
LONGEST: Final = 4000
"""Characters of a question that a model is shown."""


async def expand(
    question: str, ways: Sequence[Rewriting], models: SearchModels, limits: Limits
) -> tuple[list[Probe], list[str]]:
    """What to search for besides the question, each once, and notes on what has failed.

    The ways are asked at once. Raises `NotFound`, `Forbidden` and `InvalidParameter`, which a request must mend.
    """
    chosen = list(dict.fromkeys(ways))
    work = [attempt(name, WAYS[name], question, models=models, limits=limits) for name in chosen]
    tried = await asyncio.gather(*work)
    known = {question.casefold().strip()}
    probes: list[Probe] = []
    for found, _ in tried:
        for probe in found:
            if probe.text.casefold() not in known:
                known.add(probe.text.casefold())
                probes.append(probe)
    return probes, [note for _, note in tried if note is not None]


async def attempt(
    name: str, way: Way, question: str, *, models: SearchModels, limits: Limits, shown: str | None = None
) -> tuple[list[Probe], str | None]:
    """What one way makes of a question; nothing and a note where that fails. `shown` is what the model is shown in
    place of the question."""
    try:
        async with asyncio.timeout(limits.seconds):
            answer = await models.write(way.INSTRUCTION, (shown or question)[-LONGEST:], limits.tokens)
        return way.read(answer, question), None
    except (Forbidden, NotFound, InvalidParameter):
        raise
    except TimeoutError:
        return [], f"{name}: the model did not answer within {limits.seconds:g} seconds; the question is used as it is."
    except Unreadable as error:
        return [], f"{name}: {error}; the question is used as it is."
    except GuruError as error:
        return [], f"{name}: {error.message} The question is used as it is."
