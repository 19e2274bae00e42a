"""Every release of this server: who gets which version, how the versions do, and what follows from it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Collection
from functools import partial
from typing import Any

from msgspec import Struct

from guru.config import AliasSettings, ReleaseSettings, Settings
from guru.errors import Conflict, InvalidParameter, ModelError, NotFound
from guru.gateway.identity import LOCAL_TENANT, Caller
from guru.gateway.prompting import Ended
from guru.gateway.releases import store
from guru.gateway.releases.counts import Comparison, Counts, compare
from guru.gateway.releases.prompts import Labels
from guru.gateway.releases.register import GURU, Register
from guru.gateway.releases.release import Live, Release, Request
from guru.gateway.releases.rules import check_baseline, check_candidate, decide
from guru.gateway.releases.shadow import Ask, Shadows
from guru.gateway.releases.store import Audit, Change, ShadowAnswer
from guru.gateway.routing import Outcome
from guru.gateway.routing.retry import is_failure
from guru.observe.spans import TraceRecord, cost_of
from guru.prompts.library import Library
from guru.store.database import Database
from guru.types import ChatRequest

log = logging.getLogger(__name__)

CHECK = 2.0
"""Seconds between two looks at what all servers have counted and decided. A kill loses what was counted since."""


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
        prompts: Library | None = None,
        tenant: str = LOCAL_TENANT,
    ) -> None:
        """`ask` takes the mirrored requests of shadows: the road's `run`. `prompts` are those that are tried, too: of
        one organisation, `tenant`."""
        self._database = database
        self._tenant = tenant
        self._labels = Labels(prompts, tenant, audit) if prompts is not None else None
        self._shadows = Shadows(ask)
        self._register = Register(database, settings, self._shadows, audit=audit, labels=self._labels, tenant=tenant)
        self._task: asyncio.Task[None] | None = None
        self._reloads: set[asyncio.Task[None]] = set()

    # ----------------------------------------------------------------------- on the road

    def choose(self, alias: str, caller: Caller) -> tuple[Collection[str | None], ...] | None:
        live = self._register.live.get(alias)
        return live.choose(caller) if live is not None else None

    def mirror(self, alias: str, request: Request, caller: Caller) -> None:
        live = self._register.live.get(alias)
        if live is None or live.release.settings.kind != "shadow" or live.release.status != "running":
            return
        if random.random() < live.release.share:
            self._shadows.begin(live, request, caller)

    def try_prompt(self, request: ChatRequest, caller: Caller) -> tuple[list[str], Ended] | None:
        """See `guru.gateway.prompting.Trials`."""
        reference = request.guru.prompt if request.guru is not None else None
        live = self._register.live.get(reference) if reference is not None and caller.tenant == self._tenant else None
        if reference is None or live is None or not live.release.of_prompt or live.release.status != "running":
            return None
        self.mirror(reference, request, caller)
        versions = [next(iter(labels)) or "" for labels in live.choose(caller)]
        return versions, partial(self._prompt_ended, reference)

    def _prompt_ended(
        self, reference: str, version: str, error: BaseException | None, ended: TraceRecord | None
    ) -> None:
        """Count what came of a request. What the prompt had no part in says nothing: limits, leavers, the cache."""
        live = self._register.live.get(reference)
        if live is None or live.release.status != "running" or (arm := live.arm(version)) is None:
            return
        if ended is None:
            live.count(arm).add(failed=True, seconds=None, dollars=0.0)
        elif error is None and ended.cache in ("miss", "off"):
            live.count(arm).add(failed=False, seconds=ended.first_token, dollars=cost_of(ended.calls))
        elif isinstance(error, ModelError) and is_failure(error):
            live.count(arm).add(failed=True, seconds=None, dollars=0.0)

    def record(self, outcome: Outcome) -> None:
        """Count the first attempt of a request: what a version did by itself. Bad requests and leavers do not count."""
        live = self._register.live.get(outcome.alias)
        if live is None or not outcome.first or live.release.status != "running" or outcome.status == "cancelled":
            return
        if outcome.instead_of is not None and live.arm(outcome.instead_of) == "candidate":
            # A candidate that failed until its breaker opened goes on failing for those who should have got it.
            live.count("candidate").add(failed=True, seconds=None, dollars=0.0)
            return
        arm = live.arm(outcome.label)
        if arm is None or (outcome.status == "error" and not outcome.failed):
            return
        live.count(arm).add(failed=outcome.failed, seconds=outcome.first_token, dollars=outcome.cost)

    def judge(self, alias: str, label: str | None, change: float, *, first: bool, at: float | None = None) -> None:
        """Count a score (0 to 1) that a user gave an answer, or the difference to his earlier one.

        `at` is when the answer was asked for: what came before the release was another version, by the same label.
        """
        live = self._register.live.get(alias)
        if live is None or live.release.status != "running" or (at is not None and at < live.release.started_at):
            return
        if (arm := live.arm(label)) is not None:
            live.count(arm).judged(change, first=first)

    # ----------------------------------------------------------------------- life

    async def __aenter__(self) -> Releases:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Take up what was going on when the server stopped, start what the configuration says, and keep watch."""
        await self.apply(self._register.settings)
        self._task = asyncio.create_task(self._watch())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await asyncio.gather(*self._reloads, return_exceptions=True)
        await self._shadows.close()
        await self._register.flush()

    def reload(self, settings: Settings) -> None:
        """`apply` new settings, beside the requests that go on."""
        task = asyncio.create_task(self.apply(settings))
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def apply(self, settings: Settings) -> None:
        """Take new settings: note the versions, stop what they pull the ground from, start what they bring."""
        async with self._register.configured(settings):
            for name, alias in settings.models.items():
                try:
                    await self._follow(name, alias)
                except store.Outdated:  # another server that has the same new settings was first
                    await self._register.look()

    async def _follow(self, name: str, alias: AliasSettings) -> None:
        """Stop the release of an alias that tries what is not there any more, start what the configuration brings."""
        last, wanted = self._register.latest.get(name), alias.release
        if last is not None and last.status in ("running", "promoted") and not self._register.has(last):
            reason = f"The configuration of `{last.settings.candidate}` changed."
            last = await self._register.change(last, GURU, "stop", status="stopped", reason=reason)
        if wanted is None:
            return
        number = self._register.numbers.get((name, wanted.candidate))
        if number is None or (last is not None and (last.version, last.settings) == (number, wanted)):
            return
        try:
            check_baseline(alias, wanted)
        except InvalidParameter as error:
            log.error("the release of %s in the configuration was not started: %s", name, error)
            return
        await self._register.start(alias, wanted, number, GURU, last=last, name=name)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(CHECK)
            try:
                await self.check()
            except Exception:
                log.exception("releases could not be checked")

    async def check(self) -> None:
        """Write the counts down, look at what all servers have counted and decided, and do what the rules say."""
        async with self._register.current():
            for live in list(self._register.live.values()):
                try:
                    await self._decide(live)
                except store.Outdated:
                    log.info("release of %s: another server has decided already", live.release.alias)

    async def _decide(self, live: Live) -> None:
        found, release = decide(live), live.release
        if found is None:
            return
        if found.action == "rollback":
            candidate = release.settings.candidate
            log.warning("release of %s: %s is rolled back: %s", release.alias, candidate, found.reason)
        new = {"share": found.share, "status": found.status, "reason": found.reason}
        await self._register.change(release, GURU, found.action, **new)

    # ----------------------------------------------------------------------- what people do

    async def start(self, alias: str, settings: ReleaseSettings, caller: Caller) -> ReleaseView:
        """Begin a release; the alias's earlier one ends. Raises `NotFound` and `InvalidParameter`."""
        async with self._register.current():
            configured, number = None, 0
            if self._labels is not None and "@" in alias and alias not in self._register.settings.models:
                settings, number = await self._labels.settle(alias, settings)
            else:
                configured = self._alias(alias)
                check_candidate(alias, configured, settings)
                number = self._register.numbers[alias, settings.candidate]
            last = self._register.latest.get(alias)
            if last is not None and last.status == "running":
                ended = {"status": "stopped", "reason": "Another release began."}
                last = await self._register.change(last, caller, "stop", **ended)
            return self._view(await self._register.start(configured, settings, number, caller, last=last, name=alias))

    async def share(self, alias: str, share: float, caller: Caller) -> ReleaseView:
        """Give the candidate another share. Raises `Conflict` when nothing is running."""
        async with self._register.current():
            release = self._running(alias)
            return self._view(await self._register.change(release, caller, "share", share=share))

    async def flag(self, alias: str, flags: list[str], caller: Caller) -> ReleaseView:
        """Say who gets the candidate whatever the share."""
        async with self._register.current():
            release = self._running(alias)
            return self._view(await self._register.change(release, caller, "flag", flags=sorted(set(flags))))

    async def promote(self, alias: str, caller: Caller) -> ReleaseView:
        """Give the candidate everything. Of a blue-green release, the watched switch; else the end of the release."""
        async with self._register.current():
            release = self._decided(alias)
            if release.settings.kind == "blue-green" and release.status == "running" and release.share < 1:
                return self._view(await self._register.change(release, caller, "promote", share=1.0))
            values = {"status": "promoted", "share": 1.0, "reason": None}
            return self._view(await self._register.change(release, caller, "promote", **values))

    async def rollback(self, alias: str, caller: Caller, reason: str | None = None) -> ReleaseView:
        """Give the candidate nothing, now."""
        async with self._register.current():
            release = self._decided(alias)
            values = {"status": "rolled-back", "share": 0.0, "reason": reason}
            return self._view(await self._register.change(release, caller, "rollback", **values))

    async def stop(self, alias: str, caller: Caller) -> ReleaseView:
        """End the release undecided: the weights of the configuration hold again."""
        async with self._register.current():
            release = self._decided(alias)
            return self._view(await self._register.change(release, caller, "stop", status="stopped", reason=None))

    def views(self) -> list[ReleaseView]:
        """The newest release of every alias."""
        return [self._view(release) for release in self._register.latest.values()]

    def show(self, alias: str) -> ReleaseView:
        """Raises `NotFound`."""
        release = self._register.latest.get(alias)
        if release is None:
            raise NotFound(f"There was no release of `{alias}`.", hint="Start one: guru releases start")
        return self._view(release)

    async def history(self, alias: str | None = None, limit: int = 100) -> list[tuple[str, Change]]:
        """(alias, change), the newest first."""
        return await self._database.read(lambda connection: store.load_changes(connection, self._tenant, alias, limit))

    async def versions(self, alias: str) -> list[dict[str, Any]]:
        release = self._register.latest.get(alias)
        if release is not None and release.of_prompt and self._labels is not None:
            return await self._labels.versions(release)
        return await self._database.read(lambda connection: store.versions(connection, self._tenant, alias))

    async def shadows(self, alias: str, limit: int = 100) -> list[ShadowAnswer]:
        """What the shadow has answered, the newest first."""
        release_id = self.show(alias).release.id
        await self._register.flush()
        return await self._database.read(
            lambda connection: store.load_shadows(connection, self._tenant, release_id, limit)
        )

    # ----------------------------------------------------------------------- finding it

    def _alias(self, name: str) -> AliasSettings:
        alias = self._register.settings.models.get(name)
        if alias is None:
            known = ", ".join(self._register.settings.models) or "none"
            raise NotFound(f"There is no alias {name!r}.", hint=f"There are: {known}.")
        return alias

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
        live = self._register.live.get(release.alias)
        if live is None or live.release.id != release.id:
            return ReleaseView(release=release, active=False, candidate=Counts(), baseline=Counts(), comparisons=[])
        candidate, baseline = live.compared()
        return ReleaseView(
            release=release, active=True, candidate=candidate, baseline=baseline,
            comparisons=compare(candidate, baseline, release.settings, release.epoch),
            shadows_in_flight=self._shadows.in_flight, shadows_skipped=self._shadows.skipped,
        )  # fmt: skip
