"""Runs and their steps as they are kept."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, and_, select

from guru.agents.agent import Agent
from guru.agents.tools.asking import Elicitation
from guru.errors import NotFound
from guru.store.scope import Scope
from guru.store.tables import agent_runs, agent_steps
from guru.types import JSON, Message

RunStatus = Literal["queued", "running", "pausing", "paused", "waiting", "done", "failed", "cancelled"]
StepStatus = Literal["begun", "asking", "waiting", "done"]
"""`asking` and `waiting` are for a person; while it is `asking`, a call is kept open for the answer."""
OPEN: Final = ("asking", "waiting")
"""Steps about which a person can say something."""
WORKING: Final = ("queued", "running", "pausing")
"""While a job carries the run."""
ENDED: Final = ("done", "failed", "cancelled")


class Definition(Struct, kw_only=True):
    """An agent, and those that it may hand over to, as they were when a run began."""

    agent: Agent
    team: dict[str, Agent] = {}


class RunRecord(Struct, kw_only=True):
    """A run. Times are seconds since 1970; `seconds` are those of work."""

    id: str
    tenant: str
    owner: str
    agent: str
    definition: JSON
    caller: JSON
    messages: JSON | list[Any]
    status: RunStatus
    answer: str | None
    error: str | None
    hint: str | None
    steps: int
    tokens: int
    cost: float
    seconds: float
    traces: list[str]
    cause: str
    job_id: str | None
    created_at: float
    finished_at: float | None

    @property
    def working(self) -> bool:
        return self.status in WORKING


class Asked(Struct, kw_only=True, omit_defaults=True):
    """What the server of a tool wants to know during a call."""

    question: Elicitation
    until: float | None = None
    """When the call is not kept open any longer; None: it has ended, and is gone on with after the answer."""
    state: JSON | None = None
    """From what it is gone on with."""
    said: str | None = None
    """What was decided. What was filled in is the server's alone, and not kept."""


class StepRecord(Struct, kw_only=True):
    """A part of a step: a call of a model or a tool, a choice, a question."""

    number: int
    part: int
    kind: str
    name: str
    status: StepStatus
    request: JSON
    result: JSON | None = None
    reason: str | None = None
    """Why a person must say something."""
    decision: JSON | None = None
    asked: JSON | None = None
    """An `Asked`."""
    begun_at: float = 0.0
    ended_at: float | None = None
    left: bool = False
    """Whether a process that is gone had begun it: nobody knows whether it was done."""


class Decision(Struct, kw_only=True, forbid_unknown_fields=True):
    """What a person says to a call that waits."""

    say: Literal["yes", "no", "done", "cancel"]
    """`done`: it has happened already, with `text` as its result. To a question, `yes` with the answer as `text`.
    `cancel`: to a question of a server, neither yes nor no."""
    text: str = ""
    """A reason for the model, a result, or an answer."""
    arguments: JSON | None = None
    """Other arguments than the model's."""
    content: JSON | None = None
    """The form of a server, filled in."""


RUN = [agent_runs.c[name] for name in RunRecord.__struct_fields__]
STEP = [agent_steps.c[name] for name in StepRecord.__struct_fields__ if name != "left"]


def to_run(row: Row[Any]) -> RunRecord:
    return RunRecord(**{name: getattr(row, name) for name in RunRecord.__struct_fields__})


def to_step(row: Row[Any]) -> StepRecord:
    return StepRecord(**{column.name: getattr(row, column.name) for column in STEP})


def find_run(connection: Connection, scope: Scope, run_id: str) -> RunRecord:
    """Raises `NotFound`."""
    row = connection.execute(select(*RUN).where(scope.of(agent_runs), agent_runs.c.id == run_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no run {run_id!r}.", hint="`guru agent runs` shows those that there are.")
    return to_run(row)


def read_steps(connection: Connection, tenant: str, run_id: str) -> list[StepRecord]:
    query = select(*STEP).where(agent_steps.c.tenant == tenant, agent_steps.c.run_id == run_id)
    ordered = query.order_by(agent_steps.c.number, agent_steps.c.part)
    return [to_step(row) for row in connection.execute(ordered).all()]


def read_messages(written: Any) -> list[Message]:
    return msgspec.convert(written, list[Message])


def read_asked(step: StepRecord) -> Asked | None:
    """The question of a server that a step has, or had."""
    return None if step.asked is None else msgspec.convert(step.asked, Asked)


def storable(text: str) -> str:
    """Without what no database keeps as text: NUL, and halves of characters."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def mine(tenant: str, run_id: str) -> Any:
    """The condition on rows of runs for one of a tenant."""
    return and_(agent_runs.c.tenant == tenant, agent_runs.c.id == run_id)


def mine_step(tenant: str, run_id: str) -> Any:
    """The same on rows of steps."""
    return and_(agent_steps.c.tenant == tenant, agent_steps.c.run_id == run_id)
