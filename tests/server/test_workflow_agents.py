"""Steps that run agents: while one waits for a person its workflow holds nothing, and what is given up is ended."""

import asyncio

import pytest

from agents.acting import sequence
from agents.workflows.rig import flow
from guru.config import Settings, WorkflowSettings
from guru.store.scope import Scope
from server.test_agents_api import CONFIGURED, acting_server
from server.test_workflows_api import begin, until

PAY = {"kind": "task", "agent": "payer", "prompt": "Pay the bill.", "end": True}
PAYING = flow(name="paying", a=PAY)
QUICK = flow(name="quick", a={"kind": "pass", "end": True})


@pytest.fixture
async def acting(tmp_path):
    """With one place for workflows."""
    settings = Settings(agents=CONFIGURED, workflows=WorkflowSettings(at_once=1))
    async with acting_server(tmp_path / "home", settings) as server:
        server.model.by = sequence(("pay", {"amount": 5}), "Paid.")
        yield server


async def parked(server, definition=PAYING):
    """A run that waits for its agent, and the address of the agent's run."""
    run = await begin(server, definition)
    waiting = await until(server, run, "waiting")
    (step,) = [step for step in waiting["steps"] if step["agent_run"]]
    assert step["status"] == "parked"
    return run, f"/api/v1/runs/{step['agent_run']}"


async def test_its_place_is_free_while_the_agent_waits_for_a_person(acting):
    run, agent = await parked(acting)
    assert (await until(acting, await begin(acting, QUICK), "done", "failed"))["status"] == "done"
    assert (await acting.post(f"{agent}/pause"))[0] == 409  # nobody works on it
    assert (await acting.get(run))[1]["status"] == "waiting" and acting.world.done == []
    assert (await acting.post(f"{agent}/approve", {"all": "yes"}))[0] == 200
    done = await until(acting, run, "done", "failed")
    assert (done["status"], done["output"]["text"], acting.world.done) == ("done", "Paid.", [("pay", 5)])
    assert len(done["steps"][0]["attempts"]) == 1
    assert len((await acting.get("/api/v1/runs"))[1]["runs"]) == 1


async def test_while_another_branch_works_or_asks(acting):
    human = {"kind": "human", "title": "Go on?", "decisions": ["yes"], "end": True}
    branches = [{"start": "p", "steps": {"p": PAY}}, {"start": "h", "steps": {"h": human}}]
    run, agent = await parked(acting, flow(name="both", a={"kind": "parallel", "branches": branches, "end": True}))
    assert (await acting.post(f"{run}/answer", {"step": "a/1/h", "decision": "yes"}))[0] == 200
    async with asyncio.timeout(60):
        while (await acting.get(f"{run}/steps/a/1/h"))[1]["status"] != "done":
            await asyncio.sleep(0.02)
    waiting = await until(acting, run, "waiting")
    assert {step["path"]: step["status"] for step in waiting["steps"]} == {
        "a": "running", "a/0/p": "parked", "a/1/h": "done",
    }  # fmt: skip
    await acting.post(f"{agent}/approve", {"all": "yes"})
    done = await until(acting, run, "done", "failed")
    assert (done["output"][0]["text"], acting.world.done) == ("Paid.", [("pay", 5)])


async def test_cancelled_with_its_agent_and_taken_up_again_with_the_same_one(acting):
    run, agent = await parked(acting)
    assert (await acting.post(f"{run}/cancel"))[1]["status"] == "cancelled"
    assert (await acting.get(agent))[1]["status"] == "cancelled"
    assert (await acting.request("DELETE", agent))[0] == 409  # it would be asked for again
    await acting.post(f"{run}/resume")
    waiting = await until(acting, run, "waiting", "failed")
    assert [(step["status"], step["agent_run"]) for step in waiting["steps"]] == [("parked", agent.rpartition("/")[2])]
    await acting.post(f"{agent}/approve", {"all": "yes"})
    assert (await until(acting, run, "done", "failed"))["status"] == "done"
    assert acting.world.done == [("pay", 5)]


async def test_an_agent_that_works_is_ended_too(acting):
    asked = asyncio.Event()

    async def chat(request):
        asked.set()
        await asyncio.Event().wait()
        yield

    acting.model.chat = chat
    run = await begin(acting, PAYING)
    await asked.wait()
    agent = f"/api/v1/runs/{(await acting.get(run))[1]['steps'][0]['agent_run']}"
    await acting.post(f"{run}/cancel")
    assert (await acting.get(agent))[1]["status"] == "cancelled"
    job = (await acting.services.agents.runs.get(Scope("local"), agent.rpartition("/")[2])).job_id
    async with asyncio.timeout(60):
        while not (await acting.services.jobs.get("local", job)).ended:
            await asyncio.sleep(0.02)


async def test_what_a_person_refuses_a_step_fails_with(acting):
    run, agent = await parked(acting, flow(name="failing", a=PAY | {"retry": [{"errors": ["Late"]}]}))
    await acting.post(f"{agent}/cancel")
    failed = await until(acting, run, "done", "failed")
    assert (failed["error"], "was cancelled" in failed["cause"], acting.world.done) == ("AgentFailed", True, [])


@pytest.mark.parametrize("late", [{"a": PAY | {"timeout": 0.5}}, {"a": PAY, "deadline": 0.5}])
async def test_an_agent_that_nobody_answers_in_time_is_ended(acting, late):
    run = await begin(acting, flow(name="late", **late))
    failed = await until(acting, run, "done", "failed")
    assert failed["error"] == "States.Timeout"
    _, found = await acting.get("/api/v1/runs")
    assert {run["status"] for run in found["runs"]} <= {"cancelled"} and acting.world.done == []


async def test_the_next_server_goes_on_when_a_person_has_said_yes(tmp_path):
    settings = Settings(agents=CONFIGURED)
    async with acting_server(tmp_path / "home", settings) as server:
        server.model.by = sequence(("pay", {"amount": 5}), "Paid.")
        run, agent = await parked(server)
    async with acting_server(tmp_path / "home", settings) as server:
        server.model.by = sequence(("pay", {"amount": 5}), "Paid.")
        assert (await server.get(run))[1]["steps"][0]["status"] == "parked"
        await server.post(f"{agent}/approve", {"all": "yes"})
        done = await until(server, run, "done", "failed")
        assert (done["output"]["text"], server.world.done) == ("Paid.", [("pay", 5)])
