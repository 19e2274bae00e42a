"""Lists of runs on their pages: read further, chosen from, and runs removed from them."""

import re

from playwright.sync_api import expect
from sqlalchemy import insert, select, update

from agents.acting import Scripted, sequence
from agents.workflows.rig import flow
from e2e.test_accessible import violations
from guru.store.tables import agent_runs, workflow_runs

QUICK = flow(name="quick", a={"kind": "pass", "end": True})


def multiply(table, number):
    """So many older copies of the only run."""

    def change(connection):
        row = connection.execute(select(table)).mappings().one()
        copies = [dict(row) | {"id": f"run_0{number:021}", "status": "failed"} for number in range(number)]
        connection.execute(insert(table), copies)

    return change


def test_runs_of_agents_are_read_further_chosen_and_removed(visit, gateway):
    gateway.call("POST", "/api/v1/agents", {"name": "clerk"})
    gateway.models.model = Scripted(by=sequence("Done."))
    run = gateway.call("POST", "/api/v1/agents/clerk/runs", {"input": "Hello"})
    gateway.write(multiply(agent_runs, 120))
    page = visit("/agents")
    rows = page.get_by_role("region", name="Runs of agents").get_by_role("row")
    older = page.get_by_role("button", name="Older ones")
    for shown in (50, 100, 121):
        expect(rows).to_have_count(shown + 1)
        if shown < 121:
            older.click()
    expect(older).to_have_count(0)
    page.get_by_role("button", name="Refresh").click()
    expect(rows).to_have_count(122)
    page.get_by_label("State").select_option("cancelled")
    expect(page.get_by_text("There are none like this.")).to_be_visible()
    page.get_by_label("State").select_option("done")
    expect(rows).to_have_count(2)
    rows.get_by_role("link").click()
    page.wait_for_url(f"**/agents/runs/{run['id']}")
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("with all its steps")
    assert violations(page) == []
    dialog.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    page.wait_for_url("**/agents")
    expect(rows).to_have_count(51)
    assert gateway.call("GET", "/api/v1/runs?status=done")["runs"] == []


def test_runs_of_workflows_are_read_further_chosen_and_removed(visit, gateway):
    gateway.call("POST", "/api/v1/workflows", {"definition": QUICK})
    gateway.call("POST", "/api/v1/workflows", {"definition": QUICK | {"name": "other"}})
    run = gateway.call("POST", "/api/v1/workflows/quick/runs", {})
    page = visit(f"/workflows?run={run['id']}")
    expect(page.get_by_role("status", name="State of the run")).to_have_text("done")
    gateway.write(multiply(workflow_runs, 60))
    moved = update(workflow_runs).where(workflow_runs.c.id.like("run_0000%7")).values(workflow="other")
    gateway.write(lambda connection: connection.execute(moved))
    page.goto("/workflows")
    rows = page.get_by_role("region", name="Runs of workflows").get_by_role("row")
    expect(rows).to_have_count(51)
    page.get_by_role("button", name="Older ones").click()
    expect(rows).to_have_count(62)
    assert violations(page) == []
    page.get_by_label("Runs of", exact=True).select_option("other")
    expect(rows).to_have_count(7)
    page.get_by_label("State").select_option("waiting")
    expect(page.get_by_text("There are none like this.")).to_be_visible()
    page.goto("/workflows?workflow=quick")
    page.get_by_label("State").select_option("done")
    expect(rows).to_have_count(2)
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    rows.get_by_role("link").click()
    page.wait_for_url(re.compile(r"run=run_"))
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url("**/workflows")
    expect(rows).to_have_count(51)
    assert gateway.call("GET", "/api/v1/workflow-runs?status=done")["runs"] == []


def test_a_workflow_shows_whose_agent_waits(visit, gateway):
    gateway.call("POST", "/api/v1/agents", {"name": "clerk", "tools": ["calculator"], "approve": ["calculator"]})
    gateway.models.model = Scripted(by=sequence(("calculator", {"expression": "6 * 7"}), "It is 42."))
    flow_ = flow(name="reckoning", a={"kind": "task", "agent": "clerk", "prompt": "What is 6 * 7?", "end": True})
    gateway.call("POST", "/api/v1/workflows", {"definition": flow_})
    run = gateway.call("POST", "/api/v1/workflows/reckoning/runs", {})
    page = visit(f"/workflows?run={run['id']}")
    expect(page.get_by_role("button", name="a, task, parked")).to_be_visible()
    expect(page.get_by_text("The agent of a waits for a person")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("link", name="look at its run").click()
    page.wait_for_url("**/agents/runs/*")
    expect(page.get_by_role("link", name="a workflow")).to_have_attribute("href", f"/workflows?run={run['id']}")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("region", name="Answer")).to_contain_text("42")
    page.get_by_role("link", name="a workflow").click()
    expect(page.get_by_role("status", name="State of the run")).to_have_text("done")
