import asyncio
import os
import subprocess
import sys

import pytest

from guru.errors import BadRequest, Conflict, NotFound
from guru.store.jobs import Jobs


@pytest.fixture
async def database(stores, tmp_path):
    database = stores.database(tmp_path)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def jobs(database):
    jobs = Jobs(database)
    yield jobs
    await jobs.close()


async def ended(jobs, job):
    async for seen in jobs.watch("t", job.id):
        last = seen
    return last


async def test_a_job_runs_and_reports(jobs):
    async def count(run):
        for n in range(run.job.arguments["to"]):
            run.progress(done=n + 1)
            await asyncio.sleep(0)
        return {"counted": run.job.arguments["to"]}

    jobs.handle("count", count)
    await jobs.start()
    job = await ended(jobs, await jobs.submit("t", "count", {"to": 3}))
    assert (job.status, job.result, job.progress) == ("done", {"counted": 3}, {"done": 3})


async def test_a_failing_job_says_why(jobs):
    async def fail(run):
        raise BadRequest("The folder is gone.", hint="Name another.")

    jobs.handle("fail", fail)
    await jobs.start()
    job = await ended(jobs, await jobs.submit("t", "fail", {}))
    assert (job.status, job.error) == ("failed", "The folder is gone. Name another.")


async def test_jobs_of_another_tenant_do_not_exist(jobs):
    job = await jobs.submit("t", "count", {})
    with pytest.raises(NotFound):
        await jobs.get("other", job.id)
    assert await jobs.list("other") == []


async def test_a_running_job_is_cancelled_and_the_next_one_runs(jobs):
    started = asyncio.Event()

    async def wait(run):
        if run.job.arguments["forever"]:
            started.set()
            await asyncio.Event().wait()
        return {}

    jobs.handle("wait", wait)
    await jobs.start()
    first = await jobs.submit("t", "wait", {"forever": True})
    second = await jobs.submit("t", "wait", {"forever": False})
    await started.wait()
    await jobs.cancel("t", first.id)
    assert (await ended(jobs, first)).status == "cancelled"
    assert (await ended(jobs, second)).status == "done"
    with pytest.raises(Conflict):
        await jobs.cancel("t", first.id)


async def test_a_queued_job_is_cancelled_at_once(jobs):
    job = await jobs.submit("t", "nobody", {})
    assert (await jobs.cancel("t", job.id)).status == "cancelled"


async def test_a_job_that_was_running_at_shutdown_is_resumed_by_the_next_runner(database):
    seen = []
    started = asyncio.Event()

    async def work(run):
        seen.append(run.job.id)
        if len(seen) == 1:
            started.set()
            await asyncio.Event().wait()
        return {"attempt": len(seen)}

    first = Jobs(database)
    first.handle("work", work)
    await first.start()
    job = await first.submit("t", "work", {})
    await started.wait()
    await first.close()
    second = Jobs(database)
    second.handle("work", work)
    assert (await second.get("t", job.id)).status == "queued"
    await second.start()
    assert (await ended(second, job)).result == {"attempt": 2}
    await second.close()


async def test_another_process_can_cancel_a_job(database, jobs):
    started = asyncio.Event()

    async def wait(run):
        started.set()
        await asyncio.Event().wait()

    jobs.handle("wait", wait)
    await jobs.start()
    job = await jobs.submit("t", "wait", {})
    await started.wait()
    elsewhere = Jobs(database)
    await elsewhere.cancel("t", job.id)
    assert (await ended(elsewhere, job)).status == "cancelled"


DIE_IN_A_JOB = """
import asyncio, os, signal, sys
from guru.store.database import Database
from guru.store.jobs import Jobs

async def main():
    database = Database(sys.argv[1])
    await database.open()
    jobs = Jobs(database)
    async def die(run):
        os.kill(os.getpid(), signal.SIGKILL)
    jobs.handle("work", die)
    await jobs.submit("t", "work", {})
    await jobs.start()
    await asyncio.sleep(30)

asyncio.run(main())
"""


async def test_a_job_whose_process_was_killed_is_resumed_at_once(stores, tmp_path, jobs):
    command = [sys.executable, "-c", DIE_IN_A_JOB, stores.url(tmp_path)]
    process = await asyncio.to_thread(subprocess.run, command, check=False)
    assert process.returncode == -9

    async def work(run):
        return {"resumed_by": os.getpid()}

    jobs.handle("work", work)
    await jobs.start()
    [job] = await jobs.list("t")
    assert (await ended(jobs, job)).result == {"resumed_by": os.getpid()}


async def test_a_runner_that_is_closed_as_it_is_woken_stops(jobs):
    await jobs.start()
    for _ in range(20):
        await asyncio.sleep(0)
    while jobs._wake.is_set():
        await asyncio.sleep(0)
    await asyncio.to_thread(lambda: None)  # the look for work is over: it waits to be woken
    async with asyncio.timeout(60):
        for turns in range(12):
            jobs._wake.set()
            for _ in range(turns):  # in whatever step of waking it is
                await asyncio.sleep(0)
            await jobs.close()
            assert jobs._loop_task is None
            await jobs.start()
            while jobs._wake.is_set():
                await asyncio.sleep(0)
            await asyncio.sleep(0.01)
