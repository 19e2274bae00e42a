"""Releases as rows keep them and as this server runs them: read, begun, changed, counted."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from sqlalchemy import Connection

from guru.config import AliasSettings, ReleaseSettings, Settings
from guru.errors import Conflict
from guru.gateway.identity import LOCAL_TENANT, Caller
from guru.gateway.releases import store
from guru.gateway.releases.counts import Arm, Counts
from guru.gateway.releases.prompts import Labels
from guru.gateway.releases.release import Live, Release, definition
from guru.gateway.releases.shadow import Shadows
from guru.gateway.releases.store import Audit, Change
from guru.gateway.releases.tally import Tally
from guru.store.database import Database
from guru.store.ids import new_id

GURU = Caller(tenant=LOCAL_TENANT, route="releases", trace_id="", user="guru", role="admin")
"""Who changes a release by the rules."""


class Register:
    """The only one here that changes releases. What it reads and writes is that of all servers on the database."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        shadows: Shadows,
        *,
        audit: Audit | None,
        labels: Labels | None,
        tenant: str,
    ) -> None:
        self.settings = settings
        self.latest: dict[str, Release] = {}
        """The newest release of each alias."""
        self.live: dict[str, Live] = {}
        self.numbers: dict[tuple[str, str], int] = {}
        """By alias and label: the versions that this server's configuration has."""
        self._database = database
        self._shadows = shadows
        self._audit = audit
        self._labels = labels
        self._tenant = tenant
        self._stands: dict[str, int | None] = {}
        """By the label of a prompt: the version that it stood for at the last look."""
        self._tally = Tally()
        self._lock = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def configured(self, settings: Settings) -> AsyncIterator[None]:
        """For what new settings bring: the versions are noted, and what they pull the ground from is not live."""
        async with self._lock:
            await self.flush()
            self.settings = settings
            self.numbers = {
                (name, deployment.label): await self._version(name, deployment.label, definition(deployment))
                for name, alias in settings.models.items()
                for deployment in alias.deployments
                if deployment.label
            }
            self.live = {}
            await self.look()
            await self._let_go()
            yield

    @contextlib.asynccontextmanager
    async def current(self) -> AsyncIterator[None]:
        """For a change: nobody else here makes one, and what other servers have done is known."""
        async with self._lock:
            await self.flush()
            await self.look()
            await self._let_go()
            try:
                yield
            except store.Outdated as error:
                await self.look()
                raise Conflict(
                    f"The release of `{error}` was changed by somebody else meanwhile.",
                    hint=f"Look again: guru releases show {error}",
                ) from None

    async def start(
        self, alias: AliasSettings | None, settings: ReleaseSettings, version: int, caller: Caller, *,
        last: Release | None, name: str,
    ) -> Release:  # fmt: skip
        """Begin a release after `last`. Raises `store.Outdated`."""
        now = after(last.changed_at if last is not None else 0.0)
        share = 0.0 if settings.kind == "blue-green" else settings.steps[0] if settings.steps else settings.share
        release = Release(
            id=new_id("release"), alias=name, version=version, settings=settings, status="running", share=share,
            epoch=1, started_at=now, changed_at=now,
        )  # fmt: skip
        await self._keep(release, last, caller, "start", new=True)
        self.live[name] = Live(release, alias, self._tally)
        return release

    async def change(self, release: Release, caller: Caller, action: str, **values: Any) -> Release:
        """Change a release and write down who did it, in one transaction. A changed share begins an epoch.

        Raises `store.Outdated` when another server has changed it.
        """
        changed = msgspec.structs.replace(release, **values, changed_at=after(release.changed_at))
        if changed.share != release.share:
            changed.epoch += 1
        await self._keep(changed, release, caller, action)
        live = self.live.get(release.alias)
        if live is not None:
            live.follow(changed)
            if changed.status == "stopped":
                del self.live[release.alias]
        return changed

    async def _keep(
        self, release: Release, before: Release | None, caller: Caller, action: str, *, new: bool = False
    ) -> None:
        old = msgspec.to_builtins(before) if before is not None and not new else None
        now = msgspec.to_builtins(release)
        actor = caller.user or caller.key or "local owner"
        change = Change(release_id=release.id, at=release.changed_at, actor=actor, action=action, before=old, after=now)

        def write(connection: Connection) -> None:
            store.save(connection, self._tenant, release, before, new=new)
            store.add_change(connection, self._tenant, change)
            if release.of_prompt and before is not None and not new and self._labels is not None:
                self._labels.follow(connection, release, before, caller)
            if self._audit is not None:
                self._audit(connection, caller, f"releases.{action}", release.alias, before=old, after=now)

        await self._database.write(write)
        self.latest[release.alias] = release
        if release.of_prompt and release.status != "stopped":
            self._stands[release.alias] = release.label_at

    async def look(self) -> None:
        """See the newest releases and what all servers have counted of them."""

        def load(connection: Connection) -> list[tuple[Release, dict[Arm, Counts], dict[Arm, Counts], int | None]]:
            return [
                (
                    release,
                    store.load_counts(connection, release, release.epoch),
                    store.load_counts(connection, release, release.epoch - 1),
                    self._labels.stands_for(connection, release.alias) if self._labels and release.of_prompt else None,
                )
                for release in store.load_latest(connection, self._tenant).values()
            ]

        for release, counts, before, stands in await self._database.read(load):
            self.latest[release.alias] = release
            self._stands[release.alias] = stands
            alias = self.settings.models.get(release.alias)
            if release.status == "stopped" or not self.has(release):
                self.live.pop(release.alias, None)
                continue
            live = self.live.get(release.alias)
            if live is None or live.release.id != release.id:
                live = self.live[release.alias] = Live(release, alias, self._tally)
            live.release, live.known, live.before = release, counts, before

    def has(self, release: Release) -> bool:
        """Whether this server's configuration has what a release tries. One that is rolled back tries nothing.
        Of a prompt: whether its label is where the release has left it."""
        if release.of_prompt:
            return self._stands.get(release.alias) == release.label_at
        number = self.numbers.get((release.alias, release.settings.candidate))
        return number == release.version or (number is not None and release.status == "rolled-back")

    async def _let_go(self) -> None:
        """End the releases of prompts whose label somebody has moved beside them: where it stands now holds."""
        for release in list(self.latest.values()):
            if release.of_prompt and release.status != "stopped" and not self.has(release):
                with contextlib.suppress(store.Outdated):  # another server was first, which the next look sees
                    await self.change(release, GURU, "stop", status="stopped", reason=f"{release.alias} was moved.")

    async def flush(self) -> None:
        """Add the counts to those of all servers, and write the shadows' answers down."""
        counted = self._tally.take()
        answers, self._shadows.answers = self._shadows.answers, []
        if not counted and not answers:
            return

        def write(connection: Connection) -> None:
            for place, counts in counted.items():
                store.add_counts(connection, self._tenant, place, counts)
            store.save_shadows(connection, self._tenant, answers)

        try:
            await self._database.write(write)
        except Exception:
            self._tally.put_back()
            self._shadows.answers = answers + self._shadows.answers
            raise
        for (release_id, epoch, arm), counts in counted.items():
            for live in self.live.values():
                if (live.release.id, live.release.epoch) == (release_id, epoch):
                    live.known[arm] = live.known[arm].plus(counts)
        self._tally.written()

    async def _version(self, alias: str, label: str, what: dict[str, Any]) -> int:
        return await self._database.write(
            lambda connection: store.version_of(connection, self._tenant, alias, label, what)
        )


def after(moment: float) -> float:
    """Now, and in any case later than `moment`: clocks of servers differ, and are set back."""
    return max(time.time(), moment + 1e-3)
