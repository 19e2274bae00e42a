"""Two processes change a collection while a third one searches it: no hit is stale, doubled, missing or foreign."""

import asyncio
import json
import os
import re
import subprocess
import sys

WRITER = """
import asyncio, json, os, sys
from pathlib import Path
from guru.config import KnowledgeSettings
from guru.knowledge import trash
from guru.knowledge.base import KnowledgeBase
from guru.knowledge.parse.sandbox import ParsePool
from guru.models.local.embedder import MiniLMEmbedder
from guru.store.blobs import BlobStore
from guru.store.database import Database
from guru.store.jobs import Jobs
from guru.store.scope import Scope

trash.UPLOAD_GRACE = -1.0  # files go with their documents
url, home, folder, me = sys.argv[1], *map(Path, sys.argv[2:4]), sys.argv[4]
state = {}

def note(name, lowest, there):
    state[name] = [lowest, there]
    part = folder / "state.part"
    part.write_text(json.dumps(state))
    part.replace(folder / "state.json")

async def main():
    database = Database(url)
    await database.open()
    jobs = Jobs(database)
    knowledge = KnowledgeBase(database, BlobStore(home), MiniLMEmbedder(), ParsePool(), KnowledgeSettings(), jobs=jobs)
    await jobs.start()

    async def ingest(tenant, collection, path):
        job = await knowledge.ingest.submit_paths(tenant, collection, [str(path)])
        async for seen in jobs.watch(tenant, job.id):
            last = seen
        assert last.status == "done" and not last.result["failed"], (last.error, last.result)

    name = f"{me}.md"
    for version in range(1, 10_000):
        (folder / name).write_text(f"The pump {me} has version {version} of its valve.")
        note(name, state.get(name, [0, 0])[0], False)
        await ingest("local", "c", folder / name)
        note(name, version, True)
        if version == 1:  # the same words where they must not be found
            await ingest("local", "other", folder / name)
            await ingest("acme", "c", folder / name)
        if version % 2:
            listed, _ = await knowledge.documents.list(Scope("local"), "c")
            (document,) = [item for item in listed if item.name == name]
            note(name, version, False)
            await knowledge.documents.delete(Scope("local"), document.id)
            note(name, version + 1, False)

asyncio.run(main())
"""
VERSIONS = 6
"""How many of each document are seen; every other one is deleted in between."""
SAID = re.compile(r"The pump (\S+) has version (\d+) of its valve\.")


async def test_a_search_beside_two_writers_sees_what_is_committed_and_nothing_else(open_bench, stores, tmp_path):
    home, log = tmp_path / "home", (tmp_path / "log").open("wb")
    writers = []
    async with open_bench(home) as bench:
        await bench.knowledge.collections.create("local", "c")
        for me in ("a", "b"):
            folder = tmp_path / me
            folder.mkdir()
            command = [sys.executable, "-c", WRITER, stores.url(home), str(home), str(folder), me]
            writers.append((subprocess.Popen(command, stderr=log, env=dict(os.environ)), folder / "state.json"))
        try:
            await search(bench, writers)
        finally:
            for process, _ in writers:
                process.kill()
                process.wait()
            log.close()


async def search(bench, writers):
    """Search until enough versions of every document have been seen."""
    versions = {"a": set(), "b": set()}
    while min(map(len, versions.values())) < VERSIONS:
        assert all(process.poll() is None for process, _ in writers), "a writer ended: see its log"
        before = read_state(writers)
        hits = await bench.search("Which version has the valve of the pump?", k=50)
        after = read_state(writers)
        names = [hit.document for hit in hits]
        assert len(set(names)) == len(names), "doubled"
        for hit in hits:
            pump, version = SAID.fullmatch(hit.text).groups()
            assert hit.document == f"{pump}.md", "foreign"
            assert int(version) >= before.get(hit.document, (0, False))[0], "stale"
            versions[pump].add(int(version))
        for name, (lowest, there) in before.items():
            if there and after[name] == (lowest, there):
                assert name in names, "missing"
        await asyncio.sleep(0.01)


def read_state(writers):
    """By document: the lowest version that may be seen, and whether it is there."""
    found = {}
    for _, path in writers:
        if path.exists():
            found |= {name: tuple(values) for name, values in json.loads(path.read_text()).items()}
    return found
