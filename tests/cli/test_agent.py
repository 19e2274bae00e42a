"""`guru agent`, as a person uses it: without a server, as with one."""

import json

import pytest

from agents.loopback import configure, provider
from running import run, run_json

AGENTS = """
[agents.asker]
description = "asks before it answers"
model = "mock/m"
tools = ["ask_person"]

[agents.brief]
model = "mock/m"
instructions = "Be brief."
max_steps = 1
strategy = "reflection"
"""


PAINTING = """
name = "painting"
start = "a"
[steps.a]
kind = "task"
agent = "asker"
prompt = "Paint it."
end = true
"""


def answer(asked, number):
    last = asked["messages"][-1]
    if asked.get("response_format"):
        return '{"problems": []}'
    if asked.get("tools") and last["role"] == "user":
        return [("ask_person", {"question": "Which colour?"})]
    return f"{asked['messages'][0]['content']} {last['content']}"


@pytest.fixture
def acting(home):
    with provider(answer) as server:
        configure(home, server, AGENTS)
        yield home


def test_runs_begin_wait_go_on_and_are_done_again(acting):
    assert "asks before it answers" in run(acting, "agent", "list").stdout
    waits = run(acting, "agent", "run", "asker", "Paint", "it.")
    assert "Which colour?" in waits.stderr and "guru agent approve run_" in waits.stderr
    (found,) = run_json(acting, "agent", "runs", "--status", "waiting")["runs"]
    assert (found["input"], found["steps"]) == ("Paint it.", 1)
    done = run(acting, "agent", "approve", found["id"], "--yes", "--text", "blue")
    assert done.stdout.strip().endswith("blue")
    shown = run(acting, "agent", "runs", found["id"])
    assert "person" in shown.stderr and "= blue" in shown.stderr
    run(acting, "agent", "edit", found["id"], "2", "red")
    assert run(acting, "agent", "resume", found["id"]).stdout.strip().endswith("red")
    again = run_json(acting, "agent", "replay", found["id"], "--from", "3", "--set", "instructions=Loud:")
    assert again["cause"] == found["id"]
    assert again["answer"].startswith("Loud:") and again["answer"].endswith(" red")
    newest = run(acting, "agent", "runs", "--limit", "1")
    assert again["id"] in newest.stdout and f"--before {again['id']}" in newest.stderr
    gone = run(acting, "agent", "delete-run", "--yes", again["id"], again["id"], check=False)
    assert gone.stdout == f"Removed {again['id']}.\n"
    assert gone.returncode == 1 and "There is no run" in gone.stderr


def test_a_limit_is_said_with_what_to_do(acting):
    failed = run(acting, "agent", "run", "brief", "Hello", check=False)
    assert failed.returncode == 1 and "limit of 1 steps" in failed.stderr and "--set max_steps=" in failed.stderr
    (found,) = run_json(acting, "agent", "runs", "--agent", "brief")["runs"]
    done = run(acting, "agent", "resume", found["id"], "--set", "max_steps=5")
    assert done.stdout.strip() == "Be brief. Hello"


def test_what_is_not_there_is_said(acting):
    failed = run(acting, "agent", "run", "aske", "x", check=False)
    assert failed.returncode == 1 and "There is no agent 'aske'. Did you mean" in failed.stderr.replace("\n", " ")
    assert run(acting, "agent", "run", "asker", "x", "--set", "nothing", check=False).returncode == 2
    assert run(acting, "agent", "run", "asker", "x", "--background", check=False).returncode == 2


def test_a_workflow_says_whose_agent_waits(acting, tmp_path):
    file = tmp_path / "painting.toml"
    file.write_text(PAINTING)
    run(acting, "workflow", "save", file)
    waits = run(acting, "workflow", "run", "painting", "--json")
    (step,) = json.loads(waits.stdout)["steps"]
    assert step["status"] == "parked"
    assert f"a: its agent waits for a person in {step['agent_run']}" in waits.stderr
    assert f"a: the agent asks. Answer: guru agent approve {step['agent_run']}" in waits.stderr
