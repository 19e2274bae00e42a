"""The models on disk and in the catalogue, as the doors use them; pulling one is a job."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Protocol

from guru.config import Settings
from guru.errors import NotFound
from guru.models.http import HttpClient
from guru.models.registry import ModelRegistry, ModelStatus
from guru.protocols import Models
from guru.store.jobs import Job, JobRun, Jobs
from guru.tasks import TaskModels

PULL = "pull"


class Library(Models, TaskModels, Protocol):
    """The models that this server can reach, and those that it could have."""

    async def list(self) -> list[ModelStatus]: ...

    async def pull(self, tenant: str, name: str) -> Job:
        """Submit a job that fetches a model, by a name of the catalogue or another source."""
        ...

    def worker_failures(self) -> dict[str, int]:
        """Workers that died or did not start, by model."""
        ...

    async def remove(self, name: str) -> None:
        """Raises `ModelNotFound`, and `Conflict` for a model that came with the program."""
        ...

    async def aclose(self) -> None:
        """Unload everything."""
        ...


class LocalLibrary(ModelRegistry):
    """The local models of a home."""

    def __init__(self, home: Path, settings: Settings, jobs: Jobs, http: HttpClient | None = None) -> None:
        super().__init__(home, settings, http)
        self._jobs = jobs
        jobs.handle(PULL, self._pull)

    async def list(self) -> list[ModelStatus]:
        return await asyncio.to_thread(self.status)

    async def pull(self, tenant: str, name: str) -> Job:
        try:
            source = self.resolve(name)
        except NotFound:
            source = name  # an address or a repository; the job says so when it is neither
        return await self._jobs.submit(tenant, PULL, {"name": source})

    async def _pull(self, run: JobRun) -> dict[str, Any]:
        name = run.job.arguments["name"]

        def progress(done: int, total: int | None) -> None:
            run.progress(done=done, total=total, current=name)

        info = await self.store.pull(name, progress)
        return {"name": info.name, "bytes": info.size_bytes}
