"""Topics, a map, anomalies and summaries through the door."""

import pytest

from guru.errors import ModelError
from scripted import parse_events, run_server, say
from server.test_documents_api import ingest

NOTES = {
    "sea.md": b"# The sea\n\nThe harbour opens at seven in the morning.\n\nThe harbour's ferry costs nine francs.\n",
    "boats.md": b"# Boats\n\nThe ferry leaves the harbour at seven. A ticket of the ferry costs nine francs.\n",
    "hills.txt": b"The hut on the hill has twelve beds. Dogs of the guests sleep outside in the shed.\n",
    "huts.txt": b"Every hut on the hill has beds and a shed. Guests of the hut bring their own dogs.\n",
}
PATH = "/api/v1/collections/notes"


@pytest.fixture
async def server(tmp_path):
    async with run_server(tmp_path / "home") as running:
        await ingest(running, NOTES)
        yield running


async def finish(server, path, body):
    status, begun = await server.post(path, body)
    assert status == 202, begun
    async with server.session.get(f"{server.url}/api/v1/jobs/{begun['job']['id']}/events") as response:
        return parse_events(await response.text())[-1][1]


async def test_topics_are_told_with_words_and_typical_documents(server):
    status, found = await server.get(f"{PATH}/topics", params={"count": 2, "typical": 1})
    assert (status, found["unit"], found["count"], len(found["topics"])) == (200, "documents", 4, 2)
    names = [{"sea.md", "boats.md"}, {"hills.txt", "huts.txt"}]
    assert all(any(topic["typical"][0]["name"] in pair for pair in names) for topic in found["topics"])
    assert await server.post(f"{PATH}/topics", {"count": 2, "typical": 1}) == (200, found)
    only = {"filter": {"document": {"prefix": "h"}}, "unit": "passages", "count": 1}
    _, few = await server.post(f"{PATH}/topics", only)
    assert few["count"] == 2
    assert "hut" in few["topics"][0]["words"]


async def test_a_map_and_anomalies(server):
    status, drawn = await server.get(f"{PATH}/map", params={"count": 2})
    assert (status, len(drawn["dots"]), len(drawn["topics"]["topics"])) == (200, 4, 2)
    assert await server.post(f"{PATH}/map", {"count": 2}) == (200, drawn)
    status, unusual = await server.get(f"{PATH}/anomalies")
    assert (status, unusual["count"], unusual["anomalies"]) == (200, 4, [])
    assert "Too few" in unusual["note"]
    assert (await server.post(f"{PATH}/anomalies", {"limit": 5}))[1] == unusual


@pytest.mark.parametrize("what", ["topics", "map", "anomalies"])
async def test_what_cannot_be_is_refused_with_a_reason(server, what):
    assert (await server.get(f"/api/v1/collections/none/{what}"))[0] == 404
    for body in ({"seed": -1}, {"filter": {"colour": 1}}, {"colour": "red"}):
        status, answer = await server.post(f"{PATH}/{what}", body)
        assert (status, bool(answer["error"]["message"])) == (400, True)


async def test_a_summary_of_the_model_holds_what_the_documents_say(server):
    server.model.script = say("The ferry costs nine francs. The ferry was built by Napoleon in 1805.")
    job = await finish(server, f"{PATH}/summary", {"sentences": 3})
    assert (job["status"], job["kind"], job["collection"], job["progress"]["done"]) == ("done", "summary", "notes", 4)
    summary = job["result"]["summary"]
    assert (summary["method"], summary["model"], summary["documents"]) == ("model", "test/scripted", 4)
    assert summary["text"] == "The ferry costs nine francs."
    assert "The ferry was built by Napoleon in 1805." in summary["dropped"]
    assert {source["document"] for source in summary["sentences"][0]["sources"]} <= {"sea.md", "boats.md"}
    _, traces = await server.get("/api/v1/traces")
    assert {trace["route"] for trace in traces["traces"]} == {"collections.summary"}


async def test_a_summary_of_one_document_in_its_own_words(server):
    _, listed = await server.get(f"{PATH}/documents")
    ids = {item["name"]: item["id"] for item in listed["documents"]}
    body = {"method": "extractive", "sentences": 1}
    job = await finish(server, f"/api/v1/documents/{ids['hills.txt']}/summary", body)
    (sentence,) = job["result"]["summary"]["sentences"]
    assert sentence["text"].encode() in NOTES["hills.txt"]
    assert server.model.requests == []
    assert (await server.post("/api/v1/documents/doc_none/summary", {}))[0] == 404


async def test_a_summary_that_cannot_be_is_refused_and_one_that_fails_says_why(server):
    assert (await server.post("/api/v1/collections/none/summary", {}))[0] == 404
    status, answer = await server.post(f"{PATH}/summary", {"model": "test/nothing"})
    assert (status, "test/nothing" in answer["error"]["message"]) == (404, True)
    assert (await server.post(f"{PATH}/summary", {"sentences": 0}))[0] == 400
    server.model.script = [ModelError("It is broken.")]
    job = await finish(server, f"{PATH}/summary", {})
    assert (job["status"], "broken" in job["error"]) == ("failed", True)
