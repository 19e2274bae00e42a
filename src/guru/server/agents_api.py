"""Agents and their runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from sqlalchemy import Connection
from starlette.responses import Response

from guru.agents.agent import Agent, public
from guru.agents.records import OPEN, Decision, RunRecord, RunStatus, StepRecord, read_asked, read_messages
from guru.agents.registry import Known
from guru.errors import InvalidParameter, TooLarge
from guru.gateway.identity.audit import record
from guru.gateway.messages import moment
from guru.server.endpoint import Call, delete, encode, get, patch, post, put
from guru.server.evaluations_api import kept_caller
from guru.server.services import Services
from guru.server.sse import EventStream, sse
from guru.server.watching import until
from guru.store.scope import Scope
from guru.types import JSON, Message

MOST_WEBHOOK = 1 << 20
"""Bytes of what a webhook may say."""


class AgentView(Struct, kw_only=True):
    agent: Agent
    configured: bool
    """Whether it stands in the configuration of the server."""
    owner: str


class AgentList(Struct):
    agents: list[AgentView]


class RunBody(Struct, kw_only=True, forbid_unknown_fields=True):
    input: str | None = None
    """What the agent is to do."""
    messages: list[Message] = []
    """In its place: a conversation, whose last message is the request."""
    stream: bool = False
    """Server-sent events: `step` as steps change, `delta` as the model speaks, `run` at the end."""
    background: bool = False
    """Answer at once, with status 202."""
    changes: JSON = {}
    """Settings of the agent that hold for this run, such as `model` or `max_steps`."""


class RunView(Struct, kw_only=True):
    id: str
    agent: str
    status: str
    """`queued`, `running`, `pausing`, `paused`, `waiting` (for a person), `done`, `failed` or `cancelled`."""
    input: str
    answer: str | None
    error: str | None
    hint: str | None
    steps: int
    tokens: int
    cost: float
    """US dollars, as far as prices are known."""
    seconds: float
    """Of work."""
    traces: list[str]
    """One for each time that the run was taken up."""
    cause: str
    """`person`, `schedule`, `webhook`, `document:...`, or the id of the run that it replays."""
    created_at: datetime
    finished_at: datetime | None


class AskedView(Struct, kw_only=True):
    """What the server of a tool asks a person. All of it was written by whoever runs that server."""

    server: str
    message: str
    schema: JSON | None
    """Of the form; None for an address."""
    url: str | None
    warnings: list[str]
    """What looks dangerous about it."""
    until: datetime | None
    """When the call is not kept open any longer; None: it waits for as long as it takes."""
    said: str | None
    """What was decided: `yes`, `no` or `cancel`. What was filled in is not kept."""


class StepView(Struct, kw_only=True):
    """What was done at the same time has the same number."""

    number: int
    part: int
    kind: str
    """`model`, `tool`, `choice` or `person`."""
    name: str
    status: str
    """`begun`, `waiting` (for a person), `asking` (the same, while a call is kept open for the answer) or `done`."""
    request: JSON
    result: JSON | None
    reason: str | None
    """Why it waits for a person."""
    decision: JSON | None
    asked: AskedView | None
    """What it waits for, where the server of a tool asks."""
    begun_at: datetime
    ended_at: datetime | None


class RunDetail(RunView, kw_only=True):
    log: list[StepView]
    definition: JSON
    """The agent as it was when the run began, and those that it may hand over to."""
    messages: list[Message]


class RunList(Struct):
    runs: list[RunView]
    next: str | None
    """Give it as `before` to see older ones; null at the end."""


class RunQuery(Struct, forbid_unknown_fields=True):
    agent: str | None = None
    status: RunStatus | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    before: str | None = None
    """Id of the last run seen."""


class ResumeBody(Struct, kw_only=True, forbid_unknown_fields=True):
    changes: JSON = {}
    """Other limits: `max_steps`, `max_seconds`, `max_usd`, `max_repeats`."""


class StepDecision(Decision, kw_only=True, forbid_unknown_fields=True):
    step: int
    part: int = 0


class ApproveBody(Struct, kw_only=True, forbid_unknown_fields=True):
    decisions: list[StepDecision] = []
    all: Literal["yes", "no"] | None = None
    """To everything that waits and has no decision of its own here; `yes` fills in no forms."""
    text: str = ""
    """With `all`: a reason."""


class ReplayBody(Struct, kw_only=True, forbid_unknown_fields=True):
    step: Annotated[int, Meta(ge=1)] = 1
    """From which on things are done anew; what was done before is taken from the run."""
    changes: JSON = {}
    """Settings of the agent that are others in the new run, such as `model` or `instructions`."""
    input: str | None = None
    """Another request."""


class EditBody(Struct, kw_only=True, forbid_unknown_fields=True):
    result: JSON
    """The members of the result that are to be others, such as `text`."""


@get("/api/v1/agents")
async def list_agents(call: Call) -> AgentList:
    """The agents that there are, by name."""
    return AgentList([to_agent(known) for known in await call.services.agents.registry.all(call.tenant)])


@post("/api/v1/agents", status=201)
async def define_agent(call: Call, body: Agent) -> AgentView:
    """Define an agent. What it does by itself, it does as whoever defines it."""
    caller = call.caller("agents")
    registry = call.services.agents.registry
    await registry.define(body, tenant=call.tenant, owner=caller.person, caller=kept_caller(caller))
    return to_agent(await registry.get(call.tenant, body.name))


@get("/api/v1/agents/{name}")
async def show_agent(call: Call, name: str) -> AgentView:
    """One of them."""
    return to_agent(await call.services.agents.registry.get(call.tenant, name))


@put("/api/v1/agents/{name}")
async def replace_agent(call: Call, name: str, body: Agent) -> AgentView:
    """Define an agent anew. What it does by itself, it does from now on as whoever does so.

    A `webhook_key` of `...`, as it is shown, stays the one that it was.
    """
    if body.name != name:
        raise InvalidParameter("An agent keeps its name.", param="name", hint=f"Send {name!r}, or define another one.")
    caller = call.caller("agents")
    registry = call.services.agents.registry
    await registry.replace(body, tenant=call.tenant, owner=caller.person, caller=kept_caller(caller))
    return to_agent(await registry.get(call.tenant, name))


@delete("/api/v1/agents/{name}", status=204)
async def delete_agent(call: Call, name: str) -> None:
    """Remove an agent. Its runs stay."""
    await call.services.agents.registry.delete(call.tenant, name)


@post("/api/v1/agents/{name}/runs", answer=RunDetail)
async def begin_run(call: Call, name: str, body: RunBody) -> Any:
    """Have an agent do something.

    Without `stream` and `background`, the answer comes when the run has ended or waits for a person. The run goes on
    when the client leaves.
    """
    caller = call.caller("agents.runs")
    if (body.input is None) == (not body.messages):
        raise InvalidParameter("Send either `input` or `messages`.", param="input", hint="Say what is to be done.")
    messages = body.messages or [Message("user", body.input or "")]
    runs = call.services.agents.runs
    run = await call.services.agents.begin(name, messages, caller, body.changes)
    if body.background:
        return Response(encode(await detail(call, run.id)), 202, media_type="application/json")
    if body.stream:
        return EventStream(run_events(call, run.id), {"x-guru-run-id": run.id})
    async with aclosing(runs.watch(call.visible, run.id)) as events:
        async for _ in events:
            pass
    return await detail(call, run.id)


@post("/api/v1/agents/{name}/webhook", status=202, public=True)
async def call_webhook(call: Call, name: str) -> RunView:
    """Start an agent from another program, which sends the agent's `webhook_key` as `x-guru-webhook-key`.

    The body is told to the agent, as data.
    """
    key = call.request.headers.get("x-guru-webhook-key", "")
    agents = call.services.agents
    known = await agents.registry.by_webhook(name, key)
    body = await call.body()
    if len(body) > MOST_WEBHOOK:
        raise TooLarge(f"The body is larger than {MOST_WEBHOOK >> 20} MiB.", hint="Send less.")
    run_id = await agents.triggers.webhook(known, body.decode("utf-8", "replace"))
    return to_run(await agents.runs.get(Scope(known.tenant), run_id))


@get("/api/v1/runs")
async def list_runs(call: Call, query: RunQuery) -> RunList:
    """Runs of agents, the newest first."""
    found = await call.services.agents.runs.list(
        call.visible, agent=query.agent, status=query.status, limit=query.limit + 1, before=query.before
    )
    shown = [to_run(run) for run in found[: query.limit]]
    return RunList(shown, shown[-1].id if len(found) > query.limit else None)


@get("/api/v1/runs/{run_id}")
async def show_run(call: Call, run_id: str) -> RunDetail:
    """A run with every step."""
    return await detail(call, run_id)


@delete("/api/v1/runs/{run_id}", status=204)
async def delete_run(call: Call, run_id: str) -> None:
    """Remove a run that has ended, with its steps. Its traces stay, and what is remembered of it."""
    caller = call.caller("agents.runs")

    def noted(connection: Connection, run: RunRecord) -> None:
        record(connection, caller, "runs.delete", run_id, before={"agent": run.agent, "status": run.status})

    await call.services.agents.runs.delete(call.visible, run_id, noted)


@get("/api/v1/runs/{run_id}/events", answer=RunView, media_type="text/event-stream")
async def watch_run(call: Call, run_id: str) -> Any:
    """The run as it goes.

    `step` comes for each step as it changes, `delta` for the model's words, and `run` when nothing more
    happens by itself.
    """
    await call.services.agents.runs.get(call.visible, run_id)
    return EventStream(run_events(call, run_id), {})


@post("/api/v1/runs/{run_id}/pause")
async def pause_run(call: Call, run_id: str) -> RunView:
    """Stop after the step that is being done."""
    return to_run(await call.services.agents.runs.pause(call.visible, run_id))


@post("/api/v1/runs/{run_id}/resume")
async def resume_run(call: Call, run_id: str, body: ResumeBody) -> RunView:
    """Go on where a paused, failed or cancelled run was left."""
    return to_run(await call.services.agents.runs.resume(call.visible, run_id, body.changes))


@post("/api/v1/runs/{run_id}/cancel")
async def cancel_run(call: Call, run_id: str) -> RunView:
    """Stop at once."""
    return to_run(await call.services.agents.runs.cancel(call.visible, run_id))


@post("/api/v1/runs/{run_id}/approve")
async def approve_run(call: Call, run_id: str, body: ApproveBody) -> RunView:
    """Say yes or no to calls that wait for a person, or answer a question: of an agent, or of the server of a tool."""
    runs = call.services.agents.runs
    decisions: dict[tuple[int, int], Decision] = {}
    if body.all is not None:
        _, steps = await runs.show(call.visible, run_id)
        waiting = [step for step in steps if step.status in OPEN and step.decision is None]
        if body.all == "yes":
            waiting = [step for step in waiting if step.asked is None]
        decisions = {(step.number, step.part): Decision(say=body.all, text=body.text) for step in waiting}
    decisions |= {
        (item.step, item.part): Decision(say=item.say, text=item.text, arguments=item.arguments, content=item.content)
        for item in body.decisions
    }
    if not decisions and body.all is None:
        raise InvalidParameter("Nothing is decided.", param="decisions", hint='Send {"all": "yes"} or `decisions`.')
    return to_run(await runs.approve(call.visible, run_id, decisions))


@post("/api/v1/runs/{run_id}/replay", status=201)
async def replay_run(call: Call, run_id: str, body: ReplayBody) -> RunView:
    """A new run that does the same, from a step on with another model, prompt or request."""
    caller = call.caller("agents.runs")
    made = await call.services.agents.runs.replay(
        call.visible, run_id, owner=caller.person, caller=kept_caller(caller), step=body.step, changes=body.changes,
        input=body.input,
    )  # fmt: skip
    return to_run(made)


@patch("/api/v1/runs/{run_id}/steps/{number:int}/{part:int}")
async def edit_step(call: Call, run_id: str, number: int, part: int, body: EditBody) -> RunDetail:
    """Put another result in the place of a step's. What came after it is forgotten, and the run is paused."""
    await call.services.agents.runs.edit(call.visible, run_id, number, part, body.result)
    return await detail(call, run_id)


