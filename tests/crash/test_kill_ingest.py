"""`kill -9` in the middle of an ingest: nothing is lost, doubled or half visible, and the job goes on."""

import subprocess
import threading
import time
import urllib.error
from string import ascii_lowercase

import pytest

from running import GURU, environment, run, serving

FILES = 24
PARAGRAPHS = 4


@pytest.fixture
def corpus(tmp_path, chance):
    """Files of some chunks each. Every sentence of a file holds a word that no other file has."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    things = ["valve", "rotor", "hinge", "lens", "switch", "cable", "frame", "pump", "gauge", "filter"]
    for number in range(FILES):
        sentences = [
            f"The {chance.choice(things)} {marker(number)} of line {chance.randrange(90)} is checked every"
            f" {chance.randrange(2, 60)} days by the {chance.choice(things)} crew, and its record is kept for years."
            for _ in range(PARAGRAPHS * 4)
        ]
        paragraphs = [" ".join(sentences[start : start + 4]) for start in range(0, len(sentences), 4)]
        suffix, mark = (".md", "# ") if number % 2 else (".txt", "")
        (folder / f"file-{number}{suffix}").write_text(f"{mark}Line {number}\n\n" + "\n\n".join(paragraphs))
    return folder


def marker(number):
    """A word of letters only: a search looks for the parts of a mixed one too, and every file would have those."""
    return f"quux{ascii_lowercase[number]}orm"


@pytest.mark.slow
def test_a_killed_ingest_goes_on_with_nothing_lost_or_doubled(home, runs, corpus, chance, assert_sound, watched_kill):
    with serving(home) as server:
        began = time.monotonic()
        run(home, "ingest", corpus, "-c", "reference")
        whole = time.monotonic() - began
        reference = chunks_by_document(server, "reference")
    assert len(reference) == FILES
    for number in range(runs):
        name = f"run-{number}"
        victim = chance.choice(["server", "group", "command"])
        delay = chance.uniform(0.02, whole) + (1.0 if victim == "command" else 0.0)  # it has to start first
        print(f"run {number}: kill the {victim} after {delay:.2f} of {whole:.2f} s")
        if victim == "command":
            kill_command(home, corpus, name, delay, watched_kill)
        else:
            with serving(home) as server:
                kill_server(server, corpus, name, delay, watched_kill, group=victim == "group")
        assert_sound(home)
        with serving(home) as server:
            wait_for_jobs(server)
            if victim == "command" and not server.get("/api/v1/jobs?collection=" + name)["jobs"]:
                continue  # killed before it had asked for anything
            assert server.get(f"/api/v1/jobs?collection={name}")["jobs"][0]["status"] == "done"
            assert chunks_by_document(server, name) == reference
            run(home, "collections", "delete", name, "--yes")
        assert_sound(home)


def kill_command(home, corpus, name, delay, watched_kill):
    """Kill `guru ingest`, which does the work itself as no server runs."""
    process = subprocess.Popen(
        [GURU, "ingest", str(corpus), "-c", name],
        env=environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(delay)
    watched_kill(process, group=False)


def kill_server(server, corpus, name, delay, watched_kill, *, group):
    """Kill the server while another thread looks for documents that are there in part."""
    server.post(f"/api/v1/collections/{name}/ingest", {"paths": [str(corpus)]})
    halves = []
    observer = threading.Thread(target=look_for_halves, args=(server, name, halves))
    observer.start()
    time.sleep(delay)
    watched_kill(server.process, group=group)
    observer.join()
    assert halves == []


def look_for_halves(server, name, halves):
    """Search for one document after the other until the server is gone; note those that are there in part."""
    number = 0
    while True:
        try:
            query = {"query": marker(number % FILES), "k": 200, "mode": "sparse"}
            hits = server.post(f"/api/v1/collections/{name}/search", query)["results"]
            if hits:
                said = server.get(f"/api/v1/documents/{hits[0]['document_id']}")["chunks"]
                if len(hits) != said or {hit["document"] for hit in hits} != {hits[0]["document"]}:
                    halves.append((hits[0]["document"], len(hits), said))
        except urllib.error.HTTPError as error:
            if error.code != 404:  # the collection comes with its first document
                halves.append((name, error.code, error.read()))
        except OSError:
            return
        number += 1


def wait_for_jobs(server, seconds=240):
    """Wait until every job has ended."""
    end = time.monotonic() + seconds
    while any(job["status"] in ("queued", "running") for job in server.get("/api/v1/jobs")["jobs"]):
        assert time.monotonic() < end, "the job did not go on"
        time.sleep(0.05)


def chunks_by_document(server, name):
    """How many chunks each document has; each is there once."""
    documents = server.get(f"/api/v1/collections/{name}/documents?limit=200")["documents"]
    counts = {document["name"]: document["chunks"] for document in documents}
    collection = server.get(f"/api/v1/collections/{name}")
    assert (collection["documents"], collection["chunks"]) == (len(documents), sum(counts.values()))
    assert len(counts) == len(documents)
    return counts
