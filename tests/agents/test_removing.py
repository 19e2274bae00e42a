"""Runs of agents are removed: by hand or after some days, whole or not at all, and never one that is needed."""

import asyncio
import time

import pytest
from sqlalchemy import delete, func, insert, select, update

from agents.acting import Scripted, World
from agents.lent import SCOPE, Bench
from agents.test_triggers import add_collection, add_document
from guru.agents.agent import Agent
from guru.agents.removing import forget_seen, remove_run
from guru.agents.retention import BATCH, Retention
from guru.agents.triggers import Triggers
from guru.agents.workflows.records import Attempt, Run, StepRow
from guru.agents.workflows.removing import remove_run as remove_workflow_run
from guru.agents.workflows.runs import RunStore
from guru.config import RunSettings, Settings
from guru.errors import Conflict, NotFound
from guru.store.scope import Scope
from guru.store.tables import agent_marks, agent_runs, agent_steps, documents, jobs, workflow_runs, workflow_steps

PAYER = Agent(name="helper", tools=["pay"])
READER = Agent(name="reader", on_document="inbox", input="Sort it.")
TABLES = {workflow_runs: remove_workflow_run, agent_runs: remove_run}


def nothing(connection, run):
    pass


@pytest.fixture
async def bench(stores, tmp_path):
    database = stores.database(tmp_path)
    await database.open()
    script = Scripted(by=lambda request: "Done." if "Pay" not in request.messages[-1].text else ("pay", {"amount": 1}))
    async with Bench(tmp_path, script, World(), [PAYER, READER], database=database) as bench:
        yield bench
    await database.close()


async def count(bench, table):
    return await bench.database.read(lambda connection: connection.scalar(select(func.count()).select_from(table)))


async def done_long_ago(bench, number, days=100):
    """So many runs that ended so many days ago, each with a step."""
    old = [(await bench.carry(await bench.begin())).id for _ in range(number)]
    await aged(bench, agent_runs, days)
    return old


async def aged(bench, table, days):
    change = update(table).where(table.c.finished_at.is_not(None)).values(finished_at=time.time() - days * 86_400)
    await bench.database.write(lambda connection: connection.execute(change))


async def test_a_run_that_has_ended_is_removed_with_all_of_it(bench):
    run = await bench.carry(await bench.begin(request="Pay."))
    job = {"id": run.job_id, "tenant": "local", "kind": "agent", "status": "done", "arguments": {}, "created_at": 0.0}
    await bench.database.write(lambda connection: connection.execute(insert(jobs).values(job)))
    with pytest.raises(Conflict, match="is waiting") as refused:
        await bench.runs.delete(SCOPE, run.id, nothing)
    assert "guru agent cancel" in refused.value.hint
    await bench.runs.cancel(SCOPE, run.id)
    for stranger in (Scope("other"), Scope("local", ("user:eve",))):
        with pytest.raises(NotFound):
            await bench.runs.delete(stranger, run.id, nothing)

    def refuse(connection, run):
        raise RuntimeError("the audit log cannot be written")

    with pytest.raises(RuntimeError):
        await bench.runs.delete(SCOPE, run.id, refuse)
    assert (await count(bench, agent_runs), await count(bench, agent_steps), await count(bench, jobs)) == (1, 2, 1)
    told = []
    await bench.runs.delete(SCOPE, run.id, lambda connection, run: told.append(run.status))
    assert told == ["cancelled"]
    assert (await count(bench, agent_runs), await count(bench, agent_steps), await count(bench, jobs)) == (0, 0, 0)
    with pytest.raises(NotFound):
        await bench.runs.delete(SCOPE, run.id, nothing)


async def test_a_document_is_not_looked_at_again_because_its_run_is_gone(bench):
    await bench.database.write(add_collection)
    triggers = Triggers(bench.database, bench.registry, bench.runs)
    await triggers.look()
    await bench.database.write(lambda connection: add_document(connection, "new.txt", time.time() + 1))
    await triggers.look()
    (run,) = await bench.runs.list(SCOPE)
    await bench.carry(run)
    again = await bench.runs.replay(SCOPE, run.id, owner="owner", caller={"tenant": "local"})
    await bench.carry(again)
    for gone in (run, again):
        await bench.runs.delete(SCOPE, gone.id, nothing)
    await triggers.look()
    assert await bench.runs.list(SCOPE) == []
    await bench.database.write(forget_seen)
    await triggers.look()
    assert await bench.runs.list(SCOPE) == []
    # Another content is something new; and with the document goes what was kept of it.
    changed = update(documents).values(content_hash="x" * 64, ingested_at=time.time() + 2)
    await bench.database.write(lambda connection: connection.execute(changed))
    await triggers.look()
    assert len(await bench.runs.list(SCOPE)) == 1
    await bench.database.write(lambda connection: connection.execute(delete(documents)))
    await bench.database.write(forget_seen)
    kinds = await bench.database.read(lambda connection: list(connection.scalars(select(agent_marks.c.kind))))
    assert sorted(kinds) == ["document", "first document"]


