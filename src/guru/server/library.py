"""The models on disk and in the catalogue, as the API shows them."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from guru.store.jobs import Job
from guru.types import Models


class ModelView(Struct, kw_only=True):
    name: str
    kind: str
    """`chat` or `embedding`."""
    status: str
    """`ready` (in memory), `available` (on disk) or `not installed`."""
    size_bytes: int | None = None
    context_length: int | None = None
    licence: str | None = None
    description: str = ""
    memory_bytes: int | None = None
    """What it needs when it runs."""
    aliases: list[str] = []


class Library(Models, Protocol):
    """The models that this server can reach, and those that it could have."""

    async def list(self) -> list[ModelView]: ...

    async def pull(self, tenant: str, name: str) -> Job:
        """Raises `ModelNotFound`."""
        ...

    async def remove(self, name: str) -> None:
        """Raises `ModelNotFound`, and `Conflict` for a model that came with the program."""
        ...

    async def aclose(self) -> None:
        """Unload everything."""
        ...


def local_library(home: Path, settings: Settings, jobs: Jobs) -> Library:
    """The local models of a home."""
    from guru.models.registry import ModelRegistry

    return LocalLibrary(ModelRegistry(home, settings), jobs)
