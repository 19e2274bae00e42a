"""A release as it is kept: a candidate, its share, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct, structs

from guru.config import AliasSettings, Deployment, ReleaseSettings
from guru.gateway.identity import Caller
from guru.gateway.releases.counts import Arm, Counts
from guru.gateway.releases.sticky import flagged, is_candidate
from guru.types import ChatRequest, TextRequest

if TYPE_CHECKING:
    from guru.gateway.releases.tally import Tally

Status = Literal["running", "promoted", "rolled-back", "stopped"]
Labels = frozenset[str | None]
Request = ChatRequest | TextRequest

OPERATIONAL = {"weight", "priority", "concurrency", "timeout"}
"""Settings of a deployment that can change without its being another version."""


class Release(Struct, kw_only=True):
    id: str
    alias: str
    version: int
    """Of the candidate; see `guru.gateway.releases.store.version_of`."""
    settings: ReleaseSettings
    status: Status
    share: float
    epoch: int
    """Rises with every change of the share: only requests of one epoch are compared with each other."""
    flags: list[str] = []
    """Who gets the candidate whatever the share: `user:ann`, `key:…`, `team:web`, `tag:beta`."""
    reason: str | None = None
    started_at: float
    changed_at: float

    @property
    def of_prompt(self) -> bool:
        """Whether versions of a prompt are compared: `alias` is a label of it then, such as `support@prod`."""
        name, at, _ = self.alias.partition("@")
        return bool(at) and self.settings.candidate.startswith(name + at)

    @property
    def label_at(self) -> int:
        """Of a prompt: the version that the label stands for, as long as nobody moves it beside the release."""
        return self.version if self.status == "promoted" else int((self.settings.baseline or "").rpartition("@")[2])


class Live:
    """A release at work: which labels stand on which side, and what is counted."""

    def __init__(self, release: Release, alias: AliasSettings | None, tally: Tally) -> None:
        """`alias`: None for a prompt."""
        self.release = release
        self.known: dict[Arm, Counts] = {"candidate": Counts(), "baseline": Counts()}
        """What the database has, of all servers, as it was last seen."""
        self.before: dict[Arm, Counts] = {"candidate": Counts(), "baseline": Counts()}
        """What the epoch before had counted."""
        self._tally = tally
        settings = release.settings
        self.candidate: Labels = frozenset({settings.candidate})
        deployments = alias.deployments if alias is not None else []
        others = {deployment.label for deployment in deployments} - self.candidate
        self.baseline: Labels = frozenset({settings.baseline}) if settings.baseline is not None else frozenset(others)
        self._model = next((each.model for each in deployments if each.label in self.candidate), None)

    def choose(self, caller: Caller) -> tuple[Labels, ...]:
        """The labels to try. A candidate that fails leaves the caller to the baseline, never the other way round."""
        release = self.release
        if release.status == "promoted":
            return self.candidate, self.baseline
        if release.status != "running" or release.settings.kind == "shadow":
            return (self.baseline,)
        if flagged(release.flags, caller) or is_candidate(release.id, release.share, caller, release.settings.sticky):
            return self.candidate, self.baseline
        return (self.baseline,)

    def mirrored(self, request: Request) -> Request:
        """A request as the candidate is asked it."""
        if self._model is not None:
            return structs.replace(request, model=self._model)
        assert isinstance(request, ChatRequest) and request.guru is not None
        guru = structs.replace(request.guru, prompt=self.release.settings.candidate)
        return structs.replace(request, guru=guru)

    def arm(self, label: str | None) -> Arm | None:
        if label in self.candidate:
            return "candidate"
        return "baseline" if label in self.baseline else None

    def count(self, arm: Arm) -> Counts:
        """To add to, now."""
        return self._tally.of(self.release, arm)

    def counted(self, arm: Arm) -> Counts:
        """By all servers, as far as this one knows."""
        return self.known[arm].plus(self._tally.pending(self.release, arm))

    def compared(self) -> tuple[Counts, Counts]:
        """Candidate and baseline. After a switch all at once (blue-green) the baseline is what went before."""
        theirs = self.counted("baseline")
        if self.release.settings.kind == "blue-green" and not theirs.requests:
            theirs = self.before["baseline"]
        return self.counted("candidate"), theirs

    def follow(self, release: Release) -> None:
        """Take a change. A changed share begins an epoch, and a new count."""
        if release.epoch != self.release.epoch:
            self.before = {"candidate": self.counted("candidate"), "baseline": self.counted("baseline")}
            self.known = {"candidate": Counts(), "baseline": Counts()}
        self.release = release


def definition(deployment: Deployment) -> dict[str, Any]:
    """What makes a deployment the version that it is."""
    found: dict[str, Any] = msgspec.to_builtins(deployment)
    return {key: value for key, value in found.items() if key not in OPERATIONAL}


def candidate_of(alias: AliasSettings, label: str) -> Deployment | None:
    return next((deployment for deployment in alias.deployments if deployment.label == label), None)
