"""Steps that wait for an agent which waits for a person. They hold nothing: the agent's row says when they go on."""

from __future__ import annotations

import time
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, exists, literal_column, select, update

from guru.agents.records import ENDED as AGENT_ENDED
from guru.store.tables import agent_runs, jobs, workflow_steps

STILL: Final = ("waiting", "paused")
"""What the run of an agent is until a person says something."""
PARKED: Final = workflow_steps.c.status == literal_column("'parked'")  # in words, so that the small index is used


def released() -> ColumnElement[bool]:
    """The condition on steps that wait for an agent which does not wait any more, or is gone."""
    waits = exists().where(
        agent_runs.c.id == workflow_steps.c.agent_run, agent_runs.c.tenant == workflow_steps.c.tenant,
        agent_runs.c.status.in_(STILL),
    )  # fmt: skip
    return and_(PARKED, ~waits)


def end_agents(connection: Connection, steps: ColumnElement[bool]) -> None:
    """Cancel the runs of agents that these steps have begun: nobody waits for what comes of them any more.

    What one of them does at this moment is cut off within a heartbeat of its job.
    """
    theirs = and_(workflow_steps.c.agent_run == agent_runs.c.id, workflow_steps.c.tenant == agent_runs.c.tenant)
    query = select(agent_runs.c.id, agent_runs.c.tenant, agent_runs.c.job_id).join(workflow_steps, theirs)
    query = query.where(steps, agent_runs.c.status.not_in(AGENT_ENDED))
    for run in connection.execute(query).all():
        mine = (agent_runs.c.tenant == run.tenant, agent_runs.c.id == run.id)
        cancelled = {"status": "cancelled", "finished_at": time.time()}
        connection.execute(update(agent_runs).where(*mine).values(cancelled))
        job = (jobs.c.tenant == run.tenant, jobs.c.id == run.job_id)
        connection.execute(update(jobs).where(*job, jobs.c.status == "queued").values(cancelled))
        connection.execute(update(jobs).where(*job, jobs.c.status == "running").values(cancel_requested=True))
