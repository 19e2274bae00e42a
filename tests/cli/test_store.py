"""`guru store`, and servers that share a PostgreSQL."""

import time

import pytest

from running import make_home, run, run_json, serving


@pytest.fixture
def url(postgresql):
    """Of an empty database."""
    made = postgresql.make()
    yield made
    postgresql.drop(made)


def configure(home, url, blobs=None):
    shared = f'blobs = "{blobs}"\n' if blobs else ""
    (home / "guru.toml").write_text(f'[store]\nurl = "{url}"\n{shared}')


def write(folder, name, text):
    (folder / name).write_text(text)
    return folder / name


def found(answer):
    return [hit["document"] for hit in answer["results"]]


def test_rows_move_to_postgresql_where_two_servers_share_them_and_back(home, url, tmp_path):
    run(home, "ingest", write(tmp_path, "tea.md", "Green tea is brewed at 75 degrees."), "-c", "notes")
    assert run_json(home, "store", "status")["rows"]["chunks"] == 1
    report = run_json(home, "store", "transfer", "--to", url)
    assert next(item["rows"] for item in report["tables"] if item["table"] == "chunks") == 1

    other = make_home(tmp_path / "other")
    for each in (home, other):
        configure(each, url, home / "blobs")
    with serving(home) as one, serving(other) as two:
        query = {"query": "How hot is green tea brewed?"}
        assert found(two.post("/api/v1/collections/notes/search", query)) == ["tea.md"]
        run(home, "ingest", write(tmp_path, "cups.md", "Green tea is brewed in small cups."), "-c", "notes")
        assert set(found(two.post("/api/v1/collections/notes/search", query))) == {"tea.md", "cups.md"}
        document = next(d for d in run_json(home, "collections", "show", "notes")["documents"] if d["name"] == "tea.md")
        assert b"75 degrees" in two.read(f"/api/v1/documents/{document['id']}/file")
        status = one.get("/api/v1/store")
        assert status["place"].startswith("postgresql://postgres@")
        assert (status["rows"]["documents"], status["blob_files"]) == (2, 2)
        assert status["index"]["kind"] == "pgvector"
        while one.get("/api/v1/store")["index"]["passages"] != 2:  # another server may be the one that keeps it
            time.sleep(0.2)
        assert set(found(one.post("/api/v1/collections/notes/search", query))) == {"tea.md", "cups.md"}
        assert "Index: pgvector 0." in run(home, "store", "status").stdout
        running = run(home, "store", "transfer", "--to", "home", check=False)
        assert running.returncode == 1
        assert "Stop it first" in running.stderr

    (home / "guru.db").rename(home / "old.db")
    said = run(home, "store", "transfer", "--to", "home")
    assert "copying chunks: 2 rows" in said.stderr
    assert "both have the same counts and checksums" in said.stdout
    (home / "guru.toml").unlink()
    assert set(found(run_json(home, "search", query["query"], "-c", "notes"))) == {"tea.md", "cups.md"}


def test_a_store_that_is_full_or_nowhere_is_refused_in_words(home, url):
    assert "--to STORE" in run(home, "store", "transfer", check=False).stderr
    assert "There is no database" in run(home, "store", "transfer", "--to", url, check=False).stderr
    away = "postgresql://ann:s3cret@127.0.0.1:1/guru"
    refused = run(home, "store", "transfer", "--from", away, check=False)
    assert (refused.returncode, "s3cret" in refused.stderr) == (1, False)
    assert "See that PostgreSQL runs" in refused.stderr
    assert "GURU_NOWHERE is not set" in run(home, "store", "transfer", "--to", "env:GURU_NOWHERE", check=False).stderr


def test_the_configuration_and_the_doctor_say_what_is_wrong(home, url):
    configure(home, url.replace("/guru_", "/nowhere_"))
    checked = run_json(home, "config", "check", check=False)
    (finding,) = [item for item in checked["findings"] if item["place"] == "store.url"]
    assert finding["level"] == "error"
    assert "CREATE DATABASE guru" in finding["hint"]
    doctor = run(home, "doctor", check=False)
    assert doctor.returncode == 1
    assert "CREATE DATABASE guru" in doctor.stdout
    configure(home, url)
    (finding,) = [i for i in run_json(home, "config", "check")["findings"] if i["place"] == "store.url"]
    assert finding["level"] == "ok"


def test_status_and_doctor_say_what_is_searched(home, url, tmp_path):
    assert "in the memory of the server." in run(home, "store", "status").stdout
    configure(home, url)
    assert "(0 collections, 0 passages, 0 graphs" in run(home, "store", "status").stdout
    assert finding_on_index(home) == ("ok", "collections are searched in PostgreSQL, by pgvector")
    with (home / "guru.toml").open("a") as file:
        file.write('index = "memory"\n')
    assert '[store] index is "memory".' in run(home, "store", "status").stdout
    assert "searched in memory" in finding_on_index(home)[1]


def finding_on_index(home):
    report = run_json(home, "doctor", check=False)
    (finding,) = [item for item in report["findings"] if item["check"] == "index"]
    return finding["state"], finding["detail"]
