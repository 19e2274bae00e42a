"""Removal of runs of agents. All of a run goes at once: its row, its steps, its job.

A document that has begun a run does not begin another one because that is gone. What a workflow may still ask for
stays.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Row, and_, delete, exists, insert, select

from guru.agents.records import ENDED, find_run, mine
from guru.errors import Conflict
from guru.store.scope import Scope
from guru.store.tables import agent_marks, agent_runs, documents, jobs, workflow_runs, workflow_steps

WORKFLOW: Final = "workflow:"
"""What the cause of a run begins with that is a step of a workflow: after it come the workflow's run, the step, and the
attempt."""
DOCUMENT: Final = "document:"
COLUMNS: Final = [agent_runs.c[name] for name in ("id", "tenant", "agent", "cause", "job_id", "created_at")]


def delete_run(connection: Connection, scope: Scope, run_id: str) -> None:
    """Remove a run that has ended. Raises `NotFound`, and `Conflict` for one that has not, or that is needed."""
    run = find_run(connection, scope, run_id)
    if run.status not in ENDED:
        raise Conflict(f"The run {run_id} is {run.status}.", hint=f"Cancel it first: guru agent cancel {run_id}")
    if not remove_run(connection, run.tenant, run_id):
        flow = workflow_of(run.cause)
        raise Conflict(
            f"The run {flow} of a workflow may still ask what came of {run_id}.",
            hint=f"Remove that one first: guru workflow delete-run {flow}",
        )


def remove_run(connection: Connection, tenant: str, run_id: str) -> bool:
    """Whether it was removed: not while a workflow may still ask for it. Only for a run that has ended."""
    run = connection.execute(select(*COLUMNS).where(mine(tenant, run_id))).one()
    if needed(connection, run):
        return False
    if run.cause.startswith(DOCUMENT):
        note_seen(connection, run)
    connection.execute(delete(jobs).where(jobs.c.tenant == tenant, jobs.c.id == run.job_id))
    connection.execute(delete(agent_runs).where(mine(tenant, run_id)))
    return True


def needed(connection: Connection, run: Row[Any]) -> bool:
    """Whether the run of a workflow goes on, or was broken off where it waited for this one: it can be taken up."""
    if not run.cause.startswith(WORKFLOW):
        return False
    flow = workflow_of(run.cause)
    whole = and_(workflow_runs.c.tenant == run.tenant, workflow_runs.c.id == flow)
    status = connection.scalar(select(workflow_runs.c.status).where(whole))
    if status is None or status not in ENDED:
        return status is not None
    broken_off = exists().where(
        workflow_steps.c.tenant == run.tenant, workflow_steps.c.run_id == flow,
        workflow_steps.c.agent_run == run.id, workflow_steps.c.status == "cancelled",
    )  # fmt: skip
    return bool(connection.scalar(select(broken_off)))


def workflow_of(cause: str) -> str:
    """The run of a workflow that began a run."""
    return cause.removeprefix(WORKFLOW).partition(":")[0]


# --------------------------------------------------------------------------- documents


def note_seen(connection: Connection, run: Row[Any]) -> None:
    """Keep that the agent has had the document, while that is there."""
    document = run.cause.split(":")[1]
    there = exists().where(documents.c.tenant == run.tenant, documents.c.id == document)
    place = and_(agent_marks.c.tenant == run.tenant, agent_marks.c.agent == run.agent, agent_marks.c.kind == run.cause)
    if not connection.scalar(select(there)) or connection.scalar(select(exists().where(place))):
        return  # a replay has a run in the document's place
    row = {"tenant": run.tenant, "agent": run.agent, "kind": run.cause, "what": document, "mark": run.created_at}
    connection.execute(insert(agent_marks).values(row))


def forget_seen(connection: Connection) -> None:
    """Drop what was kept of documents that are gone."""
    there = exists().where(documents.c.tenant == agent_marks.c.tenant, documents.c.id == agent_marks.c.what)
    connection.execute(delete(agent_marks).where(agent_marks.c.kind.startswith(DOCUMENT), ~there))
