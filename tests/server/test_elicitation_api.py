"""Servers of tools that ask, over HTTP: what is shown, what may be answered, what other doors say meanwhile."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from agents.acting import sequence
from agents.served import ActingModel
from guru.config import McpServerSettings, McpSettings, Settings
from guru.config.agent import AgentSettings
from scripted import TestModels, run_server

PROGRAM = Path(__file__).parents[1] / "mcp_program.py"
FORM = {"type": "object", "properties": {"name": {"type": "string"}, "seats": {"type": "integer", "default": 2}}}
QUESTION = {
    "method": "elicitation/create", "params": {"message": "Who?", "requestedSchema": FORM | {"required": ["name"]}},
}  # fmt: skip


@pytest.fixture
async def asking(tmp_path):
    tools = tmp_path / "tools.json"
    tools.write_text(json.dumps([{"name": "ask", "description": "Asks.", "inputSchema": {"type": "object"}}]))
    command = [sys.executable, str(PROGRAM), str(tools)]
    servers = {
        "modern": McpServerSettings(command=[*command, "modern"], approval="never"),
        "legacy": McpServerSettings(command=command, approval="never"),
    }
    agents = {name: AgentSettings(tools=[f"{name}__ask"]) for name in servers}
    models = TestModels()
    models.model = ActingModel()
    settings = Settings(agents=agents, mcp=McpSettings(allow_stdio=True, servers=servers))
    async with run_server(tmp_path / "home", settings, models) as server:
        yield server


async def begun(server, name):
    """A run whose server asks."""
    server.model.by = sequence((f"{name}__ask", QUESTION), "Done.")
    status, run = await server.post(f"/api/v1/agents/{name}/runs", {"input": "Go."})
    assert (status, run["status"]) == (200, "waiting"), run
    return run


def decision(**said):
    return {"decisions": [{"step": 2, "part": 0, **said}]}


async def test_a_question_is_shown_answered_and_not_kept(asking):
    run = await begun(asking, "modern")
    step = run["log"][1]
    assert (step["status"], step["reason"]) == ("waiting", "The MCP server modern asks you something.")
    asked = step["asked"]
    assert (asked["server"], asked["message"], asked["until"], asked["said"]) == ("modern", "Who?", None, None)
    assert list(asked["schema"]["properties"]) == ["name", "seats"] and "state" not in asked
    path = f"/api/v1/runs/{run['id']}"
    for wrong, param in (
        ({"say": "yes"}, "content"), ({"say": "yes", "content": {"name": 1}}, "content"),
        ({"say": "yes", "content": {"name": "Ann", "x": 1}}, "content"), ({"say": "done", "text": "x"}, "say"),
        ({"say": "yes", "arguments": {}}, "say"), ({"say": "perhaps"}, "decisions[0].say"),
    ):  # fmt: skip
        status, said = await asking.post(f"{path}/approve", decision(**wrong))
        assert (status, said["error"]["param"]) == (400, param), said
    # A yes to all calls fills in no forms.
    assert (await asking.post(f"{path}/approve", {"all": "yes"}))[1]["status"] == "waiting"
    said = decision(say="yes", content={"name": "Ann"})
    assert (await asking.post(f"{path}/approve", said))[0] == 200
    async with asyncio.timeout(60):
        while (found := (await asking.get(path))[1])["status"] != "done":
            await asyncio.sleep(0.02)
    step = found["log"][1]
    assert (step["decision"], step["asked"]["said"]) == ({"say": "yes"}, "yes")
    assert json.loads(step["result"]["text"]) == {"action": "accept", "content": {"name": "Ann", "seats": 2}}


async def test_a_call_that_is_kept_open_is_answered_and_followed(asking):
    run = await begun(asking, "legacy")
    path = f"/api/v1/runs/{run['id']}"
    step = run["log"][1]
    assert step["status"] == "asking" and step["asked"]["until"] is not None
    status, _ = await asking.post(f"{path}/pause")
    assert status == 409
    status, now = await asking.post(f"{path}/approve", {"all": "no"})
    assert (status, now["status"]) == (200, "running")
    async with asking.session.get(f"{asking.url}{path}/events") as response:
        assert "event: run" in await response.text()
    _, found = await asking.get(path)
    assert found["status"] == "done" and json.loads(found["log"][1]["result"]["text"]) == {"action": "decline"}


async def test_a_client_that_knows_models_is_told_that_the_run_waits(asking):
    run = await begun(asking, "legacy")
    await asking.post(f"/api/v1/runs/{run['id']}/cancel")
    body = {"model": "agent/legacy", "message": "Go."}
    status, said = await asking.post("/api/v1/chat", body)
    assert status == 409 and "is waiting" in said["error"]["message"]
    _, found = await asking.get("/api/v1/runs")
    assert [item["status"] for item in found["runs"]] == ["waiting", "cancelled"]
    # The server stops while the call is kept open: nobody hangs.
