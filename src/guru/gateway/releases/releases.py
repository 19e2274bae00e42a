"""Every release of this server: who gets which version, how the versions do, and what follows from it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator, Collection
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection

from guru.config import AliasSettings, ReleaseSettings, Settings
from guru.errors import Conflict, InvalidParameter, ModelError, NotFound
from guru.gateway.identity import LOCAL_TENANT, Caller
from guru.gateway.prompting import Ended
from guru.gateway.releases import store
from guru.gateway.releases.counts import Arm, Comparison, Counts, compare
from guru.gateway.releases.prompts import Labels
from guru.gateway.releases.release import Live, Release, Request, Status, candidate_of, definition
from guru.gateway.releases.shadow import Ask, Shadows
from guru.gateway.releases.store import Audit, Change, ShadowAnswer
from guru.gateway.releases.tally import Tally
from guru.gateway.routing import Outcome
from guru.gateway.routing.retry import is_failure
from guru.observe.spans import TraceRecord, cost_of
from guru.prompts.library import Library
from guru.store.database import Database
from guru.store.ids import new_id
from guru.types import ChatRequest

log = logging.getLogger(__name__)

CHECK = 2.0
"""Seconds between two looks at what all servers have counted and decided. A kill loses what was counted since."""


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
        prompts: Library | None = None,
        tenant: str = LOCAL_TENANT,
    ) -> None:
        """`ask` takes the mirrored requests of shadows: the road's `run`. `prompts` are those that are tried, too: of
        one organisation, `tenant`."""
        self._database = database
        self._settings = settings
        self._audit = audit
        self._tenant = tenant
        self._live: dict[str, Live] = {}
        self._latest: dict[str, Release] = {}
        """The newest release of each alias."""
        self._numbers: dict[tuple[str, str], int] = {}
        """By alias and label: the versions that this server's configuration has."""
        self._labels = Labels(prompts, tenant, audit) if prompts is not None else None
        self._stands: dict[str, int | None] = {}
        """By the label of a prompt: the version that it stood for at the last look."""
        self._tally = Tally()
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

    def try_prompt(self, request: ChatRequest, caller: Caller) -> tuple[list[str], Ended] | None:
        """See `guru.gateway.prompting.Trials`."""
        reference = request.guru.prompt if request.guru is not None else None
        live = self._live.get(reference) if reference is not None and caller.tenant == self._tenant else None
        if reference is None or live is None or not live.release.of_prompt or live.release.status != "running":
            return None
        self.mirror(reference, request, caller)
        versions = [next(iter(labels)) or "" for labels in live.choose(caller)]
        return versions, partial(self._prompt_ended, reference)

    def _prompt_ended(
        self, reference: str, version: str, error: BaseException | None, ended: TraceRecord | None
    ) -> None:
        """Count what came of a request. What the prompt had no part in says nothing: limits, leavers, the cache."""
        live = self._live.get(reference)
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
        live = self._live.get(outcome.alias)
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
        live = self._live.get(alias)
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
            self._numbers = {
                (name, deployment.label): await self._version(name, deployment.label, definition(deployment))
                for name, alias in settings.models.items()
                for deployment in alias.deployments
                if deployment.label
            }
            self._live = {}
            await self._look()
            await self._let_go()
            for name, alias in settings.models.items():
                try:
                    await self._follow(name, alias)
                except store.Outdated:  # another server that has the same new settings was first
                    await self._look()

    async def _follow(self, name: str, alias: AliasSettings) -> None:
        """Stop the release of an alias that tries what is not there any more, start what the configuration brings."""
        last, wanted = self._latest.get(name), alias.release
        if last is not None and last.status in ("running", "promoted") and not self._has(last):
            reason = f"The configuration of `{last.settings.candidate}` changed."
            last = await self._change(last, GURU, "stop", status="stopped", reason=reason)
        if wanted is None:
            return
        number = self._numbers.get((name, wanted.candidate))
        if number is None or (last is not None and (last.version, last.settings) == (number, wanted)):
            return
        try:
            check_baseline(alias, wanted)
        except InvalidParameter as error:
            log.error("the release of %s in the configuration was not started: %s", name, error)
            return
        await self._start(alias, wanted, number, GURU, last=last, name=name)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(CHECK)
            try:
                await self.check()
            except Exception:
                log.exception("releases could not be checked")

    async def check(self) -> None:
        """Write the counts down, look at what all servers have counted and decided, and do what the rules say."""
        async with self._current():
            for live in list(self._live.values()):
                try:
                    await self._decide(live)
                except store.Outdated:
                    log.info("release of %s: another server has decided already", live.release.alias)

    @contextlib.asynccontextmanager
    async def _current(self) -> AsyncIterator[None]:
        """For a change: nobody else here makes one, and what other servers have done is known."""
        async with self._lock:
            await self._flush()
            await self._look()
            await self._let_go()
            try:
                yield
            except store.Outdated as error:
                await self._look()
                raise Conflict(
                    f"The release of `{error}` was changed by somebody else meanwhile.",
                    hint=f"Look again: guru releases show {error}",
                ) from None

    # ----------------------------------------------------------------------- what people do

    async def start(self, alias: str, settings: ReleaseSettings, caller: Caller) -> ReleaseView:
        """Begin a release; the alias's earlier one ends. Raises `NotFound` and `InvalidParameter`."""
        async with self._current():
            configured, number = None, 0
            if self._labels is not None and "@" in alias and alias not in self._settings.models:
                settings, number = await self._labels.settle(alias, settings)
            else:
                configured = self._alias(alias)
                check_candidate(alias, configured, settings)
                number = self._numbers[alias, settings.candidate]
            last = self._latest.get(alias)
            if last is not None and last.status == "running":
                last = await self._change(last, caller, "stop", status="stopped", reason="Another release began.")
            return self._view(await self._start(configured, settings, number, caller, last=last, name=alias))

    async def share(self, alias: str, share: float, caller: Caller) -> ReleaseView:
        """Give the candidate another share. Raises `Conflict` when nothing is running."""
        async with self._current():
            release = self._running(alias)
            return self._view(await self._change(release, caller, "share", share=share))

    async def flag(self, alias: str, flags: list[str], caller: Caller) -> ReleaseView:
        """Say who gets the candidate whatever the share."""
        async with self._current():
            release = self._running(alias)
            return self._view(await self._change(release, caller, "flag", flags=sorted(set(flags))))

    async def promote(self, alias: str, caller: Caller) -> ReleaseView:
        """Give the candidate everything. Of a blue-green release, the watched switch; else the end of the release."""
        async with self._current():
            release = self._decided(alias)
            if release.settings.kind == "blue-green" and release.status == "running" and release.share < 1:
                return self._view(await self._change(release, caller, "promote", share=1.0))
            return self._view(await self._change(release, caller, "promote", status="promoted", share=1.0, reason=None))

    async def rollback(self, alias: str, caller: Caller, reason: str | None = None) -> ReleaseView:
        """Give the candidate nothing, now."""
        async with self._current():
            release = self._decided(alias)
            change = await self._change(release, caller, "rollback", status="rolled-back", share=0.0, reason=reason)
            return self._view(change)

    async def stop(self, alias: str, caller: Caller) -> ReleaseView:
        """End the release undecided: the weights of the configuration hold again."""
        async with self._current():
            release = self._decided(alias)
            return self._view(await self._change(release, caller, "stop", status="stopped", reason=None))

    def views(self) -> list[ReleaseView]:
        """The newest release of every alias."""
        return [self._view(release) for release in self._latest.values()]

    def show(self, alias: str) -> ReleaseView:
        """Raises `NotFound`."""
        release = self._latest.get(alias)
        if release is None:
            raise NotFound(f"There was no release of `{alias}`.", hint="Start one: guru releases start")
        return self._view(release)

    async def history(self, alias: str | None = None, limit: int = 100) -> list[tuple[str, Change]]:
        """(alias, change), the newest first."""
        return await self._database.read(lambda connection: store.load_changes(connection, self._tenant, alias, limit))

    async def versions(self, alias: str) -> list[dict[str, Any]]:
        release = self._latest.get(alias)
        if release is not None and release.of_prompt and self._labels is not None:
            return await self._labels.versions(release)
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
        self._live[name] = Live(release, alias, self._tally)
        return release

    async def _change(self, release: Release, caller: Caller, action: str, **values: Any) -> Release:
        """Change a release and write down who did it, in one transaction. A changed share begins an epoch.

        Raises `store.Outdated` when another server has changed it.
        """
        changed = msgspec.structs.replace(release, **values, changed_at=after(release.changed_at))
        if changed.share != release.share:
            changed.epoch += 1
        await self._keep(changed, release, caller, action)
        live = self._live.get(release.alias)
        if live is not None:
            live.follow(changed)
            if changed.status == "stopped":
                del self._live[release.alias]
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
        self._latest[release.alias] = release
        if release.of_prompt and release.status != "stopped":
            self._stands[release.alias] = release.label_at

    async def _look(self) -> None:
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
            self._latest[release.alias] = release
            self._stands[release.alias] = stands
            alias = self._settings.models.get(release.alias)
            if release.status == "stopped" or not self._has(release):
                self._live.pop(release.alias, None)
                continue
            live = self._live.get(release.alias)
            if live is None or live.release.id != release.id:
                live = self._live[release.alias] = Live(release, alias, self._tally)
            live.release, live.known, live.before = release, counts, before

    def _has(self, release: Release) -> bool:
        """Whether this server's configuration has what a release tries. One that is rolled back tries nothing.
        Of a prompt: whether its label is where the release has left it."""
        if release.of_prompt:
            return self._stands.get(release.alias) == release.label_at
        number = self._numbers.get((release.alias, release.settings.candidate))
        return number == release.version or (number is not None and release.status == "rolled-back")

    async def _let_go(self) -> None:
        """End the releases of prompts whose label somebody has moved beside them: where it stands now holds."""
        for release in list(self._latest.values()):
            if release.of_prompt and release.status != "stopped" and not self._has(release):
                with contextlib.suppress(store.Outdated):  # another server was first, which the next look sees
                    await self._change(release, GURU, "stop", status="stopped", reason=f"{release.alias} was moved.")

    async def _flush(self) -> None:
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
            for live in self._live.values():
                if (live.release.id, live.release.epoch) == (release_id, epoch):
                    live.known[arm] = live.known[arm].plus(counts)
        self._tally.written()

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