async def run_events(call: Call, run_id: str) -> AsyncGenerator[bytes]:
    """Ends with the run, or without `run` when the server stops."""
    services: Services = call.services
    async with aclosing(until(services.closing, services.agents.runs.watch(call.visible, run_id))) as events:
        async for event, data in events:
            shown = to_run(data) if event == "run" else to_step(data) if event == "step" else data
            yield sse(event, shown)


async def detail(call: Call, run_id: str) -> RunDetail:
    run, steps = await call.services.agents.runs.show(call.visible, run_id)
    return RunDetail(
        **msgspec.structs.asdict(to_run(run)), log=[to_step(step) for step in steps], definition=run.definition,
        messages=read_messages(run.messages),
    )  # fmt: skip


def to_agent(known: Known) -> AgentView:
    return AgentView(agent=public(known.agent), configured=known.configured, owner=known.owner)


def to_run(run: RunRecord) -> RunView:
    return RunView(
        id=run.id, agent=run.agent, status=run.status, input=read_messages(run.messages)[-1].text, answer=run.answer,
        error=run.error, hint=run.hint, steps=run.steps, tokens=run.tokens, cost=run.cost, seconds=run.seconds,
        traces=run.traces, cause=run.cause, created_at=moment(run.created_at),
        finished_at=moment(run.finished_at) if run.finished_at else None,
    )  # fmt: skip


