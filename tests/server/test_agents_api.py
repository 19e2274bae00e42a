"""Agents over HTTP: defined, run, watched, approved, and paid for by whoever runs them."""

import asyncio
import io
import json

import pytest

from agents.acting import sequence
from agents.served import ActingModel, acting_server
from guru.agents.records import Decision
from guru.agents.strategies.mark import FORMAT
from guru.config import ServerSettings, Settings
from guru.config.agent import AgentSettings
from guru.gateway.identity import Caller
from guru.gateway.identity.records import Key
from guru.store.scope import Scope
from scripted import parse_events

KEY = "0123456789abcdef0123"
CONFIGURED = {
    "adder": AgentSettings(tools=["add"], description="adds"),
    "payer": AgentSettings(tools=["pay"], webhook_key=KEY, input="Pay the bill."),
}


@pytest.fixture
async def acting(tmp_path):
    async with acting_server(tmp_path / "home", Settings(agents=CONFIGURED)) as server:
        yield server


async def test_defined_shown_listed_and_deleted(acting):
    defined = {"name": "mailer", "tools": ["send"], "strategy": "react", "webhook_key": KEY}
    status, made = await acting.post("/api/v1/agents", defined)
    assert (status, made["configured"], made["agent"]["strategy"]) == (201, False, "react")
    assert KEY not in json.dumps(made)
    assert (await acting.post("/api/v1/agents", defined))[0] == 409
    assert (await acting.post("/api/v1/agents", {"name": "adder"}))[0] == 409
    status, wrong = await acting.post("/api/v1/agents", {"name": "x", "strategi": "react"})
    assert (status, wrong["error"]["hint"]) == (400, "Did you mean `strategy`?")
    assert (await acting.post("/api/v1/agents", {"name": "x", "strategy": "router", "agents": ["nobody"]}))[0] == 404
    _, listed = await acting.get("/api/v1/agents")
    assert [item["agent"]["name"] for item in listed["agents"]] == ["adder", "mailer", "payer"]
    assert KEY not in json.dumps(listed)
    assert (await acting.request("DELETE", "/api/v1/agents/mailer"))[0] == 204
    assert (await acting.get("/api/v1/agents/mailer"))[0] == 404
    assert (await acting.request("DELETE", "/api/v1/agents/adder"))[0] == 403


async def test_defined_anew_under_its_name_alone(acting):
    mailer = {"name": "mailer", "tools": ["send"], "webhook_key": KEY}
    await acting.post("/api/v1/agents", mailer)
    shown = (await acting.get("/api/v1/agents/mailer"))[1]["agent"]
    status, made = await acting.request("PUT", "/api/v1/agents/mailer", json=shown | {"tools": ["add"], "max_steps": 4})
    assert (status, made["agent"]["tools"], made["agent"]["max_steps"]) == (200, ["add"], 4)
    assert (await acting.get("/api/v1/agents/mailer"))[1] == made
    known = await acting.services.agents.registry.by_webhook("mailer", KEY)  # its key is the one that it had
    assert known.agent.max_steps == 4
    for body, expected in (
        ({"name": "other"}, (400, "name")),
        ({"name": "mailer", "max_steps": 0}, (400, "max_steps")),
        ({"name": "mailer", "strategy": "router"}, (400, "agents")),
        ({"name": "mailer", "strategy": "router", "agents": ["nobody"]}, (404, "agents")),
        ({"name": "mailer", "webhook_key": "short"}, (400, "webhook_key")),
    ):
        status, wrong = await acting.request("PUT", "/api/v1/agents/mailer", json=body)
        assert (status, wrong["error"]["param"]) == expected
    assert (await acting.request("PUT", "/api/v1/agents/adder", json={"name": "adder"}))[0] == 403
    assert (await acting.request("PUT", "/api/v1/agents/nobody", json={"name": "nobody"}))[0] == 404
    assert (await acting.get("/api/v1/agents/mailer"))[1] == made


