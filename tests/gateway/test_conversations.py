"""Conversations through their API: a tree of messages, stored before and while the model runs."""

import asyncio

import aiohttp
import pytest
from sqlalchemy import insert

from guru.errors import ModelUnavailable
from guru.gateway.conversations import Conversations
from guru.gateway.identity import Caller
from guru.gateway.turns import Turn
from guru.store import tables
from guru.store.database import Database
from guru.types import Delta
from scripted import parse_events, run_server, say


@pytest.fixture
async def server(tmp_path):
    async with run_server(tmp_path / "home") as running:
        yield running


async def begin(server, **body):
    status, conversation = await server.post("/api/v1/conversations", body)
    assert status == 201
    return conversation["id"]


async def send(server, conversation, **body):
    """Take a turn; the rows that it made and the other events."""
    events = await server.events(f"/api/v1/conversations/{conversation}/messages", body)
    assert events[0][0] == "message"
    assert events[-1][0] == "done"
    return events[0][1]["user"], events[0][1]["assistant"], events[1:-1]


async def messages(server, conversation):
    return (await server.get(f"/api/v1/conversations/{conversation}"))[1]["messages"]


async def until(condition):
    async with asyncio.timeout(5):
        while not (found := await condition()):
            await asyncio.sleep(0.01)
        return found


async def test_a_turn_is_stored_and_streamed(server):
    server.model.script = say("Four", ".")
    conversation = await begin(server)
    user, assistant, events = await send(server, conversation, content="What is two and two?")
    assert assistant["parent_id"] == user["id"]
    assert [name for name, _ in events] == ["started", "delta", "delta", "finished", "completed"]
    asked, answered = await messages(server, conversation)
    assert (asked["content"], asked["status"]) == ("What is two and two?", "complete")
    assert (answered["content"], answered["status"], answered["model"]) == ("Four.", "complete", "test/scripted")
    assert answered["usage"]["completion_tokens"] == 2
    completed = dict(events)["completed"]
    assert [answered[name] for name in ("confidence", "cost", "timings")] == [
        completed.get(name, default) for name, default in (("confidence", None), ("cost", 0.0), ("timings", {}))
    ]
    trace = (await server.get(f"/api/v1/traces/{answered['trace_id']}"))[1]
    assert trace["route"] == "conversations"


async def test_the_title_is_the_first_question(server):
    conversation = await begin(server)
    await send(server, conversation, content="Tell me   everything about the history of the lighthouse of Alexandria")
    await send(server, conversation, content="And now?")
    shown = (await server.get(f"/api/v1/conversations/{conversation}"))[1]
    assert shown["title"] == "Tell me everything about the history of the lighthouse of…"


async def test_the_model_sees_the_branch_and_nothing_else(server):
    conversation = await begin(server)
    server.model.script = say("First answer")
    user, _, _ = await send(server, conversation, content="First")
    _, second, _ = await send(server, conversation, content="Second")
    assert [m.text for m in server.model.requests[-1].messages] == ["First", "First answer", "Second"]
    edited, _, _ = await send(server, conversation, content="Instead", parent_id=user["parent_id"])
    assert edited["parent_id"] is None
    assert [m.text for m in server.model.requests[-1].messages] == ["Instead"]
    await send(server, conversation, content="More", parent_id=second["id"])
    assert [m.text for m in server.model.requests[-1].messages][-2:] == ["First answer", "More"]


async def test_an_answer_can_be_made_again(server):
    conversation = await begin(server)
    server.model.script = say("One")
    user, first, _ = await send(server, conversation, content="Say something")
    server.model.script = say("Two")
    nobody, second, _ = await send(server, conversation, regenerate=first["id"])
    assert nobody is None
    assert second["parent_id"] == user["id"] == first["parent_id"]
    assert [m["content"] for m in await messages(server, conversation)] == ["Say something", "One", "Two"]
    assert [m.text for m in server.model.requests[-1].messages] == ["Say something"]


async def test_closing_the_stream_stops_the_answer_and_keeps_what_was_written(server):
    server.model.script = [Delta(text="Half an "), 30, *say("never")]
    conversation = await begin(server)
    url = f"{server.url}/api/v1/conversations/{conversation}/messages"
    async with server.session.post(url, json={"content": "Go on"}) as response:
        async for line in response.content:
            if b"Half an" in line:
                break

    async def ended():
        return [m for m in await messages(server, conversation) if m["status"] == "interrupted"]

    (answer,) = await until(ended)
    assert answer["content"] == "Half an "
    assert server.model.cancelled == 1


