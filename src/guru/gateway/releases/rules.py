"""What the rules say about a release: whether it may begin, and what follows from what was counted."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from guru.config import AliasSettings, ReleaseSettings
from guru.errors import InvalidParameter
from guru.gateway.releases.counts import Comparison, compare
from guru.gateway.releases.release import Live, Status, candidate_of


class Decision(Struct, kw_only=True):
    """What is to become of a release, and why."""

    action: Literal["promote", "rollback"]
    status: Status
    share: float
    reason: str


def decide(live: Live) -> Decision | None:
    """Back where a metric is surely worse, a step on where enough was asked and nothing looks worse; else None."""
    release, settings = live.release, live.release.settings
    candidate, baseline = live.compared()
    if release.status != "running" or not candidate.requests:
        return None
    comparisons = compare(candidate, baseline, settings, release.epoch)
    worse = [found for found in comparisons if found.verdict == "worse"]
    if worse:
        reason = "; ".join(explain(found) for found in worse)
        back = Decision(action="rollback", status="rolled-back", share=0.0, reason=reason)
        return back if settings.rollback else None
    following = next((step for step in sorted(settings.steps) if step > release.share), None)
    looks_good = all(found.difference is None or found.difference <= found.allowed for found in comparisons)
    if following is None or candidate.requests < settings.min_requests or not looks_good:
        return None
    if settings.kind not in ("ab", "canary"):
        return None
    reason = f"{candidate.requests} requests, and nothing is worse."
    done: Status = "promoted" if following >= 1 else "running"
    return Decision(action="promote", status=done, share=following, reason=reason)


def explain(found: Comparison) -> str:
    """Why a metric ends a release."""
    return (
        f"{found.metric}: {found.candidate:.4g} against {found.baseline:.4g}, "
        f"worse by {found.at_least:.2g} at least, where {found.allowed:g} is allowed"
    )


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
