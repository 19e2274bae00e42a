"""Every release of this server: who gets which version, how the versions do, and what follows from it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Collection
from typing import Any, Protocol

import msgspec
from msgspec import Struct
from sqlalchemy import Connection

from guru.config import AliasSettings, ReleaseSettings, Settings
from guru.errors import Conflict, InvalidParameter, NotFound
from guru.gateway.identity import LOCAL_TENANT, Caller
from guru.gateway.releases import store
from guru.gateway.releases.counts import Arm, Comparison, Counts, compare
from guru.gateway.releases.release import Live, Release, Status, candidate_of, definition
from guru.gateway.releases.shadow import Ask, Request, Shadows
from guru.gateway.releases.store import Change, ShadowAnswer
from guru.gateway.routing import Outcome
from guru.store.database import Database
from guru.store.ids import new_id

log = logging.getLogger(__name__)

CHECK = 2.0
"""Seconds between two looks at the counts. A kill loses what was counted since the last."""


class Audit(Protocol):
    """Writes an entry of the audit log in the transaction of the change."""

    def __call__(
        self,
        connection: Connection,
        caller: Caller,
        action: str,
        subject: str,
        *,
        before: Any = None,
        after: Any = None,
    ) -> None: ...


GURU = Caller(tenant=LOCAL_TENANT, route="releases", trace_id="", user="guru", role="admin")
"""Who changes a release by the rules."""


class ReleaseView(Struct, kw_only=True):
    """A release with how its versions compare."""

    release: Release
    active: bool
    """Whether it decides about requests now."""
    candidate: Counts
    baseline: Counts
    comparisons: list[Comparison]
    shadows_in_flight: int = 0
    shadows_skipped: int = 0


class Releases:
    """Implements `guru.gateway.routing.Variants`. Belongs to one event loop."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        ask: Ask,
        audit: Audit | None = None,
        tenant: str = LOCAL_TENANT,
    ) -> None:
        """`ask` takes the mirrored requests of shadows: the road's `run`."""
        self._database = database
        self._settings = settings
        self._audit = audit
        self._tenant = tenant
        self._live: dict[str, Live] = {}
        self._all: dict[str, Release] = {}
        self._shadows = Shadows(ask)
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._reloads: set[asyncio.Task[None]] = set()

    # ----------------------------------------------------------------------- on the road

    def choose(self, alias: str, caller: Caller) -> tuple[Collection[str | None], ...] | None:
        live = self._live.get(alias)
        return live.choose(caller) if live is not None else None

    def mirror(self, alias: str, request: Request, caller: Caller) -> None:
        live = self._live.get(alias)
        if live is None or live.release.settings.kind != "shadow" or live.release.status != "running":
            return
        if random.random() < live.release.share:
            self._shadows.begin(live, request, caller)

    def record(self, outcome: Outcome) -> None:
        """Count the first attempt of a request: what a version did by itself. Bad requests and leavers do not count."""
        live = self._live.get(outcome.alias)
        if live is None or not outcome.first or live.release.status != "running" or outcome.status == "cancelled":
            return
        if outcome.instead_of is not None and live.arm(outcome.instead_of) == "candidate":
            # A candidate that failed until its breaker opened goes on failing for those who should have got it.
            live.counts["candidate"].add(failed=True, seconds=None, dollars=0.0)
            return
        arm = live.arm(outcome.label)
        if arm is None or (outcome.status == "error" and not outcome.failed):
            return
        live.counts[arm].add(failed=outcome.failed, seconds=outcome.first_token, dollars=outcome.cost)

    def judge(self, alias: str, label: str | None, change: float, *, first: bool) -> None:
        """Count a score (0 to 1) that a user gave an answer, or the difference to his earlier one."""
        live = self._live.get(alias)
        arm = live.arm(label) if live is not None and live.release.status == "running" else None
        if live is not None and arm is not None:
            live.counts[arm].judged(change, first=first)

    # ----------------------------------------------------------------------- life

    async def __aenter__(self) -> Releases:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Take up what was going on when the server stopped, start what the configuration says, and keep watch."""
        found = await self._database.read(lambda connection: store.load_all(connection, self._tenant))
        self._all = {release.id: release for release in reversed(found)}
        await self.apply(self._settings)
        self._task = asyncio.create_task(self._watch())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await asyncio.gather(*self._reloads, return_exceptions=True)
        await self._shadows.close()
        await self._flush()

    def reload(self, settings: Settings) -> None:
        """`apply` new settings, beside the requests that go on."""
        task = asyncio.create_task(self.apply(settings))
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def apply(self, settings: Settings) -> None:
        """Take new settings: note the versions, stop what they pull the ground from, start what they bring."""
        async with self._lock:
            await self._flush()
            self._settings = settings
            self._live = {}
            for name, alias in settings.models.items():
                labelled = {deployment.label: deployment for deployment in alias.deployments if deployment.label}
                numbers = {
                    label: await self._version(name, label, definition(deployment))
                    for label, deployment in labelled.items()
                }
                last = self._latest(name)
                if last is not None and last.status in ("running", "promoted"):
                    label = last.settings.candidate
                    if numbers.get(label) != last.version:
                        reason = f"The configuration of `{label}` changed."
                        last = await self._change(last, GURU, "stop", status="stopped", reason=reason)
                wanted = alias.release
                if wanted is not None and wanted.candidate in labelled:
                    number = numbers[wanted.candidate]
                    if last is None or (last.version, last.settings) != (number, wanted):
                        await self._start(name, alias, wanted, number, GURU)
                        continue
                if last is not None and last.settings.candidate in labelled:
                    await self._enliven(last, alias)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(CHECK)
            try:
                await self.check()
            except Exception:
                log.exception("releases could not be checked")

    async def check(self) -> None:
        """Look at the counts, do what the rules say, and write the counts down."""
        async with self._lock:
            for live in list(self._live.values()):
                await self._decide(live)
            await self._flush()

    # ----------------------------------------------------------------------- what people do

    async def start(self, alias: str, settings: ReleaseSettings, caller: Caller) -> ReleaseView:
        """Begin a release; the alias's earlier one ends. Raises `NotFound` and `InvalidParameter`."""
        async with self._lock:
            configured = self._alias(alias)
            deployment = candidate_of(configured, settings.candidate)
            if deployment is None:
                labels = [deployment.label for deployment in configured.deployments if deployment.label]
                raise InvalidParameter(
                    f"`{alias}` has no deployment with the label {settings.candidate!r}.",
                    hint=f"Its labels are: {', '.join(labels) or 'none; give its deployments labels'}.",
                    param="candidate",
                )
            if len({deployment.label for deployment in configured.deployments}) < 2:
                raise InvalidParameter(f"`{alias}` has nothing to compare {settings.candidate!r} with.", param="alias")
            last = self._latest(alias)
            if last is not None and last.status == "running":
                await self._change(last, caller, "stop", status="stopped", reason="Another release began.")
            number = await self._version(alias, settings.candidate, definition(deployment))
            await self._start(alias, configured, settings, number, caller)
            return self._view(self._live[alias].release)

    async def share(self, alias: str, share: float, caller: Caller) -> ReleaseView:
        """Give the candidate another share. Raises `Conflict` when nothing is running."""
        async with self._lock:
            release = self._running(alias)
            return self._view(await self._change(release, caller, "share", share=share))

    async def flag(self, alias: str, flags: list[str], caller: Caller) -> ReleaseView:
        """Say who gets the candidate whatever the share."""
        async with self._lock:
            release = self._running(alias)
            return self._view(await self._change(release, caller, "flag", flags=sorted(set(flags))))

    async def promote(self, alias: str, caller: Caller) -> ReleaseView:
        """Give the candidate everything. Of a blue-green release, the watched switch; else the end of the release."""
        async with self._lock:
            release = self._decided(alias)
            if release.settings.kind == "blue-green" and release.status == "running" and release.share < 1:
                return self._view(await self._change(release, caller, "promote", share=1.0))
            return self._view(await self._change(release, caller, "promote", status="promoted", share=1.0, reason=None))

    async def rollback(self, alias: str, caller: Caller, reason: str | None = None) -> ReleaseView:
        """Give the candidate nothing, now."""
        async with self._lock:
            release = self._decided(alias)
            change = await self._change(release, caller, "rollback", status="rolled-back", share=0.0, reason=reason)
            return self._view(change)

    async def stop(self, alias: str, caller: Caller) -> ReleaseView:
        """End the release undecided: the weights of the configuration hold again."""
        async with self._lock:
            release = self._decided(alias)
            return self._view(await self._change(release, caller, "stop", status="stopped", reason=None))

    def views(self) -> list[ReleaseView]:
        """The newest release of every alias."""
        latest = {release.alias: release for release in self._all.values()}
        return [self._view(release) for release in latest.values()]

    def show(self, alias: str) -> ReleaseView:
        """Raises `NotFound`."""
        release = self._latest(alias)
        if release is None:
            raise NotFound(f"There was no release of `{alias}`.", hint="Start one: guru releases start")
        return self._view(release)

    async def history(self, alias: str | None = None, limit: int = 100) -> list[tuple[str, Change]]:
        """(alias, change), the newest first."""
        return await self._database.read(lambda connection: store.load_changes(connection, self._tenant, alias, limit))

    async def versions(self, alias: str) -> list[dict[str, Any]]:
        return await self._database.read(lambda connection: store.versions(connection, self._tenant, alias))

    async def shadows(self, alias: str, limit: int = 100) -> list[ShadowAnswer]:
        """What the shadow has answered, the newest first."""
        release_id = self.show(alias).release.id
        await self._flush()
        return await self._database.read(
            lambda connection: store.load_shadows(connection, self._tenant, release_id, limit)
        )

    # ----------------------------------------------------------------------- rules

    async def _decide(self, live: Live) -> None:
        release, settings = live.release, live.release.settings
        candidate, baseline = live.compared()
        if release.status != "running" or not candidate.requests:
            return
        comparisons = compare(candidate, baseline, settings, release.epoch)
        worse = [found for found in comparisons if found.verdict == "worse"]
        if worse:
            if settings.rollback:
                reason = "; ".join(explain(found) for found in worse)
                log.warning("release of %s: %s is rolled back: %s", release.alias, settings.candidate, reason)
                await self._change(release, GURU, "rollback", status="rolled-back", share=0.0, reason=reason)
            return
        following = next((step for step in sorted(settings.steps) if step > release.share), None)
        looks_good = all(found.difference is None or found.difference <= found.allowed for found in comparisons)
        if following is None or candidate.requests < settings.min_requests or not looks_good:
            return
        if settings.kind in ("ab", "canary"):
            reason = f"{candidate.requests} requests, and nothing is worse."
            done: Status = "promoted" if following >= 1 else "running"
            await self._change(release, GURU, "promote", share=following, status=done, reason=reason)

    # ----------------------------------------------------------------------- keeping it

    async def _start(
        self, name: str, alias: AliasSettings, settings: ReleaseSettings, version: int, caller: Caller
    ) -> None:
        now = time.time()
        share = 0.0 if settings.kind == "blue-green" else settings.steps[0] if settings.steps else settings.share
        release = Release(
            id=new_id("release"), alias=name, version=version, settings=settings, status="running", share=share,
            epoch=1, started_at=now, changed_at=now,
        )  # fmt: skip
        await self._keep(release, None, caller, "start", new=True)
        await self._enliven(release, alias)

    async def _change(self, release: Release, caller: Caller, action: str, **values: Any) -> Release:
        """Change a release and write down who did it, in one transaction. A changed share begins an epoch."""
        changed = msgspec.structs.replace(release, **values, changed_at=time.time())
        if changed.share != release.share:
            changed.epoch += 1
        await self._flush()
        await self._keep(changed, release, caller, action)
        live = self._live.get(release.alias)
        if live is not None:
            live.release = changed
            if changed.epoch != release.epoch:
                live.before, live.counts = live.counts, {"candidate": Counts(), "baseline": Counts()}
            if changed.status == "stopped":
                del self._live[release.alias]
        return changed

    async def _keep(
        self, release: Release, before: Release | None, caller: Caller, action: str, *, new: bool = False
    ) -> None:
        old = msgspec.to_builtins(before) if before is not None else None
        now = msgspec.to_builtins(release)
        actor = caller.user or caller.key or "local owner"
        change = Change(release_id=release.id, at=release.changed_at, actor=actor, action=action, before=old, after=now)

        def write(connection: Connection) -> None:
            store.save(connection, self._tenant, release, new=new)
            store.add_change(connection, self._tenant, change)
            if self._audit is not None:
                self._audit(connection, caller, f"releases.{action}", release.alias, before=old, after=now)

        await self._database.write(write)
        self._all[release.id] = release

    async def _enliven(self, release: Release, alias: AliasSettings) -> None:
        """Let a release decide about requests, with what was counted before."""
        if release.status == "stopped":
            return
        live = Live(release, alias)

        def load(connection: Connection) -> tuple[dict[Arm, Counts], dict[Arm, Counts]]:
            now = store.load_counts(connection, release, release.epoch)
            return now, store.load_counts(connection, release, release.epoch - 1)

        live.counts, live.before = await self._database.read(load)
        self._live[release.alias] = live

    async def _flush(self) -> None:
        """Write the counts and the shadows' answers down."""
        # Copied here: the thread that writes must not see a sum half changed.
        counted = [
            (live.release, {arm: msgspec.structs.replace(counts) for arm, counts in live.counts.items()})
            for live in self._live.values()
            if live.release.status == "running" and any(counts.requests for counts in live.counts.values())
        ]
        answers, self._shadows.answers = self._shadows.answers, []
        if not counted and not answers:
            return

        def write(connection: Connection) -> None:
            for release, counts in counted:
                store.save_counts(connection, self._tenant, release, counts)
            store.save_shadows(connection, self._tenant, answers)

        await self._database.write(write)

    async def _version(self, alias: str, label: str, what: dict[str, Any]) -> int:
        return await self._database.write(
            lambda connection: store.version_of(connection, self._tenant, alias, label, what)
        )

    # ----------------------------------------------------------------------- finding it

    def _alias(self, name: str) -> AliasSettings:
        alias = self._settings.models.get(name)
        if alias is None:
            raise NotFound(
                f"There is no alias {name!r}.", hint=f"There are: {', '.join(self._settings.models) or 'none'}."
            )
        return alias

    def _latest(self, alias: str) -> Release | None:
        return next((release for release in reversed(self._all.values()) if release.alias == alias), None)

    def _running(self, alias: str) -> Release:
        release = self.show(alias).release
        if release.status != "running":
            raise Conflict(
                f"The release of `{alias}` is not running: it is {release.status}.",
                hint=f"Start another: guru releases start {alias} {release.settings.candidate}",
            )
        return release

    def _decided(self, alias: str) -> Release:
        """One that can still be decided, or decided otherwise."""
        release = self.show(alias).release
        if release.status == "stopped":
            return self._running(alias)
        return release

    def _view(self, release: Release) -> ReleaseView:
        live = self._live.get(release.alias)
        if live is None or live.release.id != release.id:
            return ReleaseView(release=release, active=False, candidate=Counts(), baseline=Counts(), comparisons=[])
        candidate, baseline = live.compared()
        return ReleaseView(
            release=release, active=True, candidate=candidate, baseline=baseline,
            comparisons=compare(candidate, baseline, release.settings, release.epoch),
            shadows_in_flight=self._shadows.in_flight, shadows_skipped=self._shadows.skipped,
        )  # fmt: skip


def explain(found: Comparison) -> str:
    """Why a metric ends a release."""
    return (
        f"{found.metric}: {found.candidate:.4g} against {found.baseline:.4g}, "
        f"worse by {found.at_least:.2g} at least, where {found.allowed:g} is allowed"
    )
