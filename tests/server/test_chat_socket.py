"""The chat's WebSocket, over a real connection."""

import asyncio

import aiohttp
import pytest

from guru.config import KeySettings, ServerSettings, Settings
from guru.errors import ModelError
from guru.types import Delta
from scripted import run_server, say

PATH = "/api/v1/chat/ws"


class Socket:
    def __init__(self, connection):
        self.connection = connection

    async def say(self, **message):
        await self.connection.send_json({"type": "message", **message})

    async def next(self):
        return await self.connection.receive_json(timeout=10)

    async def until(self, *kinds):
        found = []
        while True:
            found.append(await self.next())
            if found[-1]["type"] in kinds:
                return found


@pytest.fixture
async def chat(server):
    async with server.session.ws_connect(server.url + PATH) as connection:
        yield Socket(connection)


async def test_an_answer_comes_as_events_and_then_whole(server, chat):
    server.model.script = say("One ", "two.")
    await chat.say(message="Hi", id=7)
    events = await chat.until("done")
    assert [event["type"] for event in events] == ["started", "delta", "delta", "finished", "completed", "done"]
    assert {event["id"] for event in events} == {7}
    done = events[-1]
    assert (done["text"], done["usage"]["total_tokens"], done["trace_id"]) == ("One two.", 9, events[0]["trace_id"])


async def test_turns_follow_each_other_and_each_is_a_trace(server, chat):
    await chat.say(message="I am Ada.")
    first = (await chat.until("done"))[-1]
    await chat.say(message="Who am I?")
    second = (await chat.until("done"))[-1]
    assert first["trace_id"] != second["trace_id"]
    said = [message.content for message in server.model.requests[1].messages]
    assert said == ["I am Ada.", "Hello there.", "Who am I?"]
    await chat.connection.send_json({"type": "reset"})
    await chat.say(message="And now?")
    await chat.until("done")
    assert [message.content for message in server.model.requests[2].messages] == ["And now?"]


async def test_an_answer_can_be_cancelled_and_the_next_asked(server, chat):
    server.model.script = [Delta(text="Once "), Delta(text="upon"), 60]
    await chat.say(message="Tell me a story.", id="a")
    await chat.until("started")
    assert [(await chat.next())["text"] for _ in range(2)] == ["Once ", "upon"]
    await chat.connection.send_json({"type": "cancel"})
    assert await chat.next() == {"type": "cancelled", "id": "a", "text": "Once upon"}
    assert server.model.cancelled == 1
    server.model.script = say("Yes.")
    await chat.say(message="Still there?")
    assert (await chat.until("done"))[-1]["text"] == "Yes."


async def test_a_second_message_waits_for_the_first_answer(server, chat):
    server.model.script = [Delta(text="Once "), 60]
    await chat.say(message="A")
    await chat.until("delta")
    await chat.say(message="B", id=2)
    error = await chat.next()
    assert (error["type"], error["id"], error["error"]["code"]) == ("error", 2, "conflict")


async def test_a_ping_is_answered_also_while_the_model_talks(server, chat):
    server.model.script = [Delta(text="Once "), 60]
    await chat.say(message="A")
    await chat.until("delta")
    await chat.connection.send_json({"type": "ping", "id": 3})
    assert await chat.next() == {"type": "pong", "id": 3}


async def test_a_client_that_leaves_cancels_the_answer(server, chat):
    server.model.script = [Delta(text="Once "), 60]
    await chat.say(message="A")
    await chat.until("delta")
    await chat.connection.close()
    for _ in range(100):
        if server.model.cancelled:
            break
        await asyncio.sleep(0.02)
    assert server.model.cancelled == 1


async def test_an_error_leaves_the_connection_open(server, chat):
    server.model.script = [ModelError("The model fell over.")]
    await chat.say(message="A", id=1)
    error = (await chat.until("error"))[-1]
    assert (error["id"], error["error"]["message"]) == (1, "The model fell over.")
    server.model.script = say("Yes.")
    await chat.say(message="B")
    assert (await chat.until("done"))[-1]["text"] == "Yes."


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("{", "JSON object"),
        ('{"type": "dance"}', "message, cancel, reset and ping"),
        ('{"type": "message"}', "Add it"),
        ('{"type": "message", "message": "a", "modle": "b"}', "Did you mean `model`?"),
    ],
)
async def test_what_is_not_understood_is_said(chat, text, hint):
    await chat.connection.send_str(text)
    error = await chat.next()
    assert error["type"] == "error"
    assert hint in error["error"]["hint"]


async def test_binary_messages_are_refused(chat):
    await chat.connection.send_bytes(b"{}")
    assert "Binary" in (await chat.next())["error"]["message"]


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"host": "evil.example"}, {"sec-fetch-site": "cross-site"}]
)
async def test_pages_of_other_sites_cannot_connect(server, headers):
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with server.session.ws_connect(server.url + PATH, headers=headers):
            pass
    assert caught.value.status == 403


async def test_guru_own_pages_can_connect(server):
    async with server.session.ws_connect(server.url + PATH, headers={"origin": server.url}) as connection:
        await connection.send_json({"type": "ping"})
        assert (await connection.receive_json(timeout=10))["type"] == "pong"


async def test_a_huge_message_ends_the_connection_and_not_the_server(server, chat):
    await chat.connection.send_str('{"type": "message", "message": "' + "a" * (17 << 20) + '"}')
    message = await chat.connection.receive(timeout=10)
    assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    assert server.model.requests == []
    async with server.session.ws_connect(server.url + PATH) as connection:
        await connection.send_json({"type": "ping"})
        assert (await connection.receive_json(timeout=10))["type"] == "pong"


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"type": "message", "message": "\\ud800"}', '{"type": {}}', "null", ""]
)
async def test_garbage_is_answered_and_the_connection_goes_on(chat, text):
    await chat.connection.send_str(text)
    assert (await chat.next())["type"] == "error"
    await chat.say(message="Hi")
    assert (await chat.until("done"))[-1]["text"] == "Hello there."


KEY = "0123456789abcdefghij"


@pytest.fixture
async def guarded(tmp_path):
    settings = Settings(
        server=ServerSettings(require_key=True),
        keys={"web": KeySettings(key=KEY), "look": KeySettings(key=KEY[::-1], role="viewer")},
    )
    async with run_server(tmp_path / "home", settings) as running:
        yield running


@pytest.mark.parametrize(
    ("options", "protocol"),
    [
        ({"headers": {"authorization": f"Bearer {KEY}"}}, None),
        ({"protocols": ["guru", f"guru-key.{KEY}"]}, "guru"),
    ],
)
async def test_a_key_opens_the_socket(guarded, options, protocol):
    async with guarded.session.ws_connect(guarded.url + PATH, **options) as connection:
        assert connection.protocol == protocol
        chat = Socket(connection)
        await chat.say(message="Hi")
        assert (await chat.until("done"))[-1]["text"] == "Hello there."


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({}, 401),
        ({"headers": {"authorization": "Bearer wrong"}}, 401),
        ({"protocols": ["guru", "guru-key.wrong"]}, 401),
        ({"protocols": ["guru", f"guru-key.{KEY[::-1]}"]}, 403),
    ],
)
async def test_without_the_right_key_it_stays_shut(guarded, options, status):
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await guarded.session.ws_connect(guarded.url + PATH, **options)
    assert caught.value.status == status
