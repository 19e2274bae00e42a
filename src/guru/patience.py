"""Work done again, and later, where its error says that this may help."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from guru.errors import GuruError

T = TypeVar("T")


async def patiently(work: Callable[[], Awaitable[T]], waits: Sequence[float], longest: float) -> T:
    """What `work` gives, which is called once more after each of `waits` while it fails in a way that passes: a limit
    of requests, a model that is not there just now.

    Who says when to come back is obeyed, up to `longest`. All in seconds. Raises what the last call raises.
    """
    for wait in waits:
        try:
            return await work()
        except GuruError as error:
            if not error.retryable:
                raise
            await asyncio.sleep(min(max(wait, error.retry_after or 0.0), longest))
    return await work()
