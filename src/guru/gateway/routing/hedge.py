"""Hedged requests: a second deployment is asked when the first has not begun; the first to begin wins.

J. Dean and L. A. Barroso, "The Tail at Scale", 2013, https://doi.org/10.1145/2408776.2408794. The loser is cancelled
at once. Both are paid as the providers bill them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

from guru.gateway.routing.attempt import Attempt
from guru.types import Event


async def race(
    first: Attempt, second: Callable[[], Attempt | None], after: float, lost: Callable[[Attempt, BaseException], None]
) -> tuple[Attempt, list[Event]]:
    """The attempt that began first, and its first events. `second` is made after `after` seconds.

    `lost` is told of an attempt that failed while the other goes on. Raises `Lost` with the error of the last one to
    fail. All but the winner are closed; all of them when it raises anything.
    """
    attempts = [first]
    try:
        won = await begin(attempts, second, after, lost)
        for attempt in attempts:
            if attempt is not won[0]:
                await attempt.close()
        return won
    except BaseException:
        async with AsyncExitStack() as stack:  # each, though it be cancelled once more meanwhile
            for attempt in attempts:
                stack.push_async_callback(attempt.close)
        raise


async def begin(
    attempts: list[Attempt],
    second: Callable[[], Attempt | None],
    after: float,
    lost: Callable[[Attempt, BaseException], None],
) -> tuple[Attempt, list[Event]]:
    """The winner. `attempts` gets the second; none of their tasks is left, and those that failed are closed."""
    running: dict[asyncio.Task[list[Event]], Attempt] = {asyncio.create_task(attempts[0].begin()): attempts[0]}
    timeout: float | None = after
    try:
        while True:
            done, _ = await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if not done and timeout is not None:
                timeout = None
                other = second()
                if other is not None:
                    attempts.append(other)
                    running[asyncio.create_task(other.begin())] = other
            for task in done:
                attempt = running.pop(task)
                error = task.exception()
                if error is None:
                    return attempt, task.result()
                await attempt.close(error)
                if not running:
                    raise Lost(attempt, error)
                lost(attempt, error)
    finally:
        for task, attempt in running.items():
            task.cancel()
            attempt.target.health.at_least(attempt.waited)
        if running:
            await asyncio.wait(running)
            for task, attempt in running.items():
                if not task.cancelled() and (error := task.exception()) is not None:
                    await attempt.close(error)  # it failed in the moment in which the other began


class Lost(Exception):
    """All attempts of a race have failed; this one last. Never leaves the router."""

    def __init__(self, attempt: Attempt, error: BaseException) -> None:
        super().__init__(str(error))
        self.attempt = attempt
        self.error = error
