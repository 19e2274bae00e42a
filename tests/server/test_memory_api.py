"""Memories through their API: see, search, add, correct, erase, take along."""

import asyncio
import json

import pytest

from guru.config import ServerSettings, Settings
from guru.gateway.identity import Caller
from guru.gateway.identity.records import Key, User
from scripted import run_server

PATH = "/api/v1/memories"


@pytest.fixture
async def server(tmp_path):
    async with run_server(tmp_path / "home") as running:
        yield running


async def add(server, text, **more):
    status, kept = await server.post(PATH, {"text": text} | more)
    assert status == 201, kept
    return kept


async def test_a_memory_is_added_shown_corrected_and_forgotten(server):
    kept = await add(server, "I live in Hamburg.", importance=0.9)
    memory = kept["memory"]
    assert (kept["outcome"], memory["kind"], memory["by"], memory["importance"]) == ("added", "user", "person", 0.9)
    status, shown = await server.get(f"{PATH}/{memory['id']}")
    assert (status, shown["text"], shown["versions"]) == (200, "I live in Hamburg.", [])
    status, changed = await server.request("PATCH", f"{PATH}/{memory['id']}", json={"text": "I live in Altona."})
    assert (status, changed["text"], changed["id"]) == (200, "I live in Altona.", memory["id"])
    assert await server.request("DELETE", f"{PATH}/{memory['id']}") == (200, {"forgotten": 1})
    for method in ("GET", "PATCH", "DELETE"):
        status, _ = await server.request(method, f"{PATH}/{memory['id']}", json={})
        assert status == 404


async def test_what_contradicts_replaces_and_the_list_shows_it_when_asked(server):
    await add(server, "I live in Hamburg.")
    kept = await add(server, "I moved to Lisbon.")
    assert (kept["outcome"], [old["text"] for old in kept["replaced"]]) == ("replaced", ["I live in Hamburg."])
    _, page = await server.get(PATH)
    assert ([memory["text"] for memory in page["memories"]], page["total"]) == (["I moved to Lisbon."], 1)
    _, page = await server.get(f"{PATH}?superseded=true")
    assert [memory["superseded_by"] for memory in page["memories"]] == [None, kept["memory"]["id"]]
    _, shown = await server.get(f"{PATH}/{kept['memory']['id']}")
    assert [old["text"] for old in shown["versions"]] == ["I live in Hamburg."]


async def test_a_search_finds_and_says_why(server):
    await add(server, "My dog is called Rex.")
    await add(server, "The deadline of Apollo is Friday.", kind="fact")
    _, page = await server.get(f"{PATH}?q=my dog is called what")
    first = page["memories"][0]
    assert first["text"] == "My dog is called Rex."
    assert set(first["scores"]) == {"relevance", "recency", "importance", "total"} and "relevant" in first["why"]
    _, page = await server.get(f"{PATH}?q=my dog is called what&kind=episode")
    assert page["memories"] == []
    _, page = await server.get(f"{PATH}?kind=fact")
    assert [memory["kind"] for memory in page["memories"]] == ["fact"]


async def test_pages_follow_each_other(server):
    for animal in ("dog", "cat", "horse"):
        await add(server, f"My {animal} is called Rex.")
    _, first = await server.get(f"{PATH}?limit=2")
    _, second = await server.get(PATH, params={"limit": 2, "before": first["next"]})
    assert [len(page["memories"]) for page in (first, second)] == [2, 1]
    assert second["next"] is None and first["total"] == second["total"] == 3


async def test_everything_can_be_taken_along_and_erased(server):
    await add(server, "I live in Hamburg.")
    await add(server, "I moved to Lisbon.")
    status, export = await server.get(f"{PATH}/export")
    assert (status, export["person"]) == (200, "owner")
    assert [memory["text"] for memory in export["memories"]] == ["I live in Hamburg.", "I moved to Lisbon."]
    assert await server.request("DELETE", PATH) == (200, {"forgotten": 2})
    assert (await server.get(PATH))[1]["total"] == 0


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"text": ""}, "text"), ({"text": "x" * 1001}, "text"), ({}, "text"),
        ({"text": "x", "kind": "summary"}, "kind"),
        ({"text": "x", "importance": 2}, "importance"), ({"text": "x", "owner": "user:bob"}, "owner"),
    ],
)  # fmt: skip
async def test_what_cannot_be_kept_is_refused(server, body, param):
    status, answer = await server.post(PATH, body)
    assert (status, answer["error"]["param"]) == (400, param)
    assert (await server.get(PATH))[1]["total"] == 0


@pytest.mark.parametrize("query", ["limit=0", "kind=other", "before=x", "q=a&before=1~x", "q=a&superseded=true", "x=1"])
async def test_a_query_that_makes_no_sense_is_refused(server, query):
    assert (await server.get(f"{PATH}?{query}"))[0] == 400


async def test_many_at_once_of_the_same_become_one(server):
    await asyncio.gather(*(add(server, "I live in Hamburg.") for _ in range(12)))
    _, page = await server.get(PATH)
    assert [(memory["text"], memory["repeats"]) for memory in page["memories"]] == [("I live in Hamburg.", 11)]


async def test_administrators_erase_and_do_not_read(tmp_path):
    async with run_server(tmp_path / "home", Settings(server=ServerSettings(require_key=True))) as server:
        boss = Caller(tenant="local", route="", trace_id="", role="admin")
        await server.services.changes.create_user(boss, User(tenant="local", name="ann"))
        headers = {}
        for name, values in {"ann": {"user": "ann"}, "bob": {}, "boss": {"role": "admin"}}.items():
            wanted = Key(id="", tenant="local", name=name, hash=b"", **values)
            _, secret = await server.services.changes.create_key(boss, wanted)
            headers[name] = {"authorization": f"Bearer {secret}"}
        kept = (await server.post(PATH, {"text": "I live in Hamburg."}, headers=headers["ann"]))[1]["memory"]["id"]
        for name in ("bob", "boss"):
            assert (await server.get(f"{PATH}/{kept}", headers=headers[name]))[0] == 404
            assert "Hamburg" not in json.dumps(await server.get(f"{PATH}/export", headers=headers[name]))
        whose = {"params": {"person": "user:ann"}}
        assert (await server.request("DELETE", PATH, headers=headers["bob"], **whose))[0] == 403
        assert (await server.get(PATH, headers=headers["ann"]))[1]["total"] == 1
        assert await server.request("DELETE", PATH, headers=headers["boss"], **whose) == (200, {"forgotten": 1})
        assert (await server.get(PATH, headers=headers["ann"]))[1]["total"] == 0
        entry = (await server.get("/api/v1/audit", headers=headers["boss"]))[1]["entries"][0]
        assert (entry["action"], entry["subject"]) == ("memories.forget", "user:ann")
        assert "Hamburg" not in json.dumps(entry)