async def test_a_run_whole_streamed_and_in_the_background(acting):
    acting.model.by = sequence(("add", {"a": 2, "b": 3}), "It is 5.")
    status, run = await acting.post("/api/v1/agents/adder/runs", {"input": "2+3?"})
    assert (status, run["status"], run["answer"], run["input"]) == (200, "done", "It is 5.", "2+3?")
    assert [(step["number"], step["kind"], step["status"]) for step in run["log"]] == [
        (1, "model", "done"), (2, "tool", "done"), (3, "model", "done"),
    ]  # fmt: skip
    events = await acting.events("/api/v1/agents/adder/runs", {"input": "2+3?", "stream": True})
    assert "".join(data["text"] for event, data in events if event == "delta") == "It is 5."
    assert events[-1][0] == "run" and events[-1][1]["answer"] == "It is 5."
    status, begun = await acting.post("/api/v1/agents/adder/runs", {"input": "2+3?", "background": True})
    assert status == 202 and begun["status"] in ("queued", "running", "done")
    async with acting.session.get(f"{acting.url}/api/v1/runs/{begun['id']}/events") as response:
        assert parse_events(await response.text())[-1][1]["status"] == "done"
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "2+3?"},
    ]
    _, run = await acting.post("/api/v1/agents/adder/runs", {"messages": messages})
    assert [message.text for message in acting.model.requests[-2].messages] == [FORMAT, "Hi", "Yes?", "2+3?"]
    for body in ({}, {"input": "x", "messages": messages}, {"input": "x", "changes": {"max_steps": 0}}):
        assert (await acting.post("/api/v1/agents/adder/runs", body))[0] == 400
    _, listed = await acting.get("/api/v1/runs?agent=adder&status=done")
    assert len(listed["runs"]) == 4


async def test_a_run_is_one_trace_and_each_call_of_a_model_is_paid_for(acting):
    acting.model.by = sequence(("add", {"a": 2, "b": 3}), "It is 5.")
    _, run = await acting.post("/api/v1/agents/adder/runs", {"input": "2+3?"})
    (trace_id,) = run["traces"]
    _, trace = await acting.get(f"/api/v1/traces/{trace_id}")
    assert (trace["requested"], trace["attributes"]["guru.run"]) == ("agent/adder", run["id"])
    assert [span["name"] for span in trace["spans"]] == ["agents.runs", "model think", "tool add", "model think"]
    tool = trace["spans"][2]["attributes"]
    assert (tool["gen_ai.tool.call.arguments"], tool["gen_ai.tool.call.result"]) == ('{"a": 2, "b": 3}', "5")
    _, call = await acting.get(f"/api/v1/traces/{trace['spans'][1]['attributes']['guru.call.trace_id']}")
    assert call["spans"][-1]["attributes"]["gen_ai.tool.definitions"]
    _, usage = await acting.get("/api/v1/usage")
    assert json.dumps(usage).count("prompt_tokens") and run["tokens"] == 30


async def test_approved_over_http(acting):
    acting.model.by = sequence(("pay", {"amount": 5}), "Paid.")
    _, run = await acting.post("/api/v1/agents/payer/runs", {"input": "Pay 5."})
    assert run["status"] == "waiting" and acting.world.done == []
    waiting = run["log"][-1]
    assert (waiting["name"], waiting["status"]) == ("pay", "waiting") and "waits for a person" in waiting["reason"]
    path = f"/api/v1/runs/{run['id']}"
    assert (await acting.post(f"{path}/approve", {}))[0] == 400
    assert (await acting.post(f"{path}/approve", {"decisions": [{"step": 9, "say": "yes"}]}))[0] == 409
    decision = {"step": waiting["number"], "say": "yes", "arguments": {"amount": 4}}
    status, _ = await acting.post(f"{path}/approve", {"decisions": [decision]})
    assert status == 200
    async with acting.session.get(f"{acting.url}{path}/events") as response:
        assert parse_events(await response.text())[-1][1]["answer"] == "Paid."
    assert acting.world.done == [("pay", 4)]
    status, edited = await acting.request("PATCH", f"{path}/steps/2/0", json={"result": {"text": "refused"}})
    assert (status, edited["status"], edited["log"][-1]["result"]["text"]) == (200, "paused", "refused")
    status, again = await acting.post(f"{path}/replay", {"step": 3, "changes": {"instructions": "Be kind."}})
    assert (status, again["cause"]) == (201, run["id"])
    status, _ = await acting.post(f"{path}/resume", {})
    assert status == 200