def after(moment: float) -> float:
    """Now, and in any case later than `moment`: clocks of servers differ, and are set back."""
    return max(time.time(), moment + 1e-3)


def check_candidate(name: str, alias: AliasSettings, settings: ReleaseSettings) -> None:
    """Raises `InvalidParameter` for a release that could compare nothing."""
    if candidate_of(alias, settings.candidate) is None:
        labels = [deployment.label for deployment in alias.deployments if deployment.label]
        raise InvalidParameter(
            f"`{name}` has no deployment with the label {settings.candidate!r}.",
            hint=f"Its labels are: {', '.join(labels) or 'none; give its deployments labels'}.",
            param="candidate",
        )
    if len({deployment.label for deployment in alias.deployments}) < 2:
        raise InvalidParameter(f"`{name}` has nothing to compare {settings.candidate!r} with.", param="alias")
    check_baseline(alias, settings)


def check_baseline(alias: AliasSettings, settings: ReleaseSettings) -> None:
    """Raises `InvalidParameter` for a baseline that nobody could be given."""
    labels = sorted({deployment.label for deployment in alias.deployments if deployment.label} - {settings.candidate})
    if settings.baseline is not None and settings.baseline not in labels:
        raise InvalidParameter(
            f"There is no other deployment with the label {settings.baseline!r}.", param="baseline",
            hint=f"The labels besides the candidate's are: {', '.join(labels) or 'none'}.",
        )  # fmt: skip
