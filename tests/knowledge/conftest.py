"""A knowledge base as the server makes it: the real embedder, the real parser, a database in a home."""

import contextlib

import pytest

from guru.config import KnowledgeSettings, StoreSettings
from guru.knowledge.base import KnowledgeBase
from guru.knowledge.index.own import opened_index
from guru.knowledge.parse.sandbox import ParsePool
from guru.models.local.embedder import MiniLMEmbedder
from guru.server.fetching import HttpFetcher
from guru.store.blobs import BlobStore
from guru.store.jobs import Jobs
from guru.store.scope import Scope

TENANT = "local"
SCOPE = Scope(TENANT)


class Bench:
    """A knowledge base, with what is around it."""

    def __init__(self, knowledge, jobs, database, blobs, parser):
        self.knowledge, self.jobs, self.database, self.blobs = knowledge, jobs, database, blobs
        self.parser = parser

    async def ended(self, job):
        async for seen in self.jobs.watch(TENANT, job.id):
            last = seen
        return last

    async def ingest(self, *paths, collection="c", prune=False):
        """Run an ingest job to its end; returns its result."""
        job = await self.knowledge.ingest.submit_paths(TENANT, collection, [str(p) for p in paths], prune=prune)
        job = await self.ended(job)
        assert job.status == "done", job.error
        return job.result

    async def search(self, query, **options):
        return await self.knowledge.search(SCOPE, options.pop("collection", "c"), query, **options)

    async def names(self, collection="c"):
        return [document.name for document in (await self.knowledge.documents.list(SCOPE, collection))[0]]


@pytest.fixture(scope="session")
def embedder():
    embedder = MiniLMEmbedder()
    yield embedder
    embedder.close()


@pytest.fixture
def open_bench(stores, tmp_path, embedder):
    """A context manager that opens the knowledge base of a home, the test's own unless it is given."""

    @contextlib.asynccontextmanager
    async def opening(home=tmp_path / "home", source=None, run_jobs=True, **settings):
        database, blobs, parser = stores.database(home), BlobStore(home), ParsePool()
        await database.open()
        jobs = Jobs(database)
        fetcher, chosen = HttpFetcher(), KnowledgeSettings(**settings)
        usual = source.embedder(TENANT, source.default()) if source else embedder
        async with opened_index(database, StoreSettings(), keep=True) as index:
            knowledge = KnowledgeBase(
                database, blobs, usual, parser, chosen, jobs=jobs, fetcher=fetcher, source=source, index=index
            )
            if run_jobs:
                await jobs.start()
            try:
                yield Bench(knowledge, jobs, database, blobs, parser)
            finally:
                await jobs.close()
                await fetcher.aclose()
                await parser.aclose()
        await database.close()

    return opening


@pytest.fixture
async def bench(open_bench):
    async with open_bench() as bench:
        yield bench


@pytest.fixture
def folder(tmp_path):
    """Three small documents about different things."""
    folder = tmp_path / "documents"
    (folder / "plants").mkdir(parents=True)
    (folder / "plants" / "tea.md").write_text(
        "# Tea\n\nTea grows on slopes in Assam. The leaves are picked by hand.\n\n"
        "## Brewing\n\nGreen tea is brewed at 75 degrees. Black tea wants boiling water."
    )
    (folder / "pumps.md").write_text(
        "# Pumps\n\nThe feed pump P-101 delivers 40 litres per minute. Its bearings are greased every March.\n"
    )
    (folder / "leave.txt").write_text(
        "Every employee has 28 days of annual leave. Requests are sent to Dr. Osei two weeks ahead.\n"
    )
    return folder


@pytest.fixture
def forget_grace(monkeypatch):
    """Remove unneeded files at once, not only when they are old enough."""
    monkeypatch.setattr("guru.knowledge.trash.UPLOAD_GRACE", -1.0)
    monkeypatch.setattr("guru.knowledge.trash.SWEEP_GRACE", -1.0)
