"""A changed configuration is taken over without a restart, and without losing a request.

Requests that are under way end as they began; those that begin afterwards are served by the new settings. A file that
is wrong changes nothing: the old settings go on, and the error is logged and shown by `GET /api/v1/config`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct, structs

from guru.config import Settings, Source
from guru.errors import ConfigurationError, GuruError

log = logging.getLogger(__name__)

INTERVAL = 0.5
"""Seconds between looks at the file. It is read when two of them have found it the same: while it is being written,
half of it may well be valid, with half of the deployments."""
LIVE = (
    "providers", "models", "keys", "teams", "prices", "cache", "traces", "batches", "memory", "agents", "tools", "mcp",
    "prompts", "runs",
)  # fmt: skip
"""Sections that change while the server runs; the others need a restart."""
FIXED: dict[str, tuple[str, ...]] = {"mcp": ("conformance_fixtures",)}
"""Members of such sections that need one all the same."""


class Reloadable(Protocol):
    """A part that takes new settings."""

    def reload(self, settings: Settings) -> None: ...


class Changes(Struct):
    """What a reload found."""

    changed: list[str]
    """Sections that are in force now."""
    restart: list[str]
    """Sections, and members of sections, that changed and need a restart to be in force."""


class Reloader:
    """Watches the configuration of a running server."""

    def __init__(self, settings: Settings, source: Source | None, parts: Sequence[Reloadable]) -> None:
        """Without a `source` there is nothing to watch."""
        self.settings = settings
        self.error: str | None = None
        """Why the file as it is now cannot be used."""
        self.restart: list[str] = []
        self._source = source
        self._path = source.path if source else None
        self._parts = parts
        self._stamp = source.stamp() if source else None
        self._task: asyncio.Task[None] | None = None
        self._busy = asyncio.Lock()

    @property
    def file(self) -> str | None:
        """The file that is watched, if there is one."""
        path = self._source.path if self._source else None
        return str(path) if path else None

    def open(self) -> None:
        if self._source is not None:
            self._task = asyncio.create_task(self._watch())

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def reload(self) -> Changes:
        """Read the configuration and take over what can be. Raises `ConfigurationError`; then nothing has changed."""
        async with self._busy:
            if self._source is None:
                return Changes([], [])
            try:
                new = await asyncio.to_thread(self._load, self._source)
                return self._apply(new)
            except GuruError as error:
                self.error = str(error)
                raise
            except Exception as error:
                self.error = f"It could not be taken over ({type(error).__name__}); the server's log has the rest."
                raise

    def _load(self, source: Source) -> Settings:
        """The file as it is now. One that is gone is no wish for the defaults."""
        path = source.path
        if self._path is not None and path != self._path:
            raise ConfigurationError(
                f"The configuration file {self._path} is gone.", hint="Put it back, or restart to do without it."
            )
        try:
            settings = source.load()
        except OSError as error:
            raise ConfigurationError(
                f"The configuration file {path} cannot be read: {error.strerror or type(error).__name__}.",
                hint="Check its permissions.",
            ) from error
        self._path = path
        return settings

    def _apply(self, new: Settings) -> Changes:
        old = self.settings
        settings = Settings(**{name: taken(name, old, new) for name in Settings.__struct_fields__})
        changed = differing(settings, old)
        if changed:
            self._hand_out(settings)
        self.error = None
        self.restart = [
            place
            for name in differing(settings, new)
            for place in (
                [f"{name}.{member}" for member in differing(getattr(settings, name), getattr(new, name))]
                if name in LIVE
                else [name]
            )
        ]
        return Changes(changed, self.restart)

    def _hand_out(self, settings: Settings) -> None:
        """Every part takes the new settings, or, when one refuses them, keeps the old ones."""
        done: list[Reloadable] = []
        try:
            for part in self._parts:
                done.append(part)
                part.reload(settings)
        except Exception:
            for part in done:
                part.reload(self.settings)
            raise
        self.settings = settings

    async def _watch(self) -> None:
        assert self._source is not None
        seen = self._stamp
        while True:
            await asyncio.sleep(INTERVAL)
            before, seen = seen, await asyncio.to_thread(self._source.stamp)
            if seen == self._stamp or seen != before:
                continue
            self._stamp = seen
            try:
                found = await self.reload()
            except GuruError as error:
                log.error("The configuration was changed and cannot be used; the old one stays. %s", error)
            except Exception:
                log.exception("The configuration was changed and could not be taken over; the old one stays.")
            else:
                if found.changed:
                    log.info("The configuration was changed: %s.", ", ".join(found.changed))
                if found.restart:
                    log.warning("Changed, but in force only after a restart: %s.", ", ".join(found.restart))


def taken(name: str, old: Settings, new: Settings) -> Any:
    """What becomes of a section: the new one, but for what needs a restart."""
    before, after = getattr(old, name), getattr(new, name)
    if name not in LIVE:
        return before
    fixed = {member: getattr(before, member) for member in FIXED.get(name, ())}
    return structs.replace(after, **fixed) if fixed else after


def differing(one: Struct, other: Struct) -> list[str]:
    """The members that are not the same in both."""
    return [name for name in one.__struct_fields__ if getattr(one, name) != getattr(other, name)]
