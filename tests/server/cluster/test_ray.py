"""Ingest on a real Ray, of this machine's cores: the same documents as without it, whatever dies on the way."""

import asyncio
import sys
import time

import psutil
import pytest

from guru.config import KnowledgeSettings
from guru.errors import ConfigurationError, UnreadableDocument
from guru.models.local.embedder import MiniLMEmbedder
from guru.server.cluster.ray import RayCluster
from guru.server.parsing import make_parser
from running import run, run_json, serving

pytest.importorskip("ray")
FILES = 40


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    for number in range(FILES):
        sentences = [f"Pump {number} of hall {n} was checked on day {n * 7} by crew {n + number}." for n in range(15)]
        (folder / f"{number}.md").write_text(f"# Pump {number}\n\n" + " ".join(sentences))
    return folder


@pytest.fixture
async def cluster():
    settings = KnowledgeSettings()
    parser = make_parser(settings)
    yield RayCluster(parser, settings)
    await parser.aclose()


async def test_workers_parse_and_embed_as_this_process_does(cluster, tmp_path):
    good, empty = tmp_path / "good.md", tmp_path / "empty.txt"
    good.write_text("# Pumps\n\nThe feed pump was replaced.\n")
    empty.write_bytes(b"")
    own = MiniLMEmbedder()
    texts = [f"Sentence {number} is about the pumps of hall {number % 7}." for number in range(150)]
    async with cluster.open("local") as workers:
        assert (await workers.parser.parse(good, "good.md")).title == "Pumps"
        with pytest.raises(UnreadableDocument, match="empty") as refused:
            await workers.parser.parse(empty, "empty.txt")
        assert refused.value.hint
        vectors, expected = await asyncio.gather(workers.embedder(own).embed(texts), own.embed(texts))
        assert (await workers.embedder(own).embed([])).shape == (0, own.dimension)
    assert (vectors * expected).sum(axis=1).min() > 0.99
    assert not ray_processes()


async def test_two_jobs_share_a_cluster_and_the_last_one_leaves_it(cluster):
    async with cluster.open("local") as one:
        async with cluster.open("local") as two:
            assert one.count == two.count
        assert ray_processes()
    assert not ray_processes()


async def test_where_ray_is_not_installed_the_error_says_how_to_get_it(cluster, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigurationError, match="not installed") as refused:
        async with cluster.open("local"):
            pass
    assert "guru[ray]" in refused.value.hint


def test_documents_come_over_a_cluster_as_they_come_without(home, corpus):
    plain = run_json(home, "ingest", corpus, "-c", "plain")
    spread = run_json(home, "ingest", corpus, "-c", "spread", "--ray", "local")
    counts = ("documents", "chunks", "skipped", "failed")
    assert [spread[name] for name in counts] == [plain[name] for name in counts] == [FILES, plain["chunks"], 0, []]
    assert run_json(home, "ingest", corpus, "-c", "spread", "--ray", "local")["skipped"] == FILES
    for query in ("Which crew checked pump 7 of hall 3?", "pump 31 day 14"):
        assert found(home, query, "spread")[:5] == found(home, query, "plain")[:5]


def test_a_worker_that_dies_and_a_server_that_dies_lose_and_double_nothing(home, corpus):
    with serving(home) as server:
        job = server.post("/api/v1/collections/c/ingest", {"paths": [str(corpus)], "ray": "local"})["job"]
        wait_for(lambda: progress(server, job)["done"] > 0)
        worker = next(process for process in ray_processes() if process.name().startswith("ray::Steps"))
        worker.kill()
        done = progress(server, job)["done"]
        wait_for(lambda: progress(server, job)["done"] > done)
        server.kill()
    wait_for(lambda: not ray_processes())
    with serving(home) as server:
        wait_for(lambda: server.get(f"/api/v1/jobs/{job['id']}")["status"] == "done")
        documents = server.get("/api/v1/collections/c/documents?limit=200")["documents"]
        assert sorted(document["name"] for document in documents) == sorted(f"{n}.md" for n in range(FILES))
        collection = server.get("/api/v1/collections/c")
        assert collection["chunks"] == sum(document["chunks"] for document in documents)
    assert not ray_processes()


def test_a_cluster_that_is_not_there_is_said_so_and_nothing_is_lost(home, corpus):
    refused = run(home, "ingest", corpus, "--ray", "127.0.0.1:9", check=False)
    assert refused.returncode == 1
    assert "The Ray cluster at 127.0.0.1:9 cannot be joined" in refused.stderr
    assert run_json(home, "ingest", corpus)["documents"] == FILES


def found(home, query, collection):
    hits = run_json(home, "search", query, "-c", collection)["results"]
    return [(hit["document"], hit["start"]) for hit in hits]


def progress(server, job):
    return {"done": 0} | server.get(f"/api/v1/jobs/{job['id']}")["progress"]


def ray_processes():
    """Ray's, as far as they work: a worker has its own name, the others are Ray's programs."""
    return [
        process
        for process in psutil.process_iter(["name", "cmdline", "status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE
        and (process.info["name"].startswith("ray::") or "raylet" in " ".join(process.info["cmdline"] or ())[:200])
    ]


def wait_for(condition, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)
