"""Releases: try a new version on some, compare, promote or roll back. And what users thought of answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from guru.config import ReleaseSettings
from guru.config.base import Share
from guru.gateway.identity import LOCAL_TENANT
from guru.gateway.messages import moment
from guru.gateway.releases.counts import Comparison, Counts
from guru.gateway.releases.releases import ReleaseView
from guru.observe import names
from guru.server.endpoint import Call, get, post


class Side(Struct, kw_only=True):
    """What one side of a release did while the share was the same."""

    requests: int
    errors: int
    cost: float
    """US dollars, of all its requests."""
    scores: int
    """Of users."""


class ReleaseInfo(Struct, kw_only=True):
    id: str
    alias: str
    candidate: str
    version: int
    baseline: str | None
    kind: Literal["ab", "canary", "blue-green", "shadow"]
    status: Literal["running", "promoted", "rolled-back", "stopped"]
    active: bool
    """Whether it decides about requests now."""
    share: float
    steps: list[float]
    sticky: str
    flags: list[str]
    reason: str | None
    started_at: datetime
    changed_at: datetime
    sides: dict[str, Side]
    """`candidate` and `baseline`."""
    comparisons: list[Comparison]
    shadows_in_flight: int
    shadows_skipped: int


class ReleaseList(Struct):
    releases: list[ReleaseInfo]


class ReleaseStart(ReleaseSettings, kw_only=True):
    """The members of `[models.ALIAS.release]`, and the alias; or, for a prompt, its label and another version."""

    alias: str
    """An alias of the configuration, or a prompt with a label, such as `support@prod`. `candidate` is a label of the
    alias's deployments, or a version of the prompt: `4`, `support@4`, or what another label stands for."""


class ShareChange(Struct, forbid_unknown_fields=True):
    share: Share


class FlagChange(Struct, forbid_unknown_fields=True):
    flags: list[str]
    """Who gets the candidate whatever the share: `user:ann`, `key:…`, `team:web`, `tag:beta`. Replaces the list."""


class RollbackReason(Struct, forbid_unknown_fields=True):
    reason: str | None = None


