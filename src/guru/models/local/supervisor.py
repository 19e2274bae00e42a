"""Keeps the worker of one model: starts it when needed, restarts it when it dies, unloads it when nobody asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any, Literal

from msgspec import Struct

from guru.errors import ModelError, ModelUnavailable
from guru.models.local.process import Reply, WorkerProcess
from guru.models.local.protocol import WorkerSettings

HEALTHY_SECONDS = 60.0
"""A worker that lived this long was no failure: the next start is at once."""
MAX_BACKOFF = 30.0


class Timeouts(Struct, frozen=True, kw_only=True):
    """All in seconds."""

    load: float = 300.0
    silence: float = 20.0
    """A worker that answers no ping for so long is killed."""
    stall: float = 300.0
    """A worker whose requests get no further for so long is killed."""
    idle: float = 900.0
    """A worker that nobody used for so long is unloaded; 0 is never."""


class Supervisor:
    """One model, at most one worker. All methods belong to one event loop."""

    def __init__(self, settings: Callable[[], WorkerSettings], timeouts: Timeouts | None = None) -> None:
        """`settings` is asked before each start, as it may look at files and at free memory."""
        self._settings = settings
        self._timeouts = timeouts or Timeouts()
        self._worker: WorkerProcess | None = None
        self._starting = asyncio.Lock()
        self._idle: asyncio.Task[None] | None = None
        self.failures = 0
        """Workers that died or did not start, since the server's start."""
        self._failures = 0
        self._not_before = 0.0
        self._started_at = 0.0
        self._last_reason = ""

    @property
    def pid(self) -> int | None:
        """The process id of the worker, while the model is loaded."""
        return self._worker.pid if self._worker is not None and self._worker.alive else None

    async def run(self, kind: Literal["chat", "text"], body: dict[str, Any]) -> AsyncGenerator[Reply, None]:
        """Run a request as `WorkerProcess.run` does, starting a worker first where there is none."""
        worker = await self.load()
        replies = worker.run(kind, body)
        try:
            async for reply in replies:
                yield reply
        finally:
            await replies.aclose()

    async def load(self) -> WorkerProcess:
        """The living worker. Raises `ModelError` when it cannot be started."""
        async with self._starting:
            if self._worker is not None and self._worker.alive:
                self._worker.last_used = time.monotonic()
                return self._worker
            await self._bury()
            now = time.monotonic()
            if now < self._not_before:
                message = f"The worker failed {self._failures} times in a row. {self._last_reason}".strip()
                hint = f"It is started again in {self._not_before - now:.0f} s."
                raise ModelUnavailable(message, hint=hint)
            return await self._start()

    async def unload(self) -> None:
        """Give the memory back. Requests in flight fail with `ModelUnavailable`; the next one loads again."""
        async with self._starting:
            worker, self._worker = self._worker, None
            if worker is not None:
                await worker.kill()

    async def aclose(self) -> None:
        """Stop for good."""
        if self._idle is not None:
            self._idle.cancel()
            await asyncio.gather(self._idle, return_exceptions=True)
            self._idle = None
        await self.unload()

    async def _start(self) -> WorkerProcess:
        settings = await asyncio.to_thread(self._settings)
        limits = self._timeouts
        try:
            self._worker = await WorkerProcess.start(
                settings, load_timeout=limits.load, silence_timeout=limits.silence, stall_timeout=limits.stall
            )
        except ModelError as error:
            self._count_failure(error.message)
            raise
        self._started_at = time.monotonic()
        if limits.idle and self._idle is None:
            self._idle = asyncio.create_task(self._unload_when_idle())
        return self._worker

    async def _bury(self) -> None:
        """Clean up after a worker that died. The first death is forgiven at once, further ones cost time."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        if time.monotonic() - self._started_at > HEALTHY_SECONDS:
            self._failures = 0
        self._count_failure(worker.last_words())
        await worker.kill()

    def _count_failure(self, reason: str) -> None:
        self.failures += 1
        self._failures += 1
        self._last_reason = reason
        wait = 0.0 if self._failures == 1 else min(MAX_BACKOFF, 2.0 ** (self._failures - 2))
        self._not_before = time.monotonic() + wait

    async def _unload_when_idle(self) -> None:
        while True:
            worker = self._worker
            idle = time.monotonic() - worker.last_used if worker is not None and not worker.busy else 0.0
            if worker is not None and idle >= self._timeouts.idle:
                await self.unload()
            await asyncio.sleep(max(0.05, min(self._timeouts.idle - idle, self._timeouts.idle / 4)))
