"""Runs of workflows: begun, watched, answered, cancelled, resumed. Who is only asked something sees that alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct
from sqlalchemy import Connection

from guru.agents.workflows.definition import from_plain
from guru.agents.workflows.graph import Graph, draw
from guru.agents.workflows.records import Ask, Attempt, Run, RunStatus, StepRow
from guru.agents.workflows.workflows import asks
from guru.errors import NotFound
from guru.gateway.identity.audit import record
from guru.gateway.messages import moment
from guru.server.endpoint import Call, delete, get, post
from guru.server.evaluations_api import kept_caller
from guru.server.services import Services
from guru.server.sse import EventStream, sse
from guru.server.watching import until
from guru.store.scope import Scope
from guru.types import JSON


class RunBody(Struct, forbid_unknown_fields=True, kw_only=True):
    input: Any = {}
    """What the run is given."""
    version: int | None = None
    """None: the newest."""


class AnswerBody(Struct, forbid_unknown_fields=True, kw_only=True):
    step: str
    """The path of the step that asks."""
    decision: str | None = None
    form: JSON | None = None
    output: Any = None
    """Of a step of which it was not known whether it had ended: what it gave."""


class RunQuery(Struct, forbid_unknown_fields=True, kw_only=True):
    workflow: str | None = None
    status: RunStatus | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    before: str | None = None
    """Id of the last run seen."""


class AttemptView(Struct, kw_only=True):
    started_at: datetime
    finished_at: datetime | None
    """None: it goes on, or nobody knows whether it came to its end."""
    error: str | None
    cause: str | None


class StepView(Struct, kw_only=True):
    path: str
    """Where it is in the run: `charge`, `charge#2` the second time, `each/3/resize` within a map."""
    name: str
    kind: str
    status: str
    """`running`, `retrying`, `waiting`, `asked`, `answered`, `parked` (its agent waits for a person), `again`, `done`,
    `caught`, `failed` or `cancelled`."""
    next: str | None
    error: str | None
    cause: str | None
    attempts: list[AttemptView]
    ask: Ask | None
    """What a person is asked, while nobody has answered."""
    agent_run: str | None
    """The run of the agent that it has begun."""
    wake_at: datetime | None
    started_at: datetime
    finished_at: datetime | None


class StepDetail(StepView, kw_only=True):
    input: Any
    output: Any
    answers: JSON
    """Who answered what, and when."""


class RunView(Struct, kw_only=True):
    id: str
    workflow: str
    version: int
    owner: str
    status: str
    """`queued`, `running`, `waiting` (for a time or a person), `done`, `failed` or `cancelled`."""
    error: str | None
    cause: str | None
    wake_at: datetime | None
    deadline_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class RunDetail(RunView, kw_only=True):
    input: Any
    output: Any
    steps: list[StepView]
    graph: Graph | None
    """None for somebody who is only asked something."""


class RunList(Struct):
    runs: list[RunView]
    next: str | None
    """Give it as `before` to see older ones; null at the end."""


class RunChange(Struct):
    run: RunView
    steps: list[StepView]
    """Those that have changed since the event before; in the first one, all."""


@post("/api/v1/workflows/{name}/runs", status=202)
async def begin_workflow_run(call: Call, name: str, body: RunBody) -> RunView:
    """Begin a run; it goes on behind the request, and after a restart."""
    caller = call.caller("workflows.runs")
    run = await call.services.workflows.begin(
        call.tenant, name, body.input, owner=caller.person, caller=kept_caller(caller), version=body.version
    )
    return to_run(run)


@get("/api/v1/workflow-runs")
async def list_workflow_runs(call: Call, query: RunQuery) -> RunList:
    """The newest first: one's own, and those that ask one something."""
    found = await call.services.workflows.list(
        call.visible, workflow=query.workflow, status=query.status, limit=query.limit + 1, before=query.before
    )
    shown = [to_run(run) for run in found[: query.limit]]
    return RunList(shown, shown[-1].id if len(found) > query.limit else None)


@get("/api/v1/workflow-runs/{run_id}")
async def show_workflow_run(call: Call, run_id: str) -> RunDetail:
    """A run with its steps; what went in and came out of each is at `/steps/{path}`."""
    run, whole = await call.services.workflows.find(call.visible, run_id)
    steps = await seen_steps(call, run, whole)
    graph = await asyncio.to_thread(draw, from_plain(run.definition)) if whole else None
    return RunDetail(
        **run_fields(run), input=run.input if whole else None, output=run.output if whole else None, steps=steps,
        graph=graph,
    )  # fmt: skip


@delete("/api/v1/workflow-runs/{run_id}", status=204)
async def delete_workflow_run(call: Call, run_id: str) -> None:
    """Remove a run that has ended, with its steps. Runs of agents that it began stay, and so do traces."""
    caller = call.caller("workflows.runs")

    def noted(connection: Connection, run: Run) -> None:
        before = {"workflow": run.workflow, "status": run.status}
        record(connection, caller, "workflow-runs.delete", run_id, before=before)

    await call.services.workflows.delete(call.visible, run_id, noted)


