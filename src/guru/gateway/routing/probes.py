"""Active health checks: deployments are asked now and then whether they are there, before a caller finds out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from guru.gateway.routing.health import Health
from guru.gateway.routing.router import Router

log = logging.getLogger(__name__)

LONGEST = 10.0
Check = Callable[[str], Awaitable[None]]
"""Asks whether a `provider/model` can be reached with our credentials; raises where it cannot."""


class Probes:
    """Checks every deployment of every alias. Two failures in a row open its breaker; when it is found back, the next
    request may close it."""

    def __init__(self, router: Router, check: Check) -> None:
        self._router = router
        self._check = check

    async def check(self, wanted: Callable[[str], bool] = lambda _model: True) -> None:
        """One round over the `wanted` models, all at once."""
        models = {deployment.model for deployment in self._router.deployments() if wanted(deployment.model)}
        await asyncio.gather(*(self._probe(self._router.health(model)) for model in models))

    async def _probe(self, health: Health) -> None:
        was = health.alive
        try:
            async with asyncio.timeout(LONGEST):
                await self._check(health.model)
        except Exception as error:
            health.alive = False
            if was is False:
                log.warning("%s is not there: %s", health.model, type(error).__name__)
                health.breaker.trip()
        else:
            health.alive = True
            if was is False:
                health.breaker.retry_soon()
