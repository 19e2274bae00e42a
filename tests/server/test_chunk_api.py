"""How a text, a file or a document would be cut; and how collections choose it."""

import aiohttp
import pytest

from scripted import run_server
from server.test_documents_api import ingest

TEXT = "# The sea\n\nThe harbour opens at seven.\n\n# The hills\n\nThe hut has twelve beds.\n"


@pytest.fixture
async def server(tmp_path):
    async with run_server(tmp_path / "home") as running:
        yield running


async def test_a_text_is_cut_and_nothing_is_stored(server):
    status, body = await server.post("/api/v1/chunk", {"text": TEXT, "strategy": "heading"})
    assert status == 200
    assert [chunk["heading_path"] for chunk in body["chunks"]] == [["The sea"], ["The hills"]]
    for chunk in body["chunks"]:
        assert TEXT[chunk["start"] : chunk["end"]] == chunk["text"]
    assert (body["strategy"], body["document"], body["characters"]) == ("heading", "text.md", len(TEXT))
    _, collections = await server.get("/api/v1/collections")
    assert collections["collections"] == []


async def test_overlap_and_parents_are_told(server):
    text = " ".join(f"Wave {n} comes and goes." for n in range(40))
    sizes = {"text": text, "chunk_tokens": 30, "chunk_overlap": 10}
    _, body = await server.post("/api/v1/chunk", {**sizes, "strategy": "fixed"})
    first, second = body["chunks"][:2]
    assert first["shared"] == 0 and second["shared"] == first["end"] - second["start"] > 0
    _, body = await server.post("/api/v1/chunk", {**sizes, "strategy": "hierarchical", "parent_tokens": 90})
    assert all(chunk["parent"]["end"] - chunk["parent"]["start"] > 200 for chunk in body["chunks"][:4])


async def test_a_file_is_parsed_in_a_form(server):
    form = aiohttp.FormData({"strategy": "code", "chunk_tokens": "30"})
    form.add_field("file", b"def f():\n    return 1\n\n\ndef g():\n    return 2\n" * 4, filename="waves.py")
    status, body = await server.request("POST", "/api/v1/chunk", data=form)
    assert status == 200 and body["document"] == "waves.py" and body["warnings"] == []
    assert all(chunk["text"].startswith("def ") for chunk in body["chunks"]) and len(body["chunks"]) > 1


async def test_a_stored_document_is_cut_as_its_collection_says(server):
    await server.post("/api/v1/collections", {"name": "notes", "chunking": "sentence", "chunk_tokens": 20})
    await ingest(server)
    _, listed = await server.get("/api/v1/collections/notes/documents")
    wanted = listed["documents"][0]["id"]
    _, body = await server.post("/api/v1/chunk", {"document_id": wanted})
    _, stored = await server.get(f"/api/v1/documents/{wanted}/chunks")
    places = [(chunk["start"], chunk["end"], chunk["tokens"]) for chunk in stored["chunks"]]
    assert [(chunk["start"], chunk["end"], chunk["tokens"]) for chunk in body["chunks"]] == places
    assert (body["strategy"], body["chunk_tokens"]) == ("sentence", 20)
    _, body = await server.post("/api/v1/chunk", {"document_id": wanted, "strategy": "fixed"})
    assert (body["strategy"], body["chunk_tokens"]) == ("fixed", 20)


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 400, "text"),
        ({"text": "a", "document_id": "doc_1"}, 400, "text"),
        ({"text": "a", "strategy": "best"}, 400, "strategy"),
        ({"text": "a", "chunk_tokens": 0}, 400, "chunk_tokens"),
        ({"text": "a", "chunk_tokens": 100_000}, 400, "chunk_tokens"),
        ({"text": "a", "name": "../a.md"}, 400, "name"),
        ({"document_id": "doc_none"}, 404, None),
        ({"text": "a" * 500_001}, 400, "text"),
    ],
)
async def test_what_cannot_be_cut_is_refused(server, body, status, param):
    answered, error = await server.post("/api/v1/chunk", body)
    assert (answered, error["error"]["param"]) == (status, param)
    assert error["error"]["hint"]


async def test_a_collection_is_configured(server):
    _, made = await server.post("/api/v1/collections", {"name": "notes"})
    assert made["own"] == [] and made["settings"]["chunking"] == "recursive"
    status, changed = await server.request(
        "PATCH", "/api/v1/collections/notes", json={"chunking": "heading", "chunk_overlap": 0}
    )
    assert status == 200
    assert changed["own"] == ["chunk_overlap", "chunking"] and changed["settings"]["chunking"] == "heading"
    _, changed = await server.request("PATCH", "/api/v1/collections/notes", json={"chunking": None})
    assert changed["own"] == ["chunk_overlap"] and changed["settings"]["chunking"] == "recursive"
    for body in ({"chunking": "best"}, {"chunk_tokens": 100_000}, {"size": 3}):
        status, error = await server.request("PATCH", "/api/v1/collections/notes", json=body)
        assert status == 400 and error["error"]["param"] in {*body}
    status, _ = await server.request("PATCH", "/api/v1/collections/none", json={"chunking": "fixed"})
    assert status == 404
