"""Active health checks of the providers that are configured for them."""

from __future__ import annotations

import asyncio
import logging
import time

from guru.config import Settings
from guru.gateway.routing import Router
from guru.gateway.routing.probes import Probes
from guru.models.remote import RemoteModels

log = logging.getLogger(__name__)

ROUND = 1.0
"""Seconds between looks at what is due."""


class ActiveHealth:
    """Asks each provider as often as it says; all its models share the answer."""

    def __init__(self, settings: Settings, router: Router, remote: RemoteModels) -> None:
        self._remote = remote
        self._router = router
        self._due: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None
        self._checks: dict[str, asyncio.Task[None]] = {}
        self.reload(settings)

    def reload(self, settings: Settings) -> None:
        """Take over changed intervals."""
        found = {name: provider.health_seconds for name, provider in settings.providers.items()}
        self._intervals = {name: seconds for name, seconds in found.items() if seconds is not None}

    def open(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        tasks = [task for task in (self._task, *self._checks.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        """Begin every check that is due. One that still waits for its provider holds up no other."""
        while True:
            await asyncio.sleep(ROUND)
            now = time.monotonic()
            self._checks = {name: task for name, task in self._checks.items() if not task.done()}
            for name, seconds in self._intervals.items():
                if name not in self._checks and now >= self._due.get(name, 0.0):
                    self._due[name] = now + seconds
                    self._checks[name] = asyncio.create_task(self.check(name))

    async def check(self, name: str) -> None:
        """Ask one provider, for all deployments of it."""
        asked: asyncio.Task[None] | None = None

        async def check(_model: str) -> None:
            nonlocal asked
            asked = asked or asyncio.create_task(self._remote.provider(name).check())
            await asyncio.shield(asked)  # a deployment that waits no longer ends it for no other

        try:
            await Probes(self._router, check).check(lambda model: model.startswith(f"{name}/"))
        except Exception:
            log.exception("the health of %s could not be checked", name)
        finally:
            if asked is not None:
                asked.cancel()
                await asyncio.gather(asked, return_exceptions=True)