async def test_what_a_workflow_may_ask_for_stays(bench):
    """The run of an agent that a workflow has begun, in all that the workflow can be."""
    store = RunStore(bench.database)
    flow = Run(
        id="run_flow", tenant="local", owner="owner", workflow="w", version=1, definition={}, status="queued", input={},
        output=None, error=None, cause=None, caller={}, job_id=None, epoch=0, changes=0, bytes=0, wake_at=None,
        deadline_at=None, created_at=1.0, started_at=None, finished_at=None,
    )  # fmt: skip
    await store.create(flow)
    run = await bench.carry(await bench.begin(cause="workflow:run_flow:a:1"))
    step = StepRow(
        path="a", name="a", kind="task", status="running", attempts=[Attempt(started_at=1.0)], answers={},
        agent_run=run.id, started_at=1.0,
    )  # fmt: skip
    await store.put_step(flow, step, 0)
    await aged(bench, agent_runs, 100)
    retention = Retention(bench.database, 90, TABLES, then=forget_seen)
    for status in ("running", "waiting", "cancelled"):
        if status == "cancelled":
            await store.cancel("local", "run_flow")  # it can be taken up, and would ask what came of the agent
        else:
            change = update(workflow_runs).values(status=status)
            await bench.database.write(lambda connection, change=change: connection.execute(change))
        with pytest.raises(Conflict, match="run_flow of a workflow may still ask"):
            await bench.runs.delete(SCOPE, run.id, nothing)
        assert await retention.sweep() == 0
    await aged(bench, workflow_runs, 91)
    assert await retention.sweep() == 2
    assert [await count(bench, table) for table in (workflow_runs, workflow_steps, agent_runs)] == [0, 0, 0]


async def test_runs_go_some_days_after_their_end_and_no_others(bench):
    waiting = await bench.carry(await bench.begin(request="Pay."))
    paused = await bench.runs.edit(SCOPE, (await bench.carry(await bench.begin())).id, 1, 0, {"text": "Other."})
    old = await done_long_ago(bench, BATCH + 3)
    fresh = await bench.carry(await bench.begin())
    long_ago = update(agent_runs).where(agent_runs.c.id != fresh.id).values(created_at=1.0)
    await bench.database.write(lambda connection: connection.execute(long_ago))
    assert await Retention(bench.database, 0, TABLES, then=forget_seen).sweep() == 0
    assert await Retention(bench.database, 101, TABLES, then=forget_seen).sweep() == 0
    assert await Retention(bench.database, 99, TABLES, then=forget_seen).sweep() == len(old)
    assert {run.id for run in await bench.runs.list(SCOPE)} == {waiting.id, paused.id, fresh.id}
    assert (waiting.status, paused.status) == ("waiting", "paused")


async def test_a_sweep_that_breaks_off_leaves_nothing_half(bench):
    old = await done_long_ago(bench, 5)

    def remove(connection, tenant, run_id):
        remove_run(connection, tenant, run_id)
        if run_id == old[3]:
            raise OSError("the process is gone")
        return True

    with pytest.raises(OSError, match="gone"):
        await Retention(bench.database, 90, {agent_runs: remove}, then=forget_seen).sweep()
    assert (await count(bench, agent_runs), await count(bench, agent_steps)) == (5, 5)
    assert await Retention(bench.database, 90, TABLES, then=forget_seen).sweep() == 5
    assert (await count(bench, agent_runs), await count(bench, agent_steps)) == (0, 0)


async def test_one_that_is_taken_up_meanwhile_stays(bench):
    (old,) = await done_long_ago(bench, 1)

    class Late(Retention):
        """A person is quicker than the sweep, which has found the run already."""

        async def _prune(self, table, remove, before):
            read = self._database.read

            async def read_then_edit(query):
                found = await read(query)
                if found == [old]:
                    await bench.runs.edit(SCOPE, old, 1, 0, {"text": "Other."})
                return found

            self._database = type("Quick", (), {"read": staticmethod(read_then_edit), "write": bench.database.write})
            return await super()._prune(table, remove, before)

    assert await Late(bench.database, 90, {agent_runs: remove_run}, then=forget_seen).sweep() == 0
    assert (await bench.runs.get(SCOPE, old)).status == "paused"


async def test_it_sweeps_at_once_and_when_the_days_are_others(bench):
    await done_long_ago(bench, 1, days=50)
    retention = Retention(bench.database, 90, TABLES, then=forget_seen)
    async with retention.keeping_house():
        retention.reload(Settings(runs=RunSettings(days=40)))
        async with asyncio.timeout(60):
            while await count(bench, agent_runs):
                await asyncio.sleep(0.02)
