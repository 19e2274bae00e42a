"""Workflows over HTTP: kept, checked, run over the road, watched, answered by whom they ask."""

import asyncio

import pytest

from agents.workflows.rig import flow
from guru.config import ServerSettings, Settings, WorkflowSettings
from guru.errors import BadRequest
from guru.gateway.identity import Caller
from guru.gateway.identity.records import Key, Team
from guru.types import Delta
from scripted import parse_events, run_server, say

ASKING = flow(
    name="letters",
    a={"kind": "task", "prompt": "Greet {{ input.name }}.", "system": "Be short.", "next": "b"},
    b={"kind": "human", "title": "Send it?", "text": "{{ steps.a.output.text }}", "decisions": ["yes", "no"],
       "people": ["team:legal"], "next": "c"},
    c={"kind": "pass", "parameters": {"said": "{{ steps.a.output.text }}", "by": "{{ steps.b.output.by }}"},
       "end": True},
)  # fmt: skip


async def begin(server, definition=ASKING, given=None, **options):
    status, kept = await server.post("/api/v1/workflows", {"definition": definition}, **options)
    assert status == 201, kept
    path = f"/api/v1/workflows/{definition['name']}/runs"
    status, run = await server.post(path, {"input": given or {"name": "Ann"}}, **options)
    assert status == 202, run
    return f"/api/v1/workflow-runs/{run['id']}"


async def until(server, run, *statuses, **options):
    async with asyncio.timeout(60):
        while (found := (await server.get(run, **options))[1])["status"] not in statuses:
            await asyncio.sleep(0.02)
    return found


async def test_a_workflow_is_kept_shown_run_and_removed(server):
    run = await begin(server)
    waiting = await until(server, run, "waiting")
    assert [(step["path"], step["status"]) for step in waiting["steps"]] == [("a", "done"), ("b", "asked")]
    assert waiting["steps"][1]["ask"]["text"] == "Hello there."
    request = server.model.requests[0]
    assert [message.text for message in request.messages] == ["Be short.", "Greet Ann."]
    _, step = await server.get(f"{run}/steps/a")
    status, trace = await server.get(f"/api/v1/traces/{step['output']['trace_id']}")
    assert (status, trace["route"]) == (200, "workflows.runs")  # the call took the road
    assert (await server.post(f"{run}/answer", {"step": "b", "decision": "maybe"}))[0] == 400
    assert (await server.post(f"{run}/answer", {"step": "c", "decision": "yes"}))[0] == 404
    assert (await server.post(f"{run}/answer", {"step": "b", "decision": "yes"}))[0] == 200
    done = await until(server, run, "done")
    assert done["output"] == {"said": "Hello there.", "by": "owner"}
    assert (await server.post(f"{run}/answer", {"step": "b", "decision": "yes"}))[0] == 409
    _, shown = await server.get("/api/v1/workflows/letters")
    assert (shown["version"], shown["definition"]) == (1, ASKING)
    assert {node["id"] for node in shown["graph"]["nodes"]} == {"#start", "a", "b", "c", "#end"}
    changed = ASKING | {"description": "New."}
    assert (await server.post("/api/v1/workflows", {"definition": changed}))[1]["version"] == 2
    assert (await server.get("/api/v1/workflows/letters?version=1"))[1]["latest"] == 2
    assert (await server.get("/api/v1/workflows/letters?version=9"))[0] == 404
    _, listed = await server.get("/api/v1/workflows")
    assert [(item["name"], item["version"], item["description"]) for item in listed["workflows"]] == [
        ("letters", 2, "New.")
    ]
    assert (await server.request("DELETE", "/api/v1/workflows/letters"))[0] == 204
    assert (await server.get("/api/v1/workflows/letters"))[0] == 404
    _, runs = await server.get("/api/v1/workflow-runs?workflow=letters&status=done")
    assert [f"/api/v1/workflow-runs/{item['id']}" for item in runs["runs"]] == [run]