def to_step(step: StepRecord) -> StepView:
    return StepView(
        number=step.number, part=step.part, kind=step.kind, name=step.name, status=step.status, request=step.request,
        result=step.result, reason=step.reason, decision=shown_decision(step), asked=to_asked(step),
        begun_at=moment(step.begun_at), ended_at=moment(step.ended_at) if step.ended_at else None,
    )  # fmt: skip


def shown_decision(step: StepRecord) -> JSON | None:
    """What was decided, without what was filled into a form: that is for the server which asks."""
    if step.decision is None or step.asked is None:
        return step.decision
    return {name: value for name, value in step.decision.items() if name != "content"}


def to_asked(step: StepRecord) -> AskedView | None:
    asked = read_asked(step)
    if asked is None:
        return None
    question = asked.question
    return AskedView(
        server=question.server, message=question.message, schema=question.schema, url=question.url,
        warnings=question.warnings, until=moment(asked.until) if asked.until else None, said=asked.said,
    )  # fmt: skip


DOORS = [
    list_agents,
    define_agent,
    show_agent,
    replace_agent,
    delete_agent,
    begin_run,
    call_webhook,
    list_runs,
    show_run,
    delete_run,
    watch_run,
    pause_run,
    resume_run,
    cancel_run,
    approve_run,
    replay_run,
    edit_step,
]
