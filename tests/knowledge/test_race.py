"""Two processes change a collection, and are killed now and then, while a third one searches it: no hit is stale,
doubled, missing or foreign.

`GURU_RACE_SECONDS=600` makes it ten minutes, on each kind of database.
"""

import asyncio
import json
import os
import random
import re
import subprocess
import sys
import time

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
path = folder / "state.json"
state = json.loads(path.read_text()) if path.exists() else {}

def note(name, lowest, there):
    state[name] = [lowest, there]
    part = folder / "state.part"
    part.write_text(json.dumps(state))
    part.replace(path)

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

    async def settle():
        # What a process before this one had begun is done to its end, by whoever has it.
        for job in await jobs.list("local", subject="c"):
            if not job.ended and job.arguments["paths"] == [str(folder / name)]:
                async for _ in jobs.watch("local", job.id):
                    pass

    name = f"{me}.md"
    await settle()
    for version in range(state.get(name, [0, 0])[0] + 1, 1_000_000):
        (folder / name).write_text(f"The pump {me} has version {version} of its valve.")
        note(name, state.get(name, [0, 0])[0], False)
        await ingest("local", "c", folder / name)
        note(name, version, True)
        if version == 1:  # the same words where they must not be found
            await ingest("local", "other", folder / name)
            await ingest("acme", "c", folder / name)
        if version % 2:
            listed, _ = await knowledge.documents.list(Scope("local"), "c")
            document = next(item for item in listed if item.name == name)
            note(name, version, False)
            await knowledge.documents.delete(Scope("local"), document.id)
            note(name, version + 1, False)

asyncio.run(main())
"""
VERSIONS = 6
"""How many of each document are seen; every other one is deleted in between."""
SAID = re.compile(r"The pump (\S+) has version (\d+) of its valve\.")


SECONDS = float(os.environ.get("GURU_RACE_SECONDS", "0"))
"""At least; and until enough is seen."""
LIFE = range(2, 6)
"""Versions that a writer gets done before it is killed in the middle of the next ones."""


class Writer:
    """A process that ingests and deletes its document in turns."""

    def __init__(self, name, folder, command, log):
        self.name, self.state, self.kills = name, folder / "state.json", 0
        self._command, self._log = command, log
        self._start()

    def _start(self):
        self._process = subprocess.Popen(self._command, stderr=self._log, env=dict(os.environ))
        self._dies_at = self._version() + random.choice(LIFE)

    def _version(self):
        states = json.loads(self.state.read_text()) if self.state.exists() else {}
        return max((lowest for lowest, _ in states.values()), default=0)

    @property
    def lives(self):
        return self._process.poll() is None

    def kill(self):
        self._process.kill()
        self._process.wait()

    def kill_when_it_is_time(self):
        """End it in the middle of whatever it does, and let another one go on."""
        if self._version() >= self._dies_at:
            time.sleep(random.uniform(0, 0.3))
            self.kill()
            self.kills += 1
            self._start()


async def test_a_search_beside_two_writers_sees_what_is_committed_and_nothing_else(open_bench, stores, tmp_path):
    home, log = tmp_path / "home", (tmp_path / "log").open("wb")
    writers = []
    async with open_bench(home) as bench:
        await bench.knowledge.collections.create("local", "c")
        for me in ("a", "b"):
            folder = tmp_path / me
            folder.mkdir()
            command = [sys.executable, "-c", WRITER, stores.url(home), str(home), str(folder), me]
            writers.append(Writer(me, folder, command, log))
        try:
            await search(bench, writers)
        finally:
            for writer in writers:
                writer.kill()
            log.close()


async def search(bench, writers):
    """Search until enough versions of every document have been seen, and every writer was killed."""
    versions = {writer.name: set() for writer in writers}
    began, searches = time.monotonic(), 0
    while (
        time.monotonic() - began < SECONDS
        or min(map(len, versions.values())) < VERSIONS
        or not all(writer.kills for writer in writers)
    ):
        assert all(writer.lives for writer in writers), "a writer ended: see its log"
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
        searches += 1
        for writer in writers:
            writer.kill_when_it_is_time()
        await asyncio.sleep(0.01)
    seen = {name: len(found) for name, found in versions.items()}
    print(f"{searches:,} searches, {sum(writer.kills for writer in writers)} kills, versions seen: {seen}")


def read_state(writers):
    """By document: the lowest version that may be seen, and whether it is there."""
    found = {}
    for writer in writers:
        if writer.state.exists():
            found |= {name: tuple(values) for name, values in json.loads(writer.state.read_text()).items()}
    return found
