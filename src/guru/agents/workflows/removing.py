"""Removal of runs of workflows. All of a run goes at once: its row, its steps, its job. The runs of agents that it has
begun are runs of their own, and stay."""

from __future__ import annotations

from sqlalchemy import Connection, and_, delete, select

from guru.agents.workflows.records import ENDED
from guru.agents.workflows.runs import no_run
from guru.errors import Conflict
from guru.store.scope import Scope
from guru.store.tables import jobs, workflow_runs


def delete_run(connection: Connection, scope: Scope, run_id: str) -> None:
    """Remove a run that has ended. Raises `NotFound`, and `Conflict` for one that has not."""
    mine = (scope.of(workflow_runs), workflow_runs.c.id == run_id)
    status = connection.scalar(select(workflow_runs.c.status).where(*mine))
    if status is None:
        raise no_run(run_id)
    if status not in ENDED:
        raise Conflict(f"The run {run_id} is {status}.", hint=f"Cancel it first: guru workflow cancel {run_id}")
    remove_run(connection, scope.tenant, run_id)


def remove_run(connection: Connection, tenant: str, run_id: str) -> bool:
    """Always true. Only for a run that has ended."""
    mine = and_(workflow_runs.c.tenant == tenant, workflow_runs.c.id == run_id)
    job = select(workflow_runs.c.job_id).where(mine).scalar_subquery()
    connection.execute(delete(jobs).where(jobs.c.tenant == tenant, jobs.c.id == job))
    connection.execute(delete(workflow_runs).where(mine))
    return True
