"""The loop of every agent: a strategy says what comes next, it is written down, done, and written down again.

A strategy is a generator: it yields steps and is sent what came of them, so that it reads from top to bottom. It is
deterministic: given the same results it asks for the same steps. After a crash it is run again from its beginning and
sent the results that were written down; only where they end is anything done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from typing import Protocol

from guru.agents.limits import Limits
from guru.agents.steps import Part, Result
from guru.errors import GuruError

Steps = Generator[list[Part], list[Result], str]
"""Yields steps, each a list of parts that are done at the same time; returns the answer."""


class Waiting(GuruError):
    """The run can go on when a person has said something. Not an error for whoever began it."""


class Journal(Protocol):
    """What is written down of a run."""

    def began(self, number: int) -> bool:
        """Whether a step was written down before."""
        ...

    async def begin(self, number: int, parts: Sequence[Part]) -> list[Result | None]:
        """Write a step down before it is done; the results of those parts that were done before a crash.

        Raises `Conflict` where another step is written down under that number, and `Stopped` where a person has paused
        or cancelled the run.
        """
        ...

    async def end(self, number: int, part: int, result: Result) -> None:
        """Write down what came of a part: at once where others of the step are not done, else with the next step."""
        ...

    async def flush(self) -> None:
        """Write down what is not yet written."""
        ...


class Performer(Protocol):
    async def perform(self, number: int, place: int, part: Part) -> Result | None:
        """Do it. None: a person must say something first. What goes wrong in a tool is a result, for the model."""
        ...


async def run(steps: Steps, journal: Journal, performer: Performer, limits: Limits) -> str:
    """The answer that a strategy comes to.

    Raises `Waiting`, `LimitReached`, what the model raises, and what the journal raises.
    """
    number, results = 0, None
    try:
        while True:
            try:
                parts = steps.send(results)  # type: ignore[arg-type]
            except StopIteration as ended:
                return str(ended.value)
            number += 1
            if not journal.began(number):
                limits.check(number)
            found = await journal.begin(number, parts)
            if None in found:
                found = await perform(number, parts, found, journal, performer)
            results = [result for result in found if result is not None]
            limits.count(parts, results)
            if len(results) < len(parts):
                raise Waiting("The run waits for a person.", hint="Say yes or no: guru agent approve RUN")
    finally:
        await journal.flush()


async def perform(
    number: int, parts: Sequence[Part], found: list[Result | None], journal: Journal, performer: Performer
) -> list[Result | None]:
    """Do what has not been done of a step, all at the same time, and write each down as it ends.

    Where one fails, the others are waited for: what they did is not to be done again.
    """

    async def one(place: int, part: Part) -> Result | None:
        result = await performer.perform(number, place, part)
        if result is not None:
            await journal.end(number, place, result)
        return result

    todo = {place: asyncio.ensure_future(one(place, parts[place])) for place, had in enumerate(found) if had is None}
    try:
        await asyncio.wait(todo.values())
    finally:
        for task in todo.values():
            task.cancel()
        await asyncio.gather(*todo.values(), return_exceptions=True)
    return [todo[place].result() if place in todo else had for place, had in enumerate(found)]