async def test_all_that_is_wrong_is_said_and_nothing_is_kept(server):
    bad = flow(a={"kind": "task", "tool": "nothing", "next": "bb"}, b={"kind": "succeed"})
    _, checked = await server.post("/api/v1/workflows/check", {"definition": bad})
    assert not checked["ok"]
    assert [problem["place"] for problem in checked["problems"]] == ["steps.a.next", "steps.b", "steps.a.tool"]
    status, refused = await server.post("/api/v1/workflows", {"definition": bad})
    assert (status, "steps.a.tool: There is no tool 'nothing'." in refused["error"]["message"]) == (400, True)
    _, malformed = await server.post(
        "/api/v1/workflows/check", {"text": "name = 'x'\nstart = 'a'\n[steps.a]\nkind = 'x'"}
    )
    assert malformed["problems"][0]["place"] == "steps.a.kind"
    for body in ({}, {"text": "="}, {"text": "a: 1", "definition": {}}, {"text": "1", "format": "json"}):
        assert (await server.post("/api/v1/workflows/check", body))[0] == 400
    assert (await server.get("/api/v1/workflows"))[1]["workflows"] == []


async def test_a_tool_of_the_server_is_called(server):
    given = {"expression": "{{ input.n }} * 6"}
    definition = flow(a={"kind": "task", "tool": "calculator", "parameters": given, "end": True})
    done = await until(server, await begin(server, definition, {"n": 7}), "done", "failed")
    assert "42" in str(done["output"])
    failed = await until(server, await begin(server, definition, {"n": "("}), "done", "failed")
    assert failed["error"] == "ToolFailed"


async def test_an_agent_is_run_and_its_answer_handed_on(server):
    definition = flow(
        a={"kind": "task", "agent": "clerk", "prompt": "Greet {{ input.name }}.", "next": "b"},
        b={"kind": "pass", "parameters": {"said": "{{ steps.a.output.text }}"}, "end": True},
    )
    _, checked = await server.post("/api/v1/workflows/check", {"definition": definition})
    assert [problem["place"] for problem in checked["problems"]] == ["steps.a.agent"]
    assert (await server.post("/api/v1/agents", {"name": "clerk"}))[0] == 201
    run = await begin(server, definition)
    done = await until(server, run, "done", "failed")
    assert done["output"] == {"said": "Hello there."}
    _, runs = await server.get("/api/v1/runs?agent=clerk")
    assert len(runs["runs"]) == 1
    assert done["steps"][0]["agent_run"] == runs["runs"][0]["id"]
    server.model.script = [BadRequest("No.")]
    failed = await until(server, await begin(server, definition), "done", "failed")
    assert failed["error"] == "AgentFailed"


async def test_a_state_machine_is_imported_with_the_resources_of_the_configuration(tmp_path):
    machine = {
        "StartAt": "A",
        "States": {
            "A": {"Type": "Task", "Resource": "arn:one", "Next": "B"},
            "B": {"Type": "Task", "Resource": "arn:two", "ResultPath": None, "End": True},
        },
    }
    prompt = {"prompt": "Say {{ $.text ?? input }}"}
    settings = Settings(workflows=WorkflowSettings(resources={"arn:one": prompt}))
    async with run_server(tmp_path / "home", settings) as server:
        body = {"definition": machine, "format": "asl", "name": "imported"}
        status, refused = await server.post("/api/v1/workflows", body)
        assert (status, "States.B.Resource" in refused["error"]["message"]) == (400, True)
        status, kept = await server.post("/api/v1/workflows", body | {"resources": {"arn:two": prompt}})
        assert (status, kept["definition"]["steps"]["A"]["prompt"]) == (201, "Say {{ $.text ?? input }}")
        _, run = await server.post("/api/v1/workflows/imported/runs", {"input": "hello"})
        done = await until(server, f"/api/v1/workflow-runs/{run['id']}", "done", "failed")
        assert done["output"]["text"] == "Hello there."


