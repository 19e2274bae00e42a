"""Several branches at the same time, as many as may be, with their results in order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from guru.agents.workflows.errors import TOO_MANY_FAILED, StepFailed
from guru.agents.workflows.pulse import Pulse


async def fan_out(works: Sequence[Callable[[], Awaitable[Any]]], limit: int, tolerated: int, pulse: Pulse) -> list[Any]:
    """What each came to; in the place of one that failed, its `StepFailed`.

    Raises `StepFailed` when more than `tolerated` have failed; the others are broken off then.
    """
    if not works:
        return []
    results: list[Any] = [None] * len(works)
    failed = 0
    count = min(limit, len(works))
    left, begun, handed_on = count, 0, False
    numbers = iter(range(len(works)))

    async def worker() -> None:
        nonlocal begun, left, handed_on
        begun += 1
        whole = False
        try:
            await work_off()
            whole = True
        finally:
            left -= 1
            # The first that fails, or the last, leaves its place to the step that all of them belong to.
            if not handed_on and (not whole or not left):
                handed_on = True
            else:
                pulse.leave()

    async def work_off() -> None:
        nonlocal failed
        for number in numbers:
            try:
                results[number] = await works[number]()
            except StepFailed as failure:
                results[number] = failure
                failed += 1
                if failed > tolerated:
                    raise too_many(failure, failed, len(works), tolerated) from failure

    pulse.fork(count)
    tasks = [asyncio.ensure_future(worker()) for _ in range(count)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        pulse.forget(count - begun - (not handed_on))
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
            raise outcome
    return results


def too_many(failure: StepFailed, failed: int, works: int, tolerated: int) -> StepFailed:
    """Where none may fail, the failure itself, so that `catch` can name it."""
    if not tolerated:
        return StepFailed(failure.error, failure.cause)
    cause = f"{failed} of {works} failed, and {tolerated} may. The last: {failure}"
    return StepFailed(TOO_MANY_FAILED, cause)
