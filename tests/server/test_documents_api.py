"""From an upload to a search, a cited answer, and the passage in its document."""

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.errors import InvalidParameter
from guru.server.uploads import relative_name
from knowledge.parse.writing import package
from scripted import parse_events, run_server, say

NOTES = {
    "guide/sea.md": b"# The sea\n\nThe harbour opens at seven in the morning.\n\nThe ferry costs nine francs.\n",
    "hills.txt": b"The hut on the hill has twelve beds. Dogs sleep outside.\n",
}


@pytest.fixture
async def server(tmp_path):
    async with run_server(tmp_path / "home") as running:
        yield running


def form(files):
    data = aiohttp.FormData(quote_fields=False)
    for name, content in files.items():
        data.add_field("files", content, filename=name)
    return data


async def ingest(server, files=NOTES, collection="notes", prune=False):
    """Upload and wait; the job as it ended."""
    path = f"/api/v1/collections/{collection}/documents" + ("?prune=true" if prune else "")
    status, body = await server.request("POST", path, data=form(files))
    assert status == 202, body
    async with server.session.get(f"{server.url}/api/v1/jobs/{body['job']['id']}/events") as response:
        events = parse_events(await response.text())
    assert [name for name, _ in events if name != "progress"] == ["done"]
    return events[-1][1]


async def test_uploaded_files_become_documents(server):
    job = await ingest(server)
    assert (job["status"], job["collection"], job["result"]["documents"]) == ("done", "notes", 2)
    _, body = await server.get("/api/v1/collections/notes/documents")
    assert [document["name"] for document in body["documents"]] == ["guide/sea.md", "hills.txt"]
    _, collection = await server.get("/api/v1/collections/notes")
    assert (collection["documents"], collection["embedding_model"]) == (2, "test/words")
    _, jobs = await server.get("/api/v1/jobs", params={"collection": "notes"})
    assert [item["id"] for item in jobs["jobs"]] == [job["id"]]


async def test_an_uploaded_archive_becomes_a_document_for_each_member(server):
    def archive(*names):
        return {"papers.zip": package({name: f"About {name}, with words.".encode() for name in names})}

    await ingest(server, archive("a.txt", "in/b.txt"))
    _, body = await server.get("/api/v1/collections/notes/documents")
    assert [document["name"] for document in body["documents"]] == ["papers.zip/a.txt", "papers.zip/in/b.txt"]
    job = await ingest(server, archive("a.txt"), prune=True)
    assert (job["result"]["skipped"], job["result"]["removed"]) == (1, 1)


async def test_a_search_finds_the_passage_and_its_place(server):
    await ingest(server)
    _, body = await server.post("/api/v1/collections/notes/search", {"query": "ferry costs", "k": 1, "explain": True})
    (hit,) = body["results"]
    assert hit["document"] == "guide/sea.md"
    assert hit["stages"]
    assert body["timings"]["total"] > 0
    _, text = await server.get(f"/api/v1/documents/{hit['document_id']}/text?start={hit['start']}&end={hit['end']}")
    assert text["text"] == hit["text"]


async def test_an_answer_carries_citations_that_hold(server):
    await ingest(server)
    server.model.script = say("The ferry costs nine francs [1].")
    status, answer = await server.post("/api/v1/ask", {"question": "What does the ferry cost?", "collection": "notes"})
    assert status == 200
    assert answer["outcome"] in ("answered", "quoted")
    (citation,) = answer["citations"]
    place = f"start={citation['start']}&end={citation['end']}"
    _, text = await server.get(f"/api/v1/documents/{citation['document_id']}/text?{place}")
    assert text["text"] == citation["quote"]
    assert "nine francs" in citation["quote"]
    _, trace = await server.get(f"/api/v1/traces/{answer['trace_id']}")
    names = [span["name"] for span in trace["spans"]]
    assert names == ["ask", "retrieve", "cite", "chat test/scripted"]
    by_name = {span["name"]: span["attributes"] for span in trace["spans"]}
    assert by_name["retrieve"]["gen_ai.retrieval.documents"][0]["stages"]
    assert "ferry" in str(by_name["chat test/scripted"]["gen_ai.input.messages"])
    assert by_name["cite"]["guru.answer.citations"][0]["quote"] == citation["quote"]


async def test_a_streamed_answer_shows_its_steps(server):
    await ingest(server)
    server.model.script = say("The ferry costs ", "nine francs [1].")
    body = {"question": "What does the ferry cost?", "collection": "notes", "stream": True}
    events = await server.events("/api/v1/ask", body)
    names = [name for name, _ in events]
    assert names[:2] == ["started", "retrieved"]
    assert names[-2:] == ["completed", "done"]
    assert "cited" in names
    completed = dict(events)["completed"]
    assert {"total", "first_token"} <= set(completed["timings"])


async def test_a_chat_is_grounded_through_openais_api(server):
    await ingest(server)
    server.model.script = say("The ferry costs nine francs [1].")
    answer = await server.openai.chat.completions.create(
        model="default",
        messages=[{"role": "user", "content": "What does the ferry cost?"}],
        extra_body={"guru": {"collection": "notes"}},
    )
    assert "nine francs" in answer.choices[0].message.content
    assert answer.guru["citations"][0]["document"] == "guide/sea.md"


