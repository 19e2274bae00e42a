"""`guru store transfer COLLECTION`, over a server that speaks Qdrant's protocol; killed in the middle, too."""

import time

import pytest

from knowledge.index.external.kinds import place_of
from running import run, run_json, serving

QUESTION = {"query": "How hot is green tea brewed?"}


@pytest.fixture
def qdrant(home, tmp_path):
    with place_of("qdrant", tmp_path) as place:
        url = place.settings.qdrant.url
        (home / "guru.toml").write_text(f'[knowledge.qdrant]\nurl = "{url}"\n')
        yield place


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "tea.md").write_text("Green tea is brewed at 75 degrees.")
    for number in range(500):
        (folder / f"{number}.md").write_text(f"The pump P-{number} is in hall {number % 7}.")
    return folder


def held(place):
    return sum(len(it["points"]) for it in place.shelf.collections.values())


def test_an_index_moves_through_a_kill_and_back_and_is_searched_all_the_time(home, qdrant, folder):
    with serving(home) as server:
        run(home, "ingest", folder, "-c", "notes")
        qdrant.shelf.fault = lambda name: time.sleep(30 if qdrant.shelf.calls.count("upsert") > 2 else 0)
        server.post("/api/v1/collections/notes/transfer", {"to": "qdrant"})
        while qdrant.shelf.calls.count("upsert") < 3:
            time.sleep(0.05)
        answer = server.post("/api/v1/collections/notes/search", QUESTION)
        assert answer["results"][0]["document"] == "tea.md"
        assert server.get("/api/v1/collections/notes")["index"] == "embedded"
        server.kill()
    qdrant.shelf.fault = None
    assert 0 < held(qdrant) < 501
    with serving(home) as server:
        while server.get("/api/v1/collections/notes")["index"] == "embedded":
            assert server.post("/api/v1/collections/notes/search", QUESTION)["results"][0]["document"] == "tea.md"
            time.sleep(0.2)
        assert held(qdrant) == 501
        answer = server.post("/api/v1/collections/notes/search", QUESTION)
        assert (answer["results"][0]["document"], answer["notes"]) == ("tea.md", [])
        assert qdrant.shelf.calls[-1] == "search"

        moved = run_json(home, "store", "transfer", "notes", "--to", "embedded")
        assert (moved["from"], moved["to"], moved["passages"]) == ("qdrant", "embedded", 501)
        assert held(qdrant) == 0
        said = run(home, "store", "transfer", "notes", "--to", "qdrant").stdout
        assert "moved from embedded to qdrant: 501 passages" in said and moved["checksum"] in said

        qdrant.shelf.fault = lambda name: 1 / 0  # the connection ends without an answer
        answer = server.post("/api/v1/collections/notes/search", QUESTION)
        assert answer["results"][0]["document"] == "tea.md"
        assert "looked for here instead" in answer["notes"][0]


def test_what_is_wrong_with_a_store_is_said_by_the_doctor_and_the_check(home, qdrant):
    finding = {item["check"]: item for item in run_json(home, "doctor")["findings"]}["qdrant"]
    assert (finding["state"], finding["detail"]) == ("ok", "Qdrant 1.16.0 answers.")
    checked = run_json(home, "config", "check")["findings"]
    assert next(item for item in checked if item["place"] == "knowledge.qdrant")["level"] == "ok"
    (home / "guru.toml").write_text('[knowledge.qdrant]\nurl = "http://127.0.0.1:9"\n')
    finding = {item["check"]: item for item in run_json(home, "doctor")["findings"]}["qdrant"]
    assert finding["state"] == "warning" and "Check its url" in finding["advice"]
    (home / "guru.toml").write_text('[knowledge]\nindex = "pinecone"\n')
    said = run(home, "config", "check", "--offline", check=False)
    assert said.returncode == 1 and "Nothing says where Pinecone is" in said.stdout


def test_a_store_that_is_not_configured_is_refused(home, folder):
    (folder / "tea.md").rename(home / "tea.md")
    run(home, "ingest", home / "tea.md", "-c", "notes")
    refused = run(home, "store", "transfer", "notes", "--to", "weaviate", check=False)
    assert refused.returncode == 1 and "[knowledge.weaviate] url" in refused.stderr
    refused = run(home, "store", "transfer", "notes", check=False)
    assert refused.returncode == 2 and "--to" in refused.stderr