async def test_a_run_is_watched_until_it_has_ended(server):
    run = await begin(server)
    await until(server, run, "waiting")
    async with server.session.get(f"{server.url}{run}/events") as response:
        first = await response.content.readuntil(b"\n\n")
        await server.post(f"{run}/answer", {"step": "b", "decision": "no"})
        rest = await response.text()
    events = parse_events(first.decode() + rest)
    assert [events[0][0], events[-1][0]] == ["progress", "done"]
    assert events[0][1]["run"]["status"] == "waiting"
    assert [step["path"] for step in events[0][1]["steps"]] == ["a", "b"]
    states = {step["path"]: step["status"] for _, change in events for step in change["steps"]}
    assert states == {"a": "done", "b": "done", "c": "done"}
    assert all(step["path"] != "a" for _, change in events[1:] for step in change["steps"])  # told once


async def test_an_answer_of_a_model_holds_to_its_schema(server):
    schema = {"type": "object", "properties": {"label": {"enum": ["x", "y"]}}, "required": ["label"]}
    definition = flow(a={"kind": "task", "prompt": "Sort.", "schema": schema, "end": True})
    server.model.script = say('{"label": "x"}')
    done = await until(server, await begin(server, definition), "done", "failed")
    assert done["output"]["data"] == {"label": "x"}
    assert server.model.requests[0].response_format["json_schema"]["schema"] == schema
    server.model.script = say('{"label": "z"}')
    failed = await until(server, await begin(server, definition), "done", "failed")
    assert failed["error"] == "BadAnswer"


async def test_a_question_is_answered_from_documents(server):
    await server.post("/api/v1/collections", {"name": "papers"})
    definition = flow(a={"kind": "task", "question": "{{ input.name }}?", "collection": "papers", "end": True})
    done = await until(server, await begin(server, definition), "done", "failed")
    assert done["output"]["outcome"] == "declined"
    other = flow(a={"kind": "task", "question": "Who?", "collection": "nothing", "end": True})
    failed = await until(server, await begin(server, other), "done", "failed")
    assert failed["error"] == "NotFound"


async def test_a_run_is_cancelled_and_taken_up_again(server):
    server.model.script = [Delta(text="Wait."), 60, *say(" Done.")]
    run = await begin(server)
    async with asyncio.timeout(30):
        while not server.model.requests:
            await asyncio.sleep(0.01)
    assert (await server.post(f"{run}/cancel"))[1]["status"] == "cancelled"
    async with asyncio.timeout(30):
        while not server.model.cancelled:
            await asyncio.sleep(0.01)
    assert (await server.post(f"{run}/cancel"))[0] == 409
    server.model.script = say("Hello.")
    assert (await server.post(f"{run}/resume"))[1]["status"] == "queued"
    waiting = await until(server, run, "waiting")
    assert waiting["steps"][1]["ask"]["text"] == "Hello."


@pytest.fixture
async def office(tmp_path):
    """A server with keys for ann, who begins runs, lea, who is of the team legal, and ben."""
    async with run_server(tmp_path / "home", Settings(server=ServerSettings(require_key=True))) as server:
        boss = Caller(tenant="local", route="", trace_id="", role="admin")
        changes = server.services.changes
        await changes.create_team(boss, Team(tenant="local", name="legal"))
        server.keys, server.bearer = {}, {}
        for name, values in {"ann": {}, "lea": {"team": "legal"}, "ben": {}, "boss": {"role": "admin"}}.items():
            server.keys[name], secret = await changes.create_key(
                boss, Key(id="", tenant="local", name=name, hash=b"", **values)
            )
            server.bearer[name] = {"headers": {"authorization": f"Bearer {secret}"}}
        server.boss = boss
        yield server