async def test_told_by_a_prompt_of_the_library_in_the_version_it_began_with(acting):
    def words(request):
        return request.messages[0].text

    prompts = "/api/v1/prompts/clerk"
    definition = {"messages": [{"role": "system", "content": "You serve {{ town }}."}], "variables": {"town": {}}}
    await acting.post(f"{prompts}/versions", {"definition": definition})
    await acting.post(f"{prompts}/labels/prod", {"version": 1})
    clerk = {"name": "clerk", "prompt": "clerk@prod", "instructions": "Be brief."}
    await acting.post("/api/v1/agents", clerk)
    status, refused = await acting.post("/api/v1/agents/clerk/runs", {"input": "Hi"})
    assert (status, refused["error"]["param"]) == (400, "variables.town")
    acting.model.by = words
    town = {"variables": {"town": "Oslo"}}
    _, first = await acting.post("/api/v1/agents/clerk/runs", {"input": "Hi", "changes": town})
    assert first["answer"] == "You serve Oslo.\n\nBe brief."
    newer = definition | {"messages": [{"role": "system", "content": "{{ town }} greets you."}]}
    await acting.post(f"{prompts}/versions", {"definition": newer})
    await acting.post(f"{prompts}/labels/prod", {"version": 2})
    _, second = await acting.post("/api/v1/agents/clerk/runs", {"input": "Hi", "changes": town})
    assert second["answer"] == "Oslo greets you.\n\nBe brief."
    _, again = await acting.post(f"/api/v1/runs/{first['id']}/replay", {})
    async with acting.session.get(f"{acting.url}/api/v1/runs/{again['id']}/events") as answer:
        await answer.text()
    _, shown = await acting.get(f"/api/v1/runs/{again['id']}")
    assert shown["answer"] == first["answer"]
    status, refused = await acting.post("/api/v1/agents/clerk/runs", {"input": "Hi", "changes": {"prompt": "no"}})
    assert (status, refused["error"]["message"]) == (404, "There is no prompt 'no'.")


async def test_cancelled_while_the_model_thinks(acting):
    stuck = asyncio.Event()

    async def chat(request):
        stuck.set()
        await asyncio.sleep(60)
        yield

    acting.model.chat = chat
    _, run = await acting.post("/api/v1/agents/adder/runs", {"input": "2+3?", "background": True})
    await stuck.wait()
    status, cancelled = await acting.post(f"/api/v1/runs/{run['id']}/cancel")
    assert (status, cancelled["status"]) == (200, "cancelled")
    acting.model.chat = ActingModel.chat.__get__(acting.model)
    status, _ = await acting.post(f"/api/v1/runs/{run['id']}/resume", {})
    assert status == 200
    async with acting.session.get(f"{acting.url}/api/v1/runs/{run['id']}/events") as response:
        assert parse_events(await response.text())[-1][1]["answer"] == "Hello."


async def test_a_webhook_needs_its_key_and_its_words_are_of_strangers(acting):
    path = f"{acting.url}/api/v1/agents/payer/webhook"
    for headers in ({}, {"x-guru-webhook-key": "wrong"}):
        async with acting.session.post(path, data=b"x", headers=headers) as response:
            assert response.status == 401
    async with acting.session.post(path, data=b"\xff Bill 7", headers={"x-guru-webhook-key": KEY}) as response:
        body = await response.json()
        assert (response.status, body["cause"]) == (202, "webhook")
        assert body["input"].startswith("Pay the bill.\n\n<data-") and "\n\ufffd Bill 7\n</data-" in body["input"]
    async with acting.session.post(
        path, data=io.BytesIO(b"x" * (2 << 20)), headers={"x-guru-webhook-key": KEY}
    ) as response:
        assert response.status == 413


async def test_keys_and_their_limits_hold_inside_a_run(tmp_path):
    settings = Settings(server=ServerSettings(require_key=True), agents=CONFIGURED)
    async with acting_server(tmp_path / "home", settings) as server:
        changes, boss = server.services.changes, Caller(tenant="local", route="", trace_id="", role="admin")
        narrow = Key(id="", tenant="local", name="narrow", hash=b"", models=["other/*"])
        door = Key(id="", tenant="local", name="door", hash=b"", routes=["chat.completions"])
        good = Key(id="", tenant="local", name="good", hash=b"")
        secrets = {}
        for key in (narrow, door, good):
            kept, secrets[key.name] = await changes.create_key(boss, key)
        ask = {"input": "Hi."}
        for name, expected in (("narrow", "failed"), ("door", None), ("good", "done")):
            headers = {"authorization": f"Bearer {secrets[name]}"}
            status, run = await server.post("/api/v1/agents/adder/runs", ask, headers=headers)
            assert (status, run.get("status")) == (403 if expected is None else 200, expected)
        # A run whose key has ended meanwhile goes no further.
        server.model.by = sequence(("pay", {"amount": 1}), "Paid.")
        headers = {"authorization": f"Bearer {secrets['good']}"}
        _, run = await server.post("/api/v1/agents/payer/runs", ask, headers=headers)
        runs = server.services.agents.runs
        await changes.revoke_key(boss, kept.id)
        await runs.approve(Scope("local"), run["id"], {(2, 0): Decision(say="yes")})
        async with asyncio.timeout(10):
            while (found := await runs.get(Scope("local"), run["id"])).working:
                await asyncio.sleep(0.02)
        assert found.status == "failed" and server.world.done == []