class HistoryQuery(Struct, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class ChangeView(Struct, kw_only=True):
    alias: str
    release_id: str
    at: datetime
    actor: str
    action: str
    before: Any
    after: Any


class History(Struct):
    changes: list[ChangeView]
    """The newest first."""


class VersionView(Struct, kw_only=True):
    label: str
    version: int
    definition: dict[str, Any]
    created_at: datetime


class Versions(Struct):
    versions: list[VersionView]


class ShadowView(Struct, kw_only=True):
    trace_id: str
    """Of the request that was mirrored; `shadow_trace_id` is the shadow's own."""
    shadow_trace_id: str
    at: datetime
    status: str
    error: str | None
    text: str
    duration: float
    cost: float


class ShadowList(Struct):
    answers: list[ShadowView]


class FeedbackBody(Struct, forbid_unknown_fields=True):
    trace_id: str
    score: Share
    """0 (useless) to 1 (perfect); a thumb is 0 or 1."""
    comment: Annotated[str, Meta(max_length=10_000)] | None = None


@get("/api/v1/releases")
async def list_releases(call: Call) -> ReleaseList:
    """The newest release of every alias."""
    call.require_operator()
    return ReleaseList([info(view) for view in call.services.releases.views()])


@post("/api/v1/releases", status=201)
async def start_release(call: Call, body: ReleaseStart) -> ReleaseInfo:
    """Begin a release. A release of the same alias that is running ends."""
    caller = call.require_operator()
    members = {name: getattr(body, name) for name in ReleaseSettings.__struct_fields__}
    return info(await call.services.releases.start(body.alias, ReleaseSettings(**members), caller))


@get("/api/v1/releases/{alias}")
async def show_release(call: Call, alias: str) -> ReleaseInfo:
    """The newest release of an alias, with how its versions compare."""
    call.require_operator()
    return info(call.services.releases.show(alias))


@post("/api/v1/releases/{alias}/share")
async def change_share(call: Call, alias: str, body: ShareChange) -> ReleaseInfo:
    """Give the candidate another share. Everyone who had it keeps it when the share grows."""
    return info(await call.services.releases.share(alias, body.share, call.require_operator()))


@post("/api/v1/releases/{alias}/flags")
async def change_flags(call: Call, alias: str, body: FlagChange) -> ReleaseInfo:
    """Say who gets the candidate whatever the share."""
    return info(await call.services.releases.flag(alias, body.flags, call.require_operator()))


@post("/api/v1/releases/{alias}/promote")
async def promote_release(call: Call, alias: str) -> ReleaseInfo:
    """Give the candidate everything. The first time, a blue-green release is switched and still watched."""
    return info(await call.services.releases.promote(alias, call.require_operator()))


@post("/api/v1/releases/{alias}/rollback")
async def rollback_release(call: Call, alias: str, body: RollbackReason) -> ReleaseInfo:
    """Give the candidate nothing, at once."""
    return info(await call.services.releases.rollback(alias, call.require_operator(), body.reason))


@post("/api/v1/releases/{alias}/stop")
async def stop_release(call: Call, alias: str) -> ReleaseInfo:
    """End a release undecided: the weights of the configuration hold again, or what the prompt's label stands for."""
    return info(await call.services.releases.stop(alias, call.require_operator()))


@get("/api/v1/releases/{alias}/history")
async def release_history(call: Call, alias: str, query: HistoryQuery) -> History:
    """Every change of an alias's releases: who, when, what it was before and after."""
    call.require_operator()
    found = await call.services.releases.history(alias, query.limit)
    return History(
        [
            ChangeView(alias=name, **(msgspec.structs.asdict(change) | {"at": moment(change.at)}))
            for name, change in found
        ]
    )


@get("/api/v1/releases/{alias}/versions")
async def release_versions(call: Call, alias: str) -> Versions:
    """What the labels of an alias have stood for. A version never changes: another definition is another version."""
    call.require_operator()
    rows = await call.services.releases.versions(alias)
    return Versions([msgspec.convert(row | {"created_at": moment(row["created_at"])}, VersionView) for row in rows])


@get("/api/v1/releases/{alias}/shadows")
async def release_shadows(call: Call, alias: str, query: HistoryQuery) -> ShadowList:
    """What a shadow has answered, the newest first."""
    call.require_operator()
    found = await call.services.releases.shadows(alias, query.limit)
    return ShadowList([ShadowView(**(msgspec.structs.asdict(answer) | {"at": moment(answer.at)})) for answer in found])


@post("/api/v1/feedback", status=204)
async def give_feedback(call: Call, body: FeedbackBody) -> None:
    """Say how good an answer was, by the `x-guru-trace-id` that came with it. The last score of each person counts."""
    caller = call.caller("feedback")
    trace = await call.services.tracer.get(caller.visible, body.trace_id)
    await call.services.feedback.give(
        caller,
        body.trace_id,
        score=body.score,
        comment=body.comment,
        alias=trace["requested"],
        variant=trace["variant"],
        answered_at=trace["started_at"],
        prompt=prompt_of(trace) if caller.tenant == LOCAL_TENANT else None,
    )


def prompt_of(trace: dict[str, Any]) -> tuple[str, str] | None:
    """The label of a prompt that a request named, and the version that it got."""
    said = trace["attributes"]
    name, label, version = (said.get(each) for each in (names.PROMPT_NAME, names.PROMPT_LABEL, names.PROMPT_VERSION))
    return (f"{name}@{label}", f"{name}@{version}") if label is not None else None


def info(view: ReleaseView) -> ReleaseInfo:
    release, settings = view.release, view.release.settings
    return ReleaseInfo(
        id=release.id, alias=release.alias, candidate=settings.candidate, version=release.version,
        baseline=settings.baseline, kind=settings.kind, status=release.status, active=view.active, share=release.share,
        steps=settings.steps, sticky=settings.sticky, flags=release.flags, reason=release.reason,
        started_at=moment(release.started_at), changed_at=moment(release.changed_at),
        sides={"candidate": side(view.candidate), "baseline": side(view.baseline)}, comparisons=view.comparisons,
        shadows_in_flight=view.shadows_in_flight, shadows_skipped=view.shadows_skipped,
    )  # fmt: skip


def side(counts: Counts) -> Side:
    return Side(requests=counts.requests, errors=counts.errors, cost=counts.dollars, scores=counts.scores)


DOORS = [
    list_releases, start_release, show_release, change_share, change_flags, promote_release, rollback_release,
    stop_release, release_history, release_versions, release_shadows, give_feedback,
]  # fmt: skip
