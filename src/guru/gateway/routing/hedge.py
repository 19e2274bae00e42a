"""Hedged requests: a second deployment is asked when the first has not begun; the first to begin wins.

J. Dean and L. A. Barroso, "The Tail at Scale", 2013, https://doi.org/10.1145/2408776.2408794. The loser is cancelled
at once. Both are paid as the providers bill them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from guru.gateway.routing.attempt import Attempt
from guru.types import Event


async def race(
    first: Attempt, second: Callable[[], Attempt | None], after: float, lost: Callable[[Attempt, BaseException], None]
) -> tuple[Attempt, list[Event]]:
    """The attempt that began first, and its first events. `second` is made after `after` seconds.

    `lost` is told of an attempt that failed while the other goes on. Raises the error of the last one to fail;
    its attempt is closed, as are all but the winner.
    """
    running: dict[asyncio.Task[list[Event]], Attempt] = {asyncio.create_task(first.begin()): first}
    timeout: float | None = after
    try:
        while True:
            done, _ = await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if not done and timeout is not None:
                timeout = None
                other = second()
                if other is not None:
                    running[asyncio.create_task(other.begin())] = other
            for task in done:
                attempt = running.pop(task)
                error = task.exception()
                if error is None:
                    return attempt, task.result()
                if running:
                    lost(attempt, error)
                    await attempt.close(error)
                else:
                    raise Lost(attempt, error)
    finally:
        for task, attempt in running.items():
            task.cancel()
            attempt.target.health.at_least(attempt.waited)
        if running:
            await asyncio.wait(running)
            for attempt in running.values():
                await attempt.close()


class Lost(Exception):
    """All attempts of a race have failed; this one last. Never leaves the router."""

    def __init__(self, attempt: Attempt, error: BaseException) -> None:
        super().__init__(str(error))
        self.attempt = attempt
        self.error = error
