"""Answers over documents, by every door: sources that disagree, many documents, citations as they are verified."""

import asyncio

import pytest

from guru.config import KnowledgeSettings, MapReduceSettings, Settings
from guru.types import Completed, Delta, Finished, Usage
from scripted import parse_events, run_server, say
from server.test_documents_api import ingest

QUESTION = "How many days of unpaid leave may employees take at Tarn?"
LEAVE = {
    "old.md": b"---\ndate: 2022-03-01\n---\nEmployees may take 30 days of unpaid leave at Tarn.",
    "new.md": b"---\ndate: 2024-03-01\n---\nEmployees may take 45 days of unpaid leave at Tarn.",
}
NOTE = "The sources disagree: “45 days” [2] (2024-03-01); “30 days” [1] (2022-03-01)."
GROUNDED = {"collection": "c", "threshold": 0.0}


@pytest.fixture
async def server(tmp_path):
    settings = Settings(knowledge=KnowledgeSettings(map_reduce=MapReduceSettings(threshold=0.0)))
    async with run_server(tmp_path / "home", settings) as server:
        await ingest(server, LEAVE, "c")
        server.model.script = say("Employees may take 30 days of unpaid leave. ")
        yield server


def assert_disputed(conflicts):
    (conflict,) = conflicts
    assert conflict["kind"] == "value"
    assert [(p["n"], p["says"], p["document"], p["date"]) for p in conflict["positions"]] == [
        (2, "45 days", "new.md", "2024-03-01"),
        (1, "30 days", "old.md", "2022-03-01"),
    ]


async def test_a_whole_answer_tells_that_its_sources_disagree(server):
    status, answer = await server.post("/api/v1/ask", {"question": QUESTION, **GROUNDED})
    assert status == 200 and answer["answer"].endswith(NOTE)
    assert_disputed(answer["conflicts"])
    assert {c["n"]: c["document"] for c in answer["citations"]} == {1: "old.md", 2: "new.md"}
    assert answer["progress"] is None


async def test_so_does_a_stream_and_a_stored_message(server):
    events = await server.events("/api/v1/ask", {"question": QUESTION, "stream": True, **GROUNDED})
    kinds = [kind for kind, _ in events]
    assert kinds.index("cited") < kinds.index("disputed") < kinds.index("finished")
    assert_disputed(dict(events)["disputed"]["conflicts"])
    _, conversation = await server.post("/api/v1/conversations", {"collection": "c"})
    path = f"/api/v1/conversations/{conversation['id']}"
    await server.events(f"{path}/messages", {"content": QUESTION, "threshold": 0.0})
    _, tree = await server.get(path)
    assert_disputed(tree["messages"][-1]["conflicts"])
    assert tree["messages"][0]["conflicts"] == []


async def test_so_do_the_doors_of_others(server):
    asked = {"messages": [{"role": "user", "content": QUESTION}], "model": "default", "guru": GROUNDED}
    _, openai = await server.post("/v1/chat/completions", asked)
    assert_disputed(openai["guru"]["conflicts"])
    _, anthropic = await server.post("/v1/messages", asked | {"max_tokens": 100})
    assert_disputed(anthropic["guru"]["conflicts"])
    _, ollama = await server.post("/api/chat", asked | {"stream": False})
    assert_disputed(ollama["guru"]["conflicts"])
    _, responses = await server.post("/v1/responses", {"model": "default", "input": QUESTION, "guru": GROUNDED})
    assert_disputed(responses["guru"]["conflicts"])


async def test_a_citation_is_there_while_the_model_still_writes(server):
    """Each sentence is checked and shown as soon as it has ended; nothing waits for the end of the answer."""
    server.model.script = [
        Delta(text="Employees may take 30 days of unpaid leave. Employees may "),
        60,
        Delta(text="take 45 days of unpaid leave."),
    ]
    body = {"question": QUESTION, "stream": True, **GROUNDED}
    async with asyncio.timeout(20), server.session.post(server.url + "/api/v1/ask", json=body) as response:
        text = ""
        while "event: cited" not in text:
            text += (await response.content.readany()).decode()
    shown = "".join(data["text"] for kind, data in parse_events(text) if kind == "delta")
    assert shown.strip() == "Employees may take 30 days of unpaid leave [1]."
    assert not any(kind == "finished" for kind, _ in parse_events(text))
    async with asyncio.timeout(10):
        while not server.model.cancelled:
            await asyncio.sleep(0.01)


async def test_many_documents_are_answered_from_by_every_door(server):
    asked = {"question": QUESTION, "collection": "c", "strategy": "map_reduce"}
    server.model.script = [
        Delta(text="Employees may take 30 days of unpaid leave. Employees may take 45 days of unpaid leave."),
        Finished("stop"),
        Completed(model="test/scripted", usage=Usage(1, 1)),
    ]
    status, answer = await server.post("/api/v1/ask", asked)
    assert status == 200, answer
    assert answer["outcome"] == "answered"
    assert {citation["document"] for citation in answer["citations"]} == {"old.md", "new.md"}
    progress = {"stage": "reduce", "done": 2, "total": 2, "answered": 2, "unread": []}
    assert {name: answer["progress"][name] for name in progress} == progress
    events = await server.events("/api/v1/ask", asked | {"stream": True})
    assert next(data["done"] for kind, data in events if kind == "progress") == 0
    openai = {"model": "default", "messages": [{"role": "user", "content": QUESTION}]}
    _, completion = await server.post(
        "/v1/chat/completions", openai | {"guru": {"collection": "c", "strategy": "map_reduce"}}
    )
    assert completion["guru"]["progress"] == progress


async def test_documents_beyond_the_limit_are_named(server):
    server.services.settings.knowledge.map_reduce.documents = 1
    asked = {"question": QUESTION, "collection": "c", "strategy": "map_reduce"}
    _, answer = await server.post("/api/v1/ask", asked)
    (unread,) = answer["progress"]["unread"]
    assert unread["document"] in LEAVE and "More than 1 documents" in unread["reason"]
    assert f"Not read: {unread['document']}." in answer["answer"]


async def test_a_strategy_that_there_is_not_is_refused(server):
    status, body = await server.post("/api/v1/ask", {"question": "?", "collection": "c", "strategy": "refine"})
    assert status == 400 and "strategy" in str(body)
