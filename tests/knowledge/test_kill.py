"""An ingest that is killed at a random moment goes on where it was, with nothing lost, doubled or half there."""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select

from guru.store.tables import chunks, documents

WORKER = """
import asyncio, sys
from pathlib import Path
from guru.config import KnowledgeSettings
from guru.knowledge.base import KnowledgeBase
from guru.knowledge.parse.sandbox import ParsePool
from guru.models.local.embedder import MiniLMEmbedder
from guru.store.blobs import BlobStore
from guru.store.database import Database
from guru.store.jobs import Jobs

async def main(url, home, folder):
    database = Database(url)
    await database.open()
    jobs = Jobs(database)
    knowledge = KnowledgeBase(database, BlobStore(home), MiniLMEmbedder(), ParsePool(), KnowledgeSettings(), jobs=jobs)
    await jobs.start()
    job = await knowledge.ingest.submit_paths("local", "c", [str(folder)])
    async for seen in jobs.watch("local", job.id):
        print(seen.progress.get("done", 0), flush=True)

asyncio.run(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
"""
FILES = 40


@pytest.fixture(params=["folder", "archive"])
def many(request, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for n in range(FILES):
        text = "\n\n".join(f"## Part {n}.{i}\n\nPart {n}.{i} weighs {n * i} grams." * 3 for i in range(6))
        (folder / f"{n:02}.md").write_text(f"# Document {n}\n\n{text}")
    if request.param == "folder":
        return folder
    return Path(shutil.make_archive(str(folder), "zip", folder))


async def test_a_killed_ingest_is_resumed_whole(open_bench, stores, many, tmp_path):
    home = tmp_path / "home"
    command = [sys.executable, "-c", WORKER, stores.url(home), str(home), str(many)]
    worker = await asyncio.to_thread(
        subprocess.Popen, command, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUTF8": "1"},
    )  # fmt: skip
    with worker:
        for line in worker.stdout:
            if int(line) > 0:
                break
        await asyncio.sleep(random.random() * 0.3)
        worker.send_signal(signal.SIGKILL)
    async with open_bench(home) as bench:
        (job,) = await bench.jobs.list("local")
        await check_whole(bench)
        assert (await bench.ended(job)).status == "done"
        result = (await bench.jobs.get("local", job.id)).result
        assert (result["documents"], result["skipped"], result["failed"]) == (FILES, 0, [])
        await check_whole(bench)
        assert len(await bench.names()) == FILES
        assert (await bench.ingest(many))["skipped"] == FILES


async def check_whole(bench):
    """Every document has all its passages and its file, and no passage is without a document."""

    def counts(connection):
        query = select(documents.c.content_hash, documents.c.chunks, func.count(chunks.c.id)).join_from(
            documents, chunks, isouter=True
        )
        rows = connection.execute(query.group_by(documents.c.id)).all()
        return rows, connection.scalar(select(func.count()).select_from(chunks))

    rows, total = await bench.database.read(counts)
    assert all(said == there for _, said, there in rows)
    assert total == sum(said for _, said, _ in rows)
    assert all(Path(bench.blobs.path(digest)).is_file() for digest, _, _ in rows)