async def test_an_unknown_collection_is_an_error_before_anything_is_sent(server):
    body = {"question": "Why?", "collection": "nothing", "stream": True}
    status, answer = await server.post("/api/v1/ask", body)
    assert (status, answer["error"]["param"]) == (404, "collection")


async def test_a_number_of_a_page_that_is_no_number_is_nowhere(server, caplog):
    for number in ("9" * 5000, "x", "-1"):
        status, body = await server.get(f"/api/v1/documents/doc_1/pages/{number}.png")
        assert (status, body["error"]["code"]) == (404, "not_found")
    assert not caplog.records


async def test_a_document_can_be_looked_at_and_removed(server):
    await ingest(server)
    _, body = await server.get("/api/v1/collections/notes/documents?limit=1")
    assert body["next"]
    path = f"/api/v1/documents/{body['documents'][0]['id']}"
    _, detail = await server.get(path)
    assert detail["headings"][0]["title"] == "The sea"
    _, chunks = await server.get(f"{path}/chunks")
    assert chunks["chunks"][0]["text"].startswith("# The sea")
    async with server.session.get(f"{server.url}{path}/file") as response:
        assert await response.read() == NOTES["guide/sea.md"]
        assert "sandbox" in response.headers["content-security-policy"]
        assert "sea.md" in response.headers["content-disposition"]
    assert (await server.get(f"{path}/highlight?start=0&end=5"))[0] == 400
    assert (await server.request("DELETE", path))[0] == 204
    assert (await server.get(path))[0] == 404


async def test_files_on_the_servers_disk_are_ingested(server, tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_text("Apples are red.")
    status, body = await server.post("/api/v1/collections/disk/ingest", {"paths": [str(tmp_path / "files")]})
    assert status == 202
    async with server.session.get(f"{server.url}/api/v1/jobs/{body['job']['id']}/events") as response:
        await response.text()
    assert (await server.get("/api/v1/collections/disk"))[1]["documents"] == 1
    assert (await server.post("/api/v1/collections/disk/ingest", {"paths": ["relative"]}))[0] == 400


async def test_an_upload_cannot_name_a_place_elsewhere(server):
    status, body = await server.request("POST", "/api/v1/collections/notes/documents", data=form({"../a": b"text"}))
    assert (status, body["error"]["param"]) == (400, "files")


@pytest.mark.parametrize("name", ["", ".", "..", "/", "a/../../b.txt", "..\\b.txt", "x" * 2000, "bad\x01name.txt"])
def test_names_that_are_refused(name):
    with pytest.raises(InvalidParameter):
        relative_name(name)


@given(st.text(alphabet=st.sampled_from("./\\\\ab\x00é"), max_size=30))
def test_no_name_leaves_its_place(name):
    try:
        stored = relative_name(name)
    except InvalidParameter:
        return
    assert stored == relative_name(stored)
    assert not stored.startswith("/")
    assert ".." not in stored.split("/")


@pytest.mark.parametrize(
    ("name", "stored"),
    [("/etc/a.txt", "etc/a.txt"), ("a\\b.txt", "a/b.txt"), ("./a//b.txt", "a/b.txt"), ("100%.md", "100%.md")],
)
def test_names_that_are_made_relative(name, stored):
    assert relative_name(name) == stored


@pytest.mark.parametrize(
    ("data", "headers"),
    [
        (b"text", {"content-type": "text/plain"}),
        (b"garbage", {"content-type": "multipart/form-data; boundary=x"}),
        (b"", {"content-type": "multipart/form-data"}),
        (b"--x\r\ncontent-disposition: form-data; name=other\r\n\r\nv\r\n--x--\r\n",
         {"content-type": "multipart/form-data; boundary=x"}),
    ],
)  # fmt: skip
async def test_a_body_that_is_no_upload_is_refused(server, data, headers):
    status, body = await server.request("POST", "/api/v1/collections/notes/documents", data=data, headers=headers)
    assert (status, body["error"]["type"]) == (400, "invalid_request_error")


async def test_a_collection_is_made_once_and_deleted(server):
    assert (await server.post("/api/v1/collections", {"name": "notes"}))[0] == 201
    assert (await server.post("/api/v1/collections", {"name": "notes"}))[0] == 409
    assert (await server.post("/api/v1/collections", {"name": "No Good"}))[0] == 400
    assert (await server.request("DELETE", "/api/v1/collections/notes"))[0] == 204
    assert (await server.request("DELETE", "/api/v1/collections/notes"))[0] == 404


async def test_documents_that_are_alike_are_found(server):
    text = b" ".join(b"Bed %d of the hut stands by window %d." % (n, n) for n in range(30))
    await ingest(server, NOTES | {"copy.txt": text, "copies/again.txt": text + b" And that is all."})
    _, body = await server.get("/api/v1/collections/notes/duplicates")
    (group,) = body["groups"]
    assert body["documents"] == 4
    assert {group["name"], group["duplicates"][0]["name"]} == {"copy.txt", "copies/again.txt"}
    status, body = await server.get(f"/api/v1/documents/{group['id']}/similar?k=2")
    assert (status, len(body["documents"])) == (200, 2)
    assert body["documents"][0]["id"] == group["duplicates"][0]["id"]
    assert (await server.get("/api/v1/collections/notes/duplicates?threshold=0.1"))[0] == 400
    assert (await server.get("/api/v1/collections/nothing/duplicates"))[0] == 404
    assert (await server.get("/api/v1/documents/doc_x/similar"))[0] == 404
