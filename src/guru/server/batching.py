"""Lets batches meet what they need: the doors that answer their lines, and the batch endpoints of providers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guru.config import BatchSettings
from guru.gateway.batches.account import Accounts, Limits
from guru.gateway.batches.batches import Batches
from guru.gateway.batches.choice import FindProvider
from guru.gateway.batches.files import Files
from guru.gateway.batches.run import BatchRunner
from guru.gateway.identity import Caller, Directory
from guru.gateway.pipeline import Road
from guru.server.endpoint import door_name
from guru.server.inner import InnerDoors
from guru.server.library import Library, LocalLibrary
from guru.store.jobs import Jobs

if TYPE_CHECKING:
    from guru.models.providers.base import BatchApi


def open_batches(
    files: Files, jobs: Jobs, road: Road, library: Library, directory: Directory, *, doors: InnerDoors,
    settings: BatchSettings, limits: Limits,
) -> Batches:  # fmt: skip
    """The batches of a server; their lines are answered by `doors`."""

    def allow(caller: Caller, endpoint: str, model: str) -> None:
        directory.check(caller, door_name(endpoint))
        directory.allow(caller, model)

    runner = BatchRunner(
        files, doors.ask, settings, provider=batch_endpoints(library),
        accounts=Accounts(road, limits), allow=allow,
    )  # fmt: skip
    return Batches(files, jobs, runner)


def batch_endpoints(library: Library) -> FindProvider | None:
    """How the batch endpoint of a configured provider is found."""
    if not isinstance(library, LocalLibrary):
        return None

    def find(model: str) -> tuple[str, BatchApi] | None:
        name, slash, _ = model.partition("/")
        api = library.remote.provider(name).batches() if slash and name in library.settings.providers else None
        return None if api is None else (name, api)

    return find