async def test_agents_of_a_changed_configuration(acting):
    agents = acting.services.agents
    agents.reload(Settings(agents={"other": AgentSettings()}))
    _, listed = await acting.get("/api/v1/agents")
    assert [item["agent"]["name"] for item in listed["agents"]] == ["other"]


async def test_an_agent_is_asked_as_a_model(acting):
    acting.model.by = sequence(("add", {"a": 2, "b": 3}), "It is 5.")
    asked = {"model": "agent/adder", "messages": [{"role": "user", "content": "2+3?"}]}
    answer = await acting.openai.chat.completions.with_raw_response.create(**asked, temperature=0.5)
    whole = answer.parse()
    assert (whole.model, whole.choices[0].message.content) == ("agent/adder", "It is 5.")
    assert whole.usage.total_tokens == 30 and acting.model.requests[0].temperature == 0.5
    status, trace = await acting.get(f"/api/v1/traces/{answer.headers['x-guru-trace-id']}")
    assert (status, trace["requested"]) == (200, "agent/adder")
    stream = await acting.openai.chat.completions.create(**asked, stream=True)
    texts = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
    assert "".join(texts) == "It is 5."
    status, message = await acting.post("/v1/messages", asked | {"max_tokens": 50})
    assert (status, message["content"][0]["text"]) == (200, "It is 5.")
    for wrong, expected in (
        ({"model": "agent/nobody"}, 404), ({"stop": ["x"]}, 400), ({"n": 2}, 400),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, 400),
    ):  # fmt: skip
        status, said = await acting.post("/v1/chat/completions", asked | wrong)
        assert (wrong, status) == (wrong, expected), said
    acting.model.by = sequence(("pay", {"amount": 5}), "Paid.")
    status, said = await acting.post("/v1/chat/completions", asked | {"model": "agent/payer"})
    assert status == 409 and "guru agent approve run_" in said["error"]["message"]


async def test_agents_are_listed_among_models(acting):
    _, listed = await acting.get("/v1/models")
    assert {"agent/adder", "agent/payer"} <= {model["id"] for model in listed["data"]}
    assert (await acting.get("/v1/models/agent/adder"))[1]["owned_by"] == "agent"
    assert (await acting.get("/v1/models/agent/nobody"))[0] == 404


async def remembered(acting, episodes):
    """All memories, once there are as many of runs: they are kept when the answer has gone out."""
    async with asyncio.timeout(30):
        while True:
            memories = (await acting.get("/api/v1/memories"))[1]["memories"]
            if sum(memory["kind"] == "episode" for memory in memories) == episodes:
                return memories
            await asyncio.sleep(0.02)


async def test_an_agent_with_memory_keeps_what_its_person_says_and_is_told_it(acting):
    await acting.post("/api/v1/agents", {"name": "friend", "memory": True})
    acting.model.by = sequence(("remember", {"quote": "I live in Hamburg."}), "Noted.")
    said = {"input": "I live in Hamburg. Remember it."}
    _, run = await acting.post("/api/v1/agents/friend/runs", said)
    assert run["status"] == "done"
    names = {tool.function.name for tool in acting.model.requests[0].tools}
    assert names == {"remember", "recall", "forget"}
    kept = {memory["kind"]: memory for memory in await remembered(acting, 1)}
    assert (kept["user"]["text"], kept["user"]["by"], kept["user"]["source"]["run"]) == (
        "I live in Hamburg.", "tool", run["id"],
    )  # fmt: skip
    assert "Done: remember" in kept["episode"]["text"] and "Ended: answered" in kept["episode"]["text"]

    acting.model.by = lambda request: "In Hamburg."
    _, run = await acting.post("/api/v1/agents/friend/runs", {"input": "Where do I live?"})
    assert "Hamburg" not in json.dumps(run["messages"])  # others may see the run
    assert any("I live in Hamburg." in message.text for message in acting.model.requests[-1].messages)
    acting.model.by = lambda request: "I do not know."
    await acting.post("/api/v1/agents/adder/runs", {"input": "Where do I live?"})  # it has no memory
    assert not any("Hamburg" in message.text for message in acting.model.requests[-1].messages)