async def test_an_answer_can_be_stopped_from_elsewhere(server):
    server.model.script = [Delta(text="Half an "), 30, *say("never")]
    conversation = await begin(server)
    path = f"/api/v1/conversations/{conversation}/messages"
    async with server.session.post(server.url + path, json={"content": "Go on"}) as response:
        answer = None
        while b"Half an" not in (line := await response.content.readline()):
            answer = answer or (parse_events(line.decode())[0][1]["assistant"] if b'"assistant"' in line else None)
        assert (await server.post(f"{path}/{answer['id']}/stop"))[0] == 204
        rest = (await response.content.read()).decode()
    assert rest.endswith("event: done\ndata: {}\n\n")
    assert (await messages(server, conversation))[-1]["status"] == "interrupted"


async def test_a_failure_is_shown_and_stored(server):
    server.model.script = [Delta(text="Half"), ModelUnavailable("The model stopped.", hint="Try again.")]
    conversation = await begin(server)
    _, _, events = await send(server, conversation, content="Go on")
    assert events[-1][0] == "error"
    assert events[-1][1]["error"]["hint"] == "Try again."
    answer = (await messages(server, conversation))[-1]
    assert (answer["status"], answer["content"]) == ("failed", "Half")
    assert answer["error"] == "The model stopped. Try again."


async def test_a_draft_is_saved_while_it_is_written(server, monkeypatch):
    monkeypatch.setattr("guru.gateway.conversations.SAVE_EVERY", 0.05)
    server.model.script = [Delta(text="Saved"), 30, *say("never")]
    conversation = await begin(server)
    await asyncio.sleep(1.1)  # the saver is in its first pause, of the usual length
    path = f"/api/v1/conversations/{conversation}/messages"
    async with server.session.post(server.url + path, json={"content": "Go on"}):

        async def saved():
            found = await messages(server, conversation)
            return found and found[-1]["content"] == "Saved" and found[-1]["status"] == "streaming"

        await until(saved)


async def test_what_a_dead_process_was_writing_is_interrupted(tmp_path):
    async with run_server(tmp_path) as server:
        conversation = await begin(server)
        row = {
            "id": "msg_1", "tenant": "local", "conversation_id": conversation, "role": "assistant",
            "content": "Half", "status": "streaming", "created_at": 1.0,
        }  # fmt: skip
        await server.services.database.write(lambda c: c.execute(insert(tables.messages).values(row)))
    async with run_server(tmp_path) as server:
        (message,) = await messages(server, conversation)
    assert (message["status"], message["content"]) == ("interrupted", "Half")


async def test_lists_go_on_where_they_stopped(server):
    made = [await begin(server, title=str(number)) for number in range(5)]
    _, first = await server.get("/api/v1/conversations?limit=3")
    _, second = await server.get("/api/v1/conversations", params={"limit": 3, "before": first["next"]})
    assert [item["id"] for item in first["conversations"] + second["conversations"]] == made[::-1]
    assert second["next"] is None


async def test_a_conversation_can_be_changed_and_deleted(server):
    conversation = await begin(server, collection="notes")
    path = f"/api/v1/conversations/{conversation}"
    _, changed = await server.request("PATCH", path, json={"title": "Mine", "collection": None})
    assert (changed["title"], changed["collection"]) == ("Mine", None)
    assert (await server.request("DELETE", path))[0] == 204
    assert (await server.get(path))[0] == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"content": ""}, 400),
        ({"content": "x", "regenerate": "y"}, 400),
        ({"content": "x", "parent_id": "nobody"}, 404),
        ({"regenerate": "nobody"}, 404),
        ({"content": "x", "temprature": 1}, 400),
    ],
)
async def test_a_wrong_turn_stores_nothing(server, body, status):
    conversation = await begin(server)
    assert (await server.post(f"/api/v1/conversations/{conversation}/messages", body))[0] == status
    assert await messages(server, conversation) == []


async def test_two_people_talk_at_once(server):
    server.model.script = say(*"abcdef")
    conversations = [await begin(server) for _ in range(8)]
    async with aiohttp.ClientSession():
        await asyncio.gather(*(send(server, conversation, content="Go") for conversation in conversations))
    for conversation in conversations:
        assert (await messages(server, conversation))[-1]["content"] == "abcdef"


async def test_an_answer_whose_reader_leaves_before_it_has_begun_is_ended(tmp_path):
    class Road:
        async def run(self, request, caller):
            await asyncio.sleep(600)
            yield Delta(text="never")

    database = Database.in_home(tmp_path)
    await database.open()
    conversations = Conversations(database, Road())
    who = Caller(tenant="local", route="conversations", trace_id="tr_1")
    made = await conversations.create(who)
    events = conversations.reply(made.id, Turn(content="Hi"), who)
    await anext(events)
    await events.aclose()
    _, answer = (await conversations.get(who, made.id)).messages
    assert answer.status == "interrupted"
    assert not conversations._drafts
    await database.close()
