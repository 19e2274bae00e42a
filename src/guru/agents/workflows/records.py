"""Workflows and runs as they are kept. Times are seconds since 1970."""

from __future__ import annotations

from typing import Any, Final, Literal

from msgspec import Struct

from guru.types import JSON

RunStatus = Literal["queued", "running", "waiting", "done", "failed", "cancelled"]
ENDED: Final = ("done", "failed", "cancelled")
StepStatus = Literal[
    "running", "retrying", "waiting", "asked", "answered", "parked", "again", "done", "caught", "failed", "cancelled"
]
"""`parked`: its agent waits for a person. `caught`: it failed, and the run went on where that says. `again`: it is done
anew when the run is taken up."""
OPEN: Final = ("running", "retrying", "waiting", "asked", "answered", "parked", "again")


class Saved(Struct, kw_only=True):
    """A workflow in one version."""

    name: str
    version: int
    latest: int
    description: str
    definition: JSON
    made_by: str
    created_at: float
    updated_at: float


class Version(Struct, kw_only=True):
    version: int
    made_by: str
    created_at: float


class Listed(Struct, kw_only=True):
    name: str
    version: int
    description: str
    created_at: float
    updated_at: float


class Run(Struct, kw_only=True):
    """A run as it was last seen."""

    id: str
    tenant: str
    owner: str
    workflow: str
    version: int
    definition: JSON
    status: RunStatus
    input: Any
    output: Any
    error: str | None
    cause: str | None
    caller: JSON
    job_id: str | None
    epoch: int
    changes: int
    bytes: int
    wake_at: float | None
    deadline_at: float | None
    created_at: float
    started_at: float | None
    finished_at: float | None

    @property
    def ended(self) -> bool:
        return self.status in ENDED


class Attempt(Struct, kw_only=True, omit_defaults=True):
    """One try of a step's work. Without `finished_at`, whether it came to its end is not known."""

    started_at: float
    finished_at: float | None = None
    error: str | None = None
    cause: str | None = None
    rule: int | None = None
    """The number of the rule by which it is tried again."""


class Ask(Struct, kw_only=True, omit_defaults=True):
    """What a person is asked."""

    id: str
    """What for: `human`, `approval`, or `unsure:2` for the second attempt."""
    title: str
    text: str = ""
    decisions: list[str] = []
    form: JSON | None = None
    people: list[str] = []
    """Who may answer, besides the owner of the run and administrators."""


class StepRow(Struct, kw_only=True):
    """A step of a run as it was last seen."""

    path: str
    name: str
    kind: str
    status: StepStatus
    input: Any = None
    output: Any = None
    next: str | None = None
    error: str | None = None
    cause: str | None = None
    attempts: list[Attempt]
    ask: Ask | None = None
    answers: dict[str, JSON]
    agent_run: str | None = None
    """The run of an agent that its last attempt has begun."""
    wake_at: float | None = None
    started_at: float
    finished_at: float | None = None

    @property
    def unsure(self) -> bool:
        """Whether its last attempt may or may not have come to its end."""
        return bool(self.attempts) and self.attempts[-1].finished_at is None