@get("/api/v1/workflow-runs/{run_id}/steps/{path:path}")
async def show_workflow_step(call: Call, run_id: str, path: str) -> StepDetail:
    """A step with what went in and came out of it, and what people answered."""
    run, whole = await call.services.workflows.find(call.visible, run_id)
    step = await call.services.workflows.runs.step(call.tenant, run.id, path)
    if not whole:
        return StepDetail(**step_fields(hidden(step, call.visible)), input=None, output=None, answers={})
    return StepDetail(**step_fields(step), input=step.input, output=step.output, answers=step.answers)


@get("/api/v1/workflow-runs/{run_id}/events", answer=RunChange, media_type="text/event-stream")
async def watch_workflow_run(call: Call, run_id: str) -> Any:
    """The run whenever something has changed, with the steps that have, as `progress` events, then as `done`."""
    run, whole = await call.services.workflows.find(call.visible, run_id)
    return EventStream(run_events(call.services, run, None if whole else call.visible), {})


@post("/api/v1/workflow-runs/{run_id}/cancel")
async def cancel_workflow_run(call: Call, run_id: str) -> RunView:
    """End a run; what it has done stays."""
    run = await own_run(call, run_id)
    return to_run(await call.services.workflows.cancel(call.tenant, run.id))


@post("/api/v1/workflow-runs/{run_id}/resume")
async def resume_workflow_run(call: Call, run_id: str) -> RunView:
    """Go on with a run that failed or was cancelled, at what failed; what is done is not done again."""
    run = await own_run(call, run_id)
    return to_run(await call.services.workflows.resume(call.tenant, run.id))


@post("/api/v1/workflow-runs/{run_id}/answer")
async def answer_workflow_run(call: Call, run_id: str, body: AnswerBody) -> RunView:
    """Say what a step asks for. 409 where somebody has answered before."""
    answer: JSON = {"decision": body.decision, "form": body.form, "output": body.output}
    by = call.caller("workflow-runs.answer").person
    return to_run(await call.services.workflows.answer(call.visible, run_id, body.step, answer, by=by))


async def own_run(call: Call, run_id: str) -> Run:
    """A run that the caller may end and take up: to be asked something is not enough. Raises `NotFound`."""
    return await call.services.workflows.runs.get(call.visible, run_id)


async def seen_steps(call: Call, run: Run, whole: bool) -> list[StepView]:
    steps = await call.services.workflows.runs.steps(run.tenant, run.id, contents=False)
    return shown(steps, None if whole else call.visible)


def shown(steps: Any, visible: Scope | None) -> list[StepView]:
    """The steps, or those alone that ask the viewer something."""
    return [StepView(**step_fields(step)) for step in steps if visible is None or asks(step, visible)]


def hidden(step: StepRow, visible: Scope) -> StepRow:
    """The step, to whom it asks something. Raises `NotFound`."""
    if not asks(step, visible):
        raise NotFound(f"The run has no step {step.path!r} that asks you something.")
    return step


async def run_events(services: Services, run: Run, visible: Scope | None) -> AsyncGenerator[bytes]:
    """Ends with the run, or without `done` when the server stops."""
    told: dict[str, StepView] = {}
    async with aclosing(until(services.closing, services.workflows.watch(run.tenant, run.id))) as changes:
        async for found, steps in changes:
            changed = [step for step in shown(steps, visible) if told.get(step.path) != step]
            told |= {step.path: step for step in changed}
            yield sse("done" if found.ended else "progress", RunChange(to_run(found), changed))


def run_fields(run: Run) -> dict[str, Any]:
    names = ("id", "workflow", "version", "owner", "status", "error", "cause")
    times = ("wake_at", "deadline_at", "created_at", "started_at", "finished_at")
    return {name: getattr(run, name) for name in names} | {name: at(getattr(run, name)) for name in times}


def to_run(run: Run) -> RunView:
    return RunView(**run_fields(run))


def step_fields(step: StepRow) -> dict[str, Any]:
    names = ("path", "name", "kind", "status", "next", "error", "cause", "agent_run")
    times = ("wake_at", "started_at", "finished_at")
    fields = {name: getattr(step, name) for name in names} | {name: at(getattr(step, name)) for name in times}
    asked = step.ask if step.status == "asked" else None
    return fields | {"attempts": [to_attempt(attempt) for attempt in step.attempts], "ask": asked}


def to_attempt(attempt: Attempt) -> AttemptView:
    return AttemptView(
        started_at=moment(attempt.started_at), finished_at=at(attempt.finished_at), error=attempt.error,
        cause=attempt.cause,
    )  # fmt: skip


def at(seconds: float | None) -> datetime | None:
    return None if seconds is None else moment(seconds)


DOORS = [
    begin_workflow_run,
    list_workflow_runs,
    show_workflow_run,
    delete_workflow_run,
    show_workflow_step,
    watch_workflow_run,
    cancel_workflow_run,
    resume_workflow_run,
    answer_workflow_run,
]
