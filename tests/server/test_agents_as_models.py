"""Agents asked as models, at every door for chat, by the official clients where there are some."""

import asyncio

import aiohttp
import anthropic
import ollama
import openai
import pytest

from agents.acting import sequence
from agents.served import acting_server, ended, runs
from guru.config import KeySettings, ServerSettings, Settings
from guru.config.agent import AgentSettings
from guru.store.scope import Scope
from scripted import parse_events

SUM = sequence(("add", {"a": 2, "b": 3}), "It is 5.")
CONFIGURED = {
    "adder": AgentSettings(tools=["add"], description="adds"),
    "payer": AgentSettings(tools=["pay"]),
    "brief": AgentSettings(max_steps=1, strategy="reflection"),
}
ASK = {"model": "agent/adder", "messages": [{"role": "user", "content": "2+3?"}]}
PAY = {"model": "agent/payer", "message": "Pay the bill."}


@pytest.fixture
async def acting(tmp_path):
    async with acting_server(tmp_path / "home", Settings(agents=CONFIGURED)) as server:
        server.model.by = SUM
        yield server


def hang(server):
    """The model says nothing for as long as nobody cancels it; an event that is set when it is asked."""
    begun = asyncio.Event()

    async def chat(request):
        begun.set()
        await asyncio.Event().wait()
        yield

    server.model.chat = chat
    return begun


async def test_responses_answer_are_kept_and_gone_on_from(acting):
    responses = acting.openai.responses
    first = await responses.create(model="agent/adder", input="2+3?", instructions="Be brief.")
    assert (first.output_text, first.model, first.status) == ("It is 5.", "agent/adder", "completed")
    assert (first.usage.input_tokens, first.usage.output_tokens) == (20, 10)
    acting.model.by = lambda request: "Sure."
    second = await responses.create(model="agent/adder", input="Sure?", previous_response_id=first.id)
    told = [(message.role, message.content) for message in acting.model.requests[-1].messages][-3:]
    assert told == [("user", "2+3?"), ("assistant", "It is 5."), ("user", "Sure?")]
    assert (await responses.retrieve(second.id)).output_text == "Sure."
    async with responses.stream(model="agent/adder", input="Sure?") as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert (kinds[0], kinds[-1], final.output_text) == ("response.created", "response.completed", "Sure.")
    assert (await responses.retrieve(final.id)).output_text == "Sure."
    for wrong, param in (
        ({"tools": [{"type": "function", "name": "f", "parameters": {}}]}, "tools"), ({"top_p": 0.5}, "top_p"),
        ({"extra_body": {"guru": {"collection": "x"}}}, "collection"), ({"service_tier": "flex"}, "service_tier"),
    ):  # fmt: skip
        with pytest.raises(openai.BadRequestError) as caught:
            await responses.create(model="agent/adder", input="2+3?", **wrong)
        assert caught.value.param == param
    with pytest.raises(openai.NotFoundError):
        await responses.create(model="agent/nobody", input="2+3?")
    with pytest.raises(openai.BadRequestError, match="only when it has run"):
        await responses.input_tokens.count(model="agent/adder", input="2+3?")


async def test_a_run_that_waits_is_said_once(acting):
    """The clients try again after a conflict by themselves: each time would be another run."""
    acting.model.by = sequence(("pay", {"amount": 5}), "Paid.")
    patient = acting.openai.with_options(max_retries=2)
    with pytest.raises(openai.ConflictError, match="guru agent approve run_"):
        await patient.responses.create(model="agent/payer", input="Pay the bill.")
    assert [run["status"] for run in await runs(acting)] == ["waiting"]
    with pytest.raises(openai.ConflictError):
        await patient.responses.create(model="agent/payer", input="Pay the bill.", stream=True)
    async with anthropic.AsyncAnthropic(base_url=acting.url, api_key="none", max_retries=2) as client:
        with pytest.raises(anthropic.ConflictError, match="guru agent approve run_"):
            await client.messages.create(**ASK | {"model": "agent/payer"}, max_tokens=50)
    status, said = await acting.post("/api/v1/chat", PAY)
    assert (status, said["error"]["code"]) == (409, "conflict")
    assert len(await runs(acting)) == 4 and acting.world.done == []


