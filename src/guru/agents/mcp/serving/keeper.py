"""Looks after something every now and then, for as long as there is something to look after."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from guru.errors import GuruError

log = logging.getLogger(__name__)
AGAIN = 5.0
"""Seconds until the next look, after one that failed."""


class Keeper:
    def __init__(self, look: Callable[[], Awaitable[float | None]]) -> None:
        """`look` says how many seconds later it wants to be called again; None: when somebody wakes us."""
        self._look = look
        self._task: asyncio.Task[None] | None = None

    def wake(self, after: float) -> None:
        """There is something to look after. The first look comes `after` that many seconds, if none comes anyway."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep(after))

    async def _keep(self, pause: float | None) -> None:
        while pause is not None:
            await asyncio.sleep(pause)
            try:
                pause = await self._look()
            except GuruError as error:
                log.warning("what is kept for clients of MCP cannot be looked after: %s", error)
                pause = AGAIN
            except Exception:
                log.exception("unexpected error while looking after what is kept for clients of MCP")
                pause = AGAIN
        self._task = None

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
