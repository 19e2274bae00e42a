"""Jobs: work that goes on behind a request and survives a restart."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from guru.gateway.messages import moment
from guru.server.endpoint import Call, get, post
from guru.server.library import PULL
from guru.server.services import Services
from guru.server.sse import EventStream, sse
from guru.server.watching import until
from guru.store.jobs import Job, no_job


class JobQuery(Struct, forbid_unknown_fields=True):
    collection: str | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 50


class JobView(Struct, kw_only=True):
    id: str
    kind: str
    collection: str | None
    status: str
    """`queued`, `running`, `done`, `failed` or `cancelled`."""
    progress: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobAnswer(Struct):
    job: JobView


class JobList(Struct):
    jobs: list[JobView]


def to_view(job: Job) -> JobView:
    return JobView(
        id=job.id, kind=job.kind, collection=job.subject, status=job.status, progress=job.progress, result=job.result,
        error=job.error, created_at=moment(job.created_at),
        started_at=moment(job.started_at) if job.started_at else None,
        finished_at=moment(job.finished_at) if job.finished_at else None,
    )  # fmt: skip


@get("/api/v1/jobs")
async def list_jobs(call: Call, query: JobQuery) -> JobList:
    """Jobs, the newest first."""
    jobs = await call.services.jobs.list(
        call.tenant, subject=query.collection, people=call.caller("jobs").visible.owners, limit=query.limit
    )
    return JobList([to_view(job) for job in jobs])


@get("/api/v1/jobs/{job_id}")
async def show_job(call: Call, job_id: str) -> JobView:
    """How far a job is."""
    return to_view(await find_job(call, job_id))


@get("/api/v1/jobs/{job_id}/events", answer=JobView, media_type="text/event-stream")
async def watch_job(call: Call, job_id: str) -> Any:
    """The job whenever it changes, as `progress` events, then as `done`."""
    await find_job(call, job_id)
    return EventStream(job_events(call.services, call.tenant, job_id), {})


@post("/api/v1/jobs/{job_id}/cancel")
async def cancel_job(call: Call, job_id: str) -> JobView:
    """Ask a job to stop; what it has finished stays."""
    job = await find_job(call, job_id)
    if job.kind == PULL:
        call.require_operator()  # as for beginning it
    return to_view(await call.services.jobs.cancel(call.tenant, job_id))


async def find_job(call: Call, job_id: str) -> Job:
    """A job that is everybody's, or the caller's. Raises `NotFound`."""
    job = await call.services.jobs.get(call.tenant, job_id)
    people = call.caller("jobs").visible.owners
    if job.person is not None and people is not None and job.person not in people:
        raise no_job(job_id)
    return job


async def job_events(services: Services, tenant: str, job_id: str) -> AsyncGenerator[bytes]:
    """Ends with the job, or without `done` when the server stops."""
    last = b""
    async with aclosing(until(services.closing, services.jobs.watch(tenant, job_id))) as jobs:
        async for job in jobs:
            event = sse("done" if job.ended else "progress", to_view(job))
            if event != last:
                yield event
            last = event


DOORS = [list_jobs, show_job, watch_job, cancel_job]