async def test_nothing_is_remembered_that_the_person_has_not_said(acting):
    await acting.post("/api/v1/agents", {"name": "friend", "memory": True, "tools": ["look"], "untrusted": "allow"})
    acting.world.pages = {"home": "I live in Paris."}
    acting.model.by = sequence(("look", {"page": "home"}), ("remember", {"quote": "I live in Paris."}), "Done.")
    _, run = await acting.post("/api/v1/agents/friend/runs", {"input": "Read the page home."})
    results = [step["result"] for step in run["log"] if step["kind"] == "tool"]
    assert [result["failed"] for result in results] == [False, True]
    memories = await remembered(acting, 1)
    assert len(memories) == 1
    assert "Paris" not in json.dumps(memories)


async def test_a_run_that_nobody_began_has_no_memory(acting):
    await acting.post("/api/v1/agents", {"name": "hook", "memory": True, "webhook_key": KEY, "input": "Sort it."})
    acting.model.by = sequence(("remember", {"quote": "I live in Paris."}), "Done.")
    headers = {"x-guru-webhook-key": KEY}
    _, begun = await acting.request("POST", "/api/v1/agents/hook/webhook", data=b"I live in Paris.", headers=headers)
    path = f"/api/v1/runs/{begun['id']}"
    async with asyncio.timeout(30):
        while (await acting.get(path))[1]["status"] != "done":
            await asyncio.sleep(0.02)
    assert acting.model.requests[0].tools in (None, [])
    _, again = await acting.post(f"{path}/replay", {})
    async with asyncio.timeout(30):
        while (await acting.get(f"/api/v1/runs/{again['id']}"))[1]["status"] != "done":
            await asyncio.sleep(0.02)
    assert await remembered(acting, 0) == []


async def test_runs_are_listed_a_page_at_a_time_and_removed(acting):
    for number in range(5):
        await acting.post("/api/v1/agents/adder/runs", {"input": f"Say {number}."})
    seen, before = [], ""
    while before is not None:
        _, page = await acting.get(f"/api/v1/runs?agent=adder&status=done&limit=2{before and '&before='}{before}")
        seen.append([run["input"] for run in page["runs"]])
        before = page["next"]
    assert seen == [["Say 4.", "Say 3."], ["Say 2.", "Say 1."], ["Say 0."]]
    assert (await acting.get("/api/v1/runs?status=over"))[0] == 400
    assert (await acting.get("/api/v1/runs?limit=5"))[1]["next"] is None
    acting.model.by = sequence(("pay", {"amount": 5}), "Paid.")
    _, waiting = await acting.post("/api/v1/agents/payer/runs", {"input": "Pay 5."})
    path = f"/api/v1/runs/{waiting['id']}"
    status, refused = await acting.request("DELETE", path)
    assert (status, refused["error"]["hint"]) == (409, f"Cancel it first: guru agent cancel {waiting['id']}")
    await acting.post(f"{path}/approve", {"all": "yes"})
    async with acting.session.get(f"{acting.url}{path}/events") as response:
        await response.text()
    assert len((await acting.get("/api/v1/jobs"))[1]["jobs"]) == 6  # one for each run, not one for each leg
    assert (await acting.request("DELETE", path))[0] == 204
    for gone in (await acting.get(path), await acting.request("DELETE", path), await acting.post(f"{path}/resume", {})):
        assert gone[0] == 404
    assert len((await acting.get("/api/v1/jobs"))[1]["jobs"]) == 5
    assert (await acting.get(f"/api/v1/traces/{waiting['traces'][0]}"))[0] == 200
    _, log = await acting.get("/api/v1/audit?action=runs")
    assert [(entry["action"], entry["subject"], entry["before"]) for entry in log["entries"]] == [
        ("runs.delete", waiting["id"], {"agent": "payer", "status": "done"})
    ]