async def test_who_is_asked_sees_the_question_alone(office):
    run = await begin(office, **office.bearer["ann"])
    await until(office, run, "waiting", **office.bearer["ann"])
    status, seen = await office.get(run, **office.bearer["lea"])
    assert (status, seen["input"], seen["graph"], [step["path"] for step in seen["steps"]]) == (200, None, None, ["b"])
    assert (await office.get(f"{run}/steps/b", **office.bearer["lea"]))[1]["input"] is None
    for path, expected in ((f"{run}/steps/a", 404), (run, 200)):
        assert (await office.get(path, **office.bearer["lea"]))[0] == expected
    for path in (f"{run}/cancel", f"{run}/resume"):
        assert (await office.post(path, **office.bearer["lea"]))[0] == 404
    for path in (run, f"{run}/steps/b", f"{run}/events"):
        assert (await office.get(path, **office.bearer["ben"]))[0] == 404
    answer = {"step": "b", "decision": "yes"}
    assert (await office.post(f"{run}/answer", answer, **office.bearer["ben"]))[0] == 404
    assert (await office.post(f"{run}/answer", answer, **office.bearer["lea"]))[0] == 200
    done = await until(office, run, "done", **office.bearer["ann"])
    assert done["output"]["by"] == f"key:{office.keys['lea'].id}"


async def test_a_run_of_a_key_that_was_revoked_asks_no_model(office):
    asking = {"kind": "human", "title": "Go?", "decisions": ["go"], "next": "b"}
    definition = flow(a=asking, b={"kind": "task", "prompt": "Hello", "end": True})
    run = await begin(office, definition, **office.bearer["ann"])
    await until(office, run, "waiting", **office.bearer["ann"])
    await office.services.changes.revoke_key(office.boss, office.keys["ann"].id)
    await office.post(f"{run}/answer", {"step": "a", "decision": "go"}, **office.bearer["boss"])
    failed = await until(office, run, "done", "failed", **office.bearer["boss"])
    assert (failed["status"], failed["error"], office.model.requests) == ("failed", "Unauthorized", [])


async def test_a_run_goes_on_in_the_next_server(tmp_path):
    waits = flow(a={"kind": "wait", "seconds": 3, "next": "b"}, b={"kind": "task", "prompt": "Now.", "end": True})
    async with run_server(tmp_path / "home") as server:
        run = await begin(server, waits)
        await until(server, run, "waiting")
    async with run_server(tmp_path / "home") as server:
        assert (await until(server, run, "done", "failed"))["output"]["text"] == "Hello there."


async def test_runs_are_listed_a_page_at_a_time_and_removed(server):
    quick = flow(name="quick", a={"kind": "pass", "end": True})
    paths = [await begin(server, quick) for _ in range(3)]
    asking = await begin(server)
    for path in paths:
        await until(server, path, "done")
    found, before = [], ""
    while before is not None:
        query = f"workflow=quick&status=done&limit=2{before and '&before='}{before}"
        _, page = await server.get(f"/api/v1/workflow-runs?{query}")
        found.append([f"/api/v1/workflow-runs/{run['id']}" for run in page["runs"]])
        before = page["next"]
    assert found == [paths[:0:-1], paths[:1]]
    assert (await server.get("/api/v1/workflow-runs?status=over"))[0] == 400
    await until(server, asking, "waiting")
    status, refused = await server.request("DELETE", asking)
    assert (status, "guru workflow cancel" in refused["error"]["hint"]) == (409, True)
    await server.post(f"{asking}/cancel")
    for path in (asking, paths[0]):
        assert (await server.request("DELETE", path))[0] == 204
        assert (await server.get(path))[0] == (await server.request("DELETE", path))[0] == 404
        assert (await server.get(f"{path}/steps/a"))[0] == 404
    assert len((await server.get("/api/v1/workflow-runs"))[1]["runs"]) == 2
    assert len((await server.get("/api/v1/jobs"))[1]["jobs"]) == 2
    _, log = await server.get("/api/v1/audit?action=workflow-runs")
    assert [entry["before"] for entry in log["entries"]] == [
        {"workflow": "quick", "status": "done"}, {"workflow": "letters", "status": "cancelled"},
    ]  # fmt: skip
