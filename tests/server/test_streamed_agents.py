"""Agents' answers come as they are written at every door for chat, by the official clients where there are some."""

import asyncio
import json

import anthropic
import ollama
import openai
import pytest

from agents.acting import events_of
from agents.served import acting_server, ended, runs
from agents.test_streaming import ADD, MARK, Slow, Speaking, Spoken, in_turn
from guru.agents.records import RunRecord
from guru.config import Settings
from guru.config.agent import AgentSettings
from guru.errors import StreamCut
from guru.server.running_agents import Said
from guru.types import Delta

ANSWER = "It is 5.\n\nSurely."
ASK = {"model": "agent/adder", "messages": [{"role": "user", "content": "2+3?"}]}


@pytest.fixture
async def acting(tmp_path):
    settings = Settings(agents={"adder": AgentSettings(tools=["add"]), "payer": AgentSettings(tools=["pay"])})
    async with acting_server(tmp_path / "home", settings) as server:
        yield server


def speaks(server, script):
    model = Speaking(script)
    server.model.chat = model.chat
    return model


# --------------------------------------------------------------------------- doors: each yields the pieces of an answer


async def completions(server, model="agent/adder"):
    async with await server.openai.chat.completions.create(**ASK | {"model": model}, stream=True) as stream:
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content


async def responses(server):
    async with server.openai.responses.stream(model="agent/adder", input="2+3?") as stream:
        async for event in stream:
            if event.type == "response.output_text.delta":
                yield event.delta
        final = await stream.get_final_response()
    kept = await server.openai.responses.retrieve(final.id)
    assert final.output_text == kept.output_text == ANSWER


async def messages(server):
    async with (
        anthropic.AsyncAnthropic(base_url=server.url, api_key="none", max_retries=0) as client,
        client.messages.stream(**ASK, max_tokens=50) as stream,
    ):
        async for text in stream.text_stream:
            yield text
        assert (await stream.get_final_message()).content[0].text == ANSWER


async def ollama_chat(server):
    async with ollama.AsyncClient(host=server.url) as client:
        async for part in await client.chat("agent/adder", ASK["messages"], stream=True):
            yield part.message.content


async def ollama_generate(server):
    async with ollama.AsyncClient(host=server.url) as client:
        async for part in await client.generate("agent/adder", "2+3?", stream=True):
            yield part.response


async def events(server, path, body):
    """Server-sent events as they come."""
    async with server.session.post(server.url + path, json=body) as response:
        assert response.status == 200
        name = ""
        async for line in response.content:
            kind, _, value = line.decode().strip().partition(": ")
            if kind == "event":
                name = value
            elif kind == "data":
                yield name, json.loads(value)


async def chat(server):
    body = {"model": "agent/adder", "message": "2+3?", "stream": True}
    async for name, data in events(server, "/api/v1/chat", body):
        assert name != "error"
        if name == "delta":
            yield data["text"]


async def socket(server):
    async with server.session.ws_connect(f"{server.url}/api/v1/chat/ws") as connection:
        await connection.send_json({"type": "message", "model": "agent/adder", "message": "2+3?"})
        while (event := await connection.receive_json())["type"] != "done":
            assert event["type"] != "error"
            if event["type"] == "delta":
                yield event["text"]
        assert event["text"] == ANSWER


async def conversation(server):
    _, made = await server.post("/api/v1/conversations", {"model": "agent/adder"})
    path = f"/api/v1/conversations/{made['id']}"
    async for name, data in events(server, f"{path}/messages", {"content": "2+3?"}):
        assert name != "error"
        if name == "delta":
            yield data["text"]
    _, tree = await server.get(path)
    assert (tree["messages"][-1]["content"], tree["messages"][-1]["status"]) == (ANSWER, "complete")


async def run_events(server):
    text = ""
    async for name, data in events(server, "/api/v1/agents/adder/runs", {"input": "2+3?", "stream": True}):
        if name == "answer":
            assert data["start"] == len(text)
            text += data["text"]
            yield data["text"]
    assert data["answer"] == text


DOORS = [
    completions, responses, messages, ollama_chat, ollama_generate, chat, socket, conversation, run_events,
]  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
async def test_the_answer_comes_as_it_is_written(acting, door):
    script = in_turn(Spoken("I add.", ADD), Slow("Now I know.\n", MARK, "It is", " 5.\n", "\nSurely. "))
    model = speaks(acting, script)
    async with asyncio.timeout(60):
        async for text in door(acting):  # the model goes on when the first piece is here
            if text and not model.told:
                assert [run["status"] for run in await runs(acting)] == ["running"]
            if text:
                model.hear(text)
    assert "".join(model.told) == ANSWER and len(model.told) > 1
    assert [(run["status"], run["answer"]) for run in await runs(acting)] == [("done", ANSWER)]


async def test_who_leaves_in_the_middle_cancels_the_run(acting):
    for door in (completions, messages, ollama_chat, chat):
        model = speaks(acting, lambda request: Slow(MARK, "It is", " 5."))
        async with asyncio.timeout(60):
            pieces = door(acting)
            assert await anext(pieces) == "It is"
            await pieces.aclose()
        assert model.told == []
    await ended(acting, ["cancelled"] * 4)


@pytest.mark.parametrize("ending", ["failed", "waiting"])
async def test_what_was_said_of_a_run_that_has_no_answer_is_followed_by_an_error(acting, ending):
    heard = asyncio.Event()

    async def breaks_off(request):
        yield Delta(text=f"{MARK}I shall pay.")
        await heard.wait()
        if ending == "failed":
            raise ConnectionError("gone")
        for event in events_of(("pay", {"amount": 5})):
            yield event

    acting.model.chat = breaks_off
    told = []
    with pytest.raises(openai.APIError, match="gone" if ending == "failed" else "guru agent approve run_"):
        async for text in completions(acting, "agent/payer"):
            told.append(text)
            heard.set()
    assert told == ["I shall pay."]
    assert [(run["status"], run["answer"]) for run in await runs(acting)] == [(ending, None)]


def done(answer):
    fields = dict.fromkeys(RunRecord.__struct_fields__)
    return RunRecord(**fields | {"id": "run_1", "answer": answer, "status": "done"})


def test_a_caller_who_has_another_beginning_is_told_so():
    said = Said()
    assert [said.more(0, "It is"), said.more(5, " 5")] == ["It is", " 5"]
    assert [said.more(0, "It"), said.more(2, " is 5")] == ["", ""]  # begun anew: it may become the same
    assert said.rest(done("It is 5.")) == "."
    with pytest.raises(StreamCut, match="run_1 was begun anew") as caught:
        said.rest(done("It is 6."))
    assert caught.value.headers["x-should-retry"] == "false"
