"""`kill -9` while a collection gets another embedding model: it is searched with the one or the other, never with half,
and the job goes on with what is left."""

import json
import sqlite3
import time
import urllib.request
from contextlib import closing

import pytest

from running import configure_letters, embedding_process, run, serving

FILES = 40
PARAGRAPHS = 14
UNDER_WAY = 3 * 128
"""Texts of a portion: a passage has two sentences here."""
MODELS = ("letters/letters-32", "letters/letters-96")


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    for number in range(FILES):
        paragraphs = [
            f"Valve {number} of line {part} is checked every {number + part} days. Its record is kept in room {part}."
            for part in range(PARAGRAPHS)
        ]
        (folder / f"file-{number}.md").write_text(
            f"# Line {number}\n\n" + "\n\n".join(f"## Part {part}\n\n{text}" for part, text in enumerate(paragraphs))
        )
    return folder


@pytest.mark.slow
def test_a_killed_change_of_models_goes_on_and_is_never_half(home, runs, corpus, chance, assert_sound, watched_kill):
    old, new = MODELS
    with embedding_process(delay=0.05) as url:
        # Without the cache every run asks for everything, and what is asked for twice can be counted.
        configure_letters(home, url, "letters-32", more="[knowledge]\nembedding_cache_mb = 0\n")
        with serving(home) as server:
            run(home, "collections", "create", "c", "--chunking", "heading", "--chunk-tokens", "60")
            run(home, "ingest", corpus, "-c", "c")
            began, asked = time.monotonic(), count_asked(url)
            finish(server, begin(server, new), old, new)
            whole, texts = time.monotonic() - began, count_asked(url) - asked
        for number in range(runs):
            old, new = new, old
            asked = count_asked(url)
            with serving(home) as server:
                before = search(server)
                job = begin(server, new)
                delay, group = chance.uniform(0.0, whole * 1.1), chance.random() < 0.5
                print(f"run {number}: kill {'the group' if group else 'the server'} after {delay:.2f} of {whole:.2f} s")
                time.sleep(delay)
                watched_kill(server.process, group=group)
            assert_sound(home)
            assert check_vectors(home) in ((old, None), (new, old))
            with serving(home) as server:
                finish(server, job, old, new)
                assert len(search(server)) == len(before) > 0
            assert_sound(home)
            assert texts <= count_asked(url) - asked <= texts + UNDER_WAY, (
                "more than what was under way was asked again"
            )


def begin(server, model):
    return server.post("/api/v1/collections/c/reembed", {"model": model})["job"]


def finish(server, job, old, new):
    """Wait for the end of the change, go back and forth again, and forget the old vectors."""
    ended = wait(server, job["id"])
    assert (ended["status"], (ended["result"] or {}).get("model")) == ("done", new), ended
    assert check_vectors(server.home) == (new, old)
    hits = search(server)
    server.post("/api/v1/collections/c/rollback", {})
    assert check_vectors(server.home) == (old, new)
    server.post("/api/v1/collections/c/rollback", {})
    assert search(server) == hits
    wait(server, server.post("/api/v1/collections/c/forget-vectors", {})["job"]["id"])
    assert check_vectors(server.home) == (new, None)
    assert search(server) == hits


def search(server):
    query = {"query": "Which valve of line 7 is checked?", "k": 20, "explain": True}
    return [(hit["document"], hit["start"]) for hit in server.post("/api/v1/collections/c/search", query)["results"]]


def wait(server, job_id, seconds=240):
    end = time.monotonic() + seconds
    while (job := server.get(f"/api/v1/jobs/{job_id}"))["status"] in ("queued", "running"):
        assert time.monotonic() < end, "the job did not go on"
        time.sleep(0.05)
    return job


def count_asked(url):
    with urllib.request.urlopen(url.removesuffix("/v1") + "/asked") as answer:
        found = json.load(answer)
    return found["texts"]


def check_vectors(home):
    """The collection's model and the one before. Every chunk has vectors of both, of one dimension each, read without
    Guru's help."""
    with closing(sqlite3.connect(home / "guru.db")) as connection:
        ((model, previous),) = connection.execute("SELECT embedding_model, previous_model FROM collections").fetchall()
        for name in filter(None, (model, previous)):
            vectors = connection.execute(
                "SELECT length(CASE d.embedding_model WHEN :model THEN c.vector ELSE v.vector END),"
                " length(CASE d.embedding_model WHEN :model THEN c.sentence_vectors ELSE v.sentence_vectors END),"
                " length(c.sentences) / 12, count(*)"
                " FROM chunks c JOIN documents d ON d.id = c.document_id"
                " LEFT JOIN chunk_vectors v ON v.chunk_id = c.id AND v.model = :model GROUP BY c.id",
                {"model": name},
            ).fetchall()
            size = 4 + int(name.rpartition("-")[2])
            assert vectors
            assert all(row == (size, row[2] * size, row[2], 1) for row in vectors), name
    return model, previous