async def test_a_run_that_failed_is_said_once(acting):
    with pytest.raises(openai.InternalServerError, match="limit of 1 steps"):
        await acting.openai.with_options(max_retries=2).responses.create(model="agent/brief", input="Hi")
    assert [run["status"] for run in await runs(acting)] == ["failed"]


async def test_gurus_own_chat(acting):
    status, answer = await acting.post("/api/v1/chat", {"model": "agent/adder", "message": "2+3?"})
    assert (status, answer["text"], answer["model"]) == (200, "It is 5.", "agent/adder")
    assert (answer["usage"]["total_tokens"], answer["cost"], answer["finish_reason"]) == (30, None, "stop")
    events = await acting.events("/api/v1/chat", {"model": "agent/adder", "message": "2+3?", "stream": True})
    assert [name for name, _ in events] == ["started", "delta", "finished", "completed", "done"]
    assert events[1][1]["text"] == "It is 5."
    for member, value in (("memory", True), ("collection", "papers"), ("prompt", "clerk")):
        status, said = await acting.post("/api/v1/chat", {"model": "agent/adder", "message": "2+3?", member: value})
        assert (status, said["error"]["param"]) == (400, member)
    status, said = await acting.post(
        "/api/v1/ask", {"question": "2+3?", "collection": "papers", "model": "agent/adder"}
    )
    assert (status, said["error"]["param"]) == (400, "collection")
    status, said = await acting.post("/v1/completions", {"model": "agent/adder", "prompt": "2+3"})
    assert (status, said["error"]["param"]) == (400, "model")
    count = {"model": "agent/adder", "messages": ASK["messages"]}
    assert (await acting.post("/v1/messages/count_tokens", count))[0] == 400


async def test_the_socket_of_the_chat(acting):
    async with acting.session.ws_connect(f"{acting.url}/api/v1/chat/ws") as socket:

        async def until(kind):
            while (event := await socket.receive_json(timeout=60))["type"] != kind:
                assert event["type"] != "error", event
            return event

        await socket.send_json({"type": "message", "model": "agent/adder", "message": "2+3?", "id": 1})
        assert (await until("done"))["text"] == "It is 5."
        await socket.send_json({"type": "message", "model": "agent/adder", "message": "Sure?"})
        await until("done")
        said = [message.content for message in acting.model.requests[-1].messages]
        assert [text for text in said if text in ("2+3?", "It is 5.", "Sure?")] == ["2+3?", "It is 5.", "Sure?"]
        begun = hang(acting)
        await socket.send_json({"type": "message", "model": "agent/adder", "message": "And now?"})
        await begun.wait()
        await socket.send_json({"type": "cancel"})
        await until("cancelled")
        assert (await runs(acting))[0]["status"] == "cancelled"


async def test_conversations_keep_what_an_agent_said(acting):
    _, made = await acting.post("/api/v1/conversations", {"model": "agent/adder"})
    path = f"/api/v1/conversations/{made['id']}"
    events = await acting.events(f"{path}/messages", {"content": "2+3?"})
    assert events[-1][0] == "done" and "error" not in dict(events)
    _, tree = await acting.get(path)
    answer = tree["messages"][-1]
    assert (answer["content"], answer["status"], answer["model"]) == ("It is 5.", "complete", "agent/adder")
    acting.model.by = lambda request: "Sure."
    await acting.events(f"{path}/messages", {"content": "Sure?"})
    assert [m.text for m in acting.model.requests[-1].messages][-3:] == ["2+3?", "It is 5.", "Sure?"]


async def test_ollamas_client(acting):
    async with ollama.AsyncClient(host=acting.url) as client:
        listed = {model.model: model for model in (await client.list()).models}
        assert {"agent/adder", "agent/payer", "default"} <= set(listed)
        shown = await client.show("agent/adder:latest")
        assert shown.capabilities == ["completion"]
        with pytest.raises(ollama.ResponseError):
            await client.show("agent/nobody")
        await client.chat("agent/adder", [])  # as `ollama run` does first
        with pytest.raises(ollama.ResponseError):
            await client.chat("agent/nobody", [])
        answer = await client.chat("agent/adder", ASK["messages"], options={"temperature": 0.5})
        assert (answer.message.content, answer.prompt_eval_count, answer.eval_count) == ("It is 5.", 20, 10)
        assert (await client.generate("agent/adder", "2+3?")).response == "It is 5."
        stream = await client.chat("agent/adder", ASK["messages"], stream=True)
        assert "".join([part.message.content async for part in stream]) == "It is 5."
        with pytest.raises(ollama.ResponseError, match="takes no `seed`"):
            await client.chat("agent/adder", ASK["messages"], options={"seed": 3})


async def test_agents_are_in_every_list_of_models(acting):
    _, own = await acting.get("/api/v1/models")
    assert {m["name"]: m["description"] for m in own["models"] if m["kind"] == "agent"}["agent/adder"] == "adds"
    async with anthropic.AsyncAnthropic(base_url=acting.url, api_key="none") as client:
        assert "agent/adder" in [model.id async for model in client.models.list()]
        assert (await client.models.retrieve("agent/adder")).id == "agent/adder"


async def test_a_client_that_leaves_cancels_the_run(acting):
    doors = {
        "/v1/chat/completions": ASK, "/v1/responses": {"model": "agent/adder", "input": "2+3?"},
        "/v1/messages": ASK | {"max_tokens": 9}, "/api/chat": ASK,
        "/api/v1/chat": {"model": "agent/adder", "message": "2+3?"},
    }  # fmt: skip
    for path, body in doors.items():
        for stream in (True, False):
            begun = hang(acting)
            asked = asyncio.create_task(acting.post(path, body | {"stream": stream}))
            await begun.wait()
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
    await ended(acting, ["cancelled"] * 2 * len(doors))


async def test_keys_hold_for_agents_at_every_door(tmp_path):
    keys = {
        "chat": KeySettings(key="chat-0123456789abcdef", routes=["responses", "chat", "ollama.tags", "models"]),
        "poor": KeySettings(key="poor-0123456789abcdef", models=["test/other"]),
        "good": KeySettings(key="good-0123456789abcdef"),
        "boss": KeySettings(key="boss-0123456789abcdef", role="admin"),
    }
    settings = Settings(agents=CONFIGURED, keys=keys, server=ServerSettings(require_key=True))
    async with acting_server(tmp_path / "home", settings) as server:
        server.model.by = SUM
        auth = {name: {"authorization": f"Bearer {name}-0123456789abcdef"} for name in keys}
        responses = {"model": "agent/adder", "input": "2+3?"}
        asked = {"model": "agent/adder", "message": "2+3?"}
        for path, body in (("/v1/responses", responses), ("/api/v1/chat", asked), ("/api/chat", ASK)):
            assert (await server.post(path, body))[0] == 401
            # Not let in to agents at all; and a model that the agent asks, but its key may not.
            assert (await server.post(path, body, headers=auth["chat"]))[0] == 403
            status, said = await server.post(path, body, headers=auth["poor"])
            assert status != 200 and "It is 5." not in str(said)
        assert (await server.post("/v1/responses", responses, headers=auth["good"]))[0] == 200
        _, tags = await server.get("/api/tags", headers=auth["chat"])
        assert not [model for model in tags["models"] if model["name"].startswith("agent/")]
        found = await server.services.agents.runs.list(Scope("other"))
        assert found == []
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await server.session.ws_connect(f"{server.url}/api/v1/chat/ws")


async def test_a_stream_whose_run_waits_ends_with_the_error_of_its_api(acting, monkeypatch):
    """After the head has been sent, as the run takes longer than a client is left without one."""
    monkeypatch.setattr("guru.server.sse.PATIENCE", 0.0)
    acting.model.by = sequence(("pay", {"amount": 5}), "Paid.")
    async with acting.session.post(
        f"{acting.url}/v1/responses", json={"model": "agent/payer", "input": "Pay.", "stream": True}
    ) as response:
        events = parse_events(await response.text())
    assert events[-1][0] == "response.failed" and "guru agent approve" in events[-1][1]["response"]["error"]["message"]
    async with acting.session.post(f"{acting.url}/api/v1/chat", json=PAY | {"stream": True}) as response:
        events = parse_events(await response.text())
    assert [name for name, _ in events][-2:] == ["error", "done"]
