"""The index of a live collection is moved to another store and back, and nothing is lost or found twice on the way."""

import asyncio

import pytest
from sqlalchemy import select

from guru.errors import ConfigurationError, Conflict, NotFound
from guru.knowledge.index.external import base, catch_up, index
from guru.knowledge.index.external.base import name_of
from guru.store.tables import chunks
from knowledge.conftest import SCOPE, TENANT
from knowledge.index.external.kinds import place_of
from knowledge.index.external.shelf import hang, refuse

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def qdrant(tmp_path):
    with place_of("qdrant", tmp_path) as place:
        yield place


@pytest.fixture
def chroma(tmp_path):
    with place_of("chroma", tmp_path) as place:
        yield place


@pytest.fixture
def small(monkeypatch):
    """Batches of two, so that a few documents are many steps."""
    for module in (base, catch_up):
        monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr(catch_up, "SETTLING", (0.01,))
    monkeypatch.setattr(index, "PATIENCE", 30.0)


async def rows(bench):
    query = select(chunks.c.id, chunks.c.document_id)
    return dict(map(tuple, await bench.database.read(lambda connection: connection.execute(query).all())))


def held(place):
    (there,) = place.shelf.collections.values()
    return {int(number): document for number, (document, _) in there["points"].items()}


async def moved(bench, to):
    job = await bench.ended(await bench.knowledge.moving.submit(TENANT, "c", to))
    assert job.status == "done", job.error
    return job.result


async def kind(bench):
    return bench.knowledge.index.kind_of((await bench.knowledge.collections.get(SCOPE, "c")).settings)


async def test_there_to_another_and_back_with_the_same_results(open_bench, folder, qdrant, chroma):
    settings = {"qdrant": qdrant.settings.qdrant, "chroma": chroma.settings.chroma}
    async with open_bench(**settings) as bench:
        await bench.ingest(folder)
        queries = ("brewing tea", "P-101", "annual leave")
        before = [[(hit.chunk_id, round(hit.score, 5)) for hit in await bench.search(query)] for query in queries]
        checksums = []
        for to, place in (("qdrant", qdrant), ("chroma", chroma), ("embedded", None)):
            result = await moved(bench, to)
            assert result["to"] == to and result["passages"] == len(await rows(bench))
            checksums.append(result["checksum"])
            assert await kind(bench) == to
            for other in (qdrant, chroma):
                assert bool(other.shelf.collections and held(other)) == (other is place)
            if place is not None:
                assert held(place) == await rows(bench)
                place.shelf.calls.clear()
            found = [await bench.knowledge.retrieve(SCOPE, "c", query, to_read=False) for query in queries]
            assert [it.notes for it in found] == [[], [], []]
            assert [[(hit.chunk_id, round(hit.score, 5)) for hit in it.hits] for it in found] == before
            if place is not None:
                assert "search" in place.shelf.calls
        assert len(set(checksums)) == 1
        await bench.knowledge.index.aclose()


async def test_it_is_searched_and_changed_while_it_is_moved(open_bench, folder, qdrant, small):
    async with open_bench(qdrant=qdrant.settings.qdrant) as bench:
        await bench.ingest(folder)
        qdrant.shelf.fault = hang(0.1)
        job = await bench.knowledge.moving.submit(TENANT, "c", "qdrant")
        seen = set()
        (folder / "new.md").write_text("The harbour master keeps the keys.\n\n" * 3)
        (folder / "leave.txt").unlink()
        changing = asyncio.create_task(bench.ingest(folder, prune=True))
        while (await bench.jobs.get(TENANT, job.id)).status in ("queued", "running"):
            assert (await bench.search("green tea"))[0].document == "plants/tea.md"
            seen.add(await kind(bench))
            await asyncio.sleep(0.02)
        await changing
        job = await bench.jobs.get(TENANT, job.id)
        assert job.status == "done", job.error
        assert "embedded" in seen
        qdrant.shelf.fault = None
        assert (await bench.search("who has the keys of the harbour"))[0].document == "new.md"
        assert held(qdrant) == await rows(bench)
        await bench.knowledge.index.aclose()


async def test_a_move_that_is_interrupted_goes_on_where_it_was(open_bench, folder, qdrant, small, tmp_path):
    async with open_bench(qdrant=qdrant.settings.qdrant) as bench:
        await bench.ingest(folder)
        qdrant.shelf.fault = lambda name: hang(3)(name) if qdrant.shelf.calls.count("upsert") == 2 else None
        job = await bench.knowledge.moving.submit(TENANT, "c", "qdrant")
        while qdrant.shelf.calls.count("upsert") < 2:
            await asyncio.sleep(0.02)
        await bench.jobs.close()  # as when the server stops
        assert await kind(bench) == "embedded"
        assert 0 < len(held(qdrant)) < len(await rows(bench))
        await bench.knowledge.index.aclose()
    qdrant.shelf.fault = None
    qdrant.shelf.calls.clear()
    async with open_bench(qdrant=qdrant.settings.qdrant) as bench:
        job = await bench.ended(job)
        assert job.status == "done", job.error
        assert await kind(bench) == "qdrant" and held(qdrant) == await rows(bench)
        assert qdrant.shelf.calls.count("upsert") < (len(await rows(bench)) + 1) // 2
        await bench.knowledge.index.aclose()


async def test_what_comes_back_changed_is_noticed_and_the_index_stays(open_bench, folder, qdrant, monkeypatch):
    async with open_bench(qdrant=qdrant.settings.qdrant) as bench:
        await bench.ingest(folder)
        put = qdrant.shelf.put
        monkeypatch.setattr(qdrant.shelf, "put", lambda name, number, document, vector: put(
            name, number, document, vector[::-1] if number == 2 else vector
        ))  # fmt: skip
        job = await bench.ended(await bench.knowledge.moving.submit(TENANT, "c", "qdrant"))
        assert job.status == "failed" and "What came is not what went" in job.error
        assert await kind(bench) == "embedded"
        assert (await bench.search("green tea"))[0].document == "plants/tea.md"
        await bench.knowledge.index.external("qdrant").tidy()
        assert qdrant.shelf.collections == {}  # of a move that failed nothing is left there
        await bench.knowledge.index.aclose()


async def test_an_old_store_that_is_away_forgets_when_it_is_back(open_bench, folder, qdrant):
    async with open_bench(qdrant=qdrant.settings.qdrant) as bench:
        await bench.ingest(folder)
        await moved(bench, "qdrant")
        qdrant.shelf.fault = refuse(503)
        assert (await moved(bench, "embedded"))["from"] == "qdrant"
        assert held(qdrant)
        qdrant.shelf.fault = None
        await bench.knowledge.index.external("qdrant").tidy()
        assert qdrant.shelf.collections == {}
        await bench.knowledge.index.aclose()


async def test_the_configuration_says_where_collections_are_that_were_not_moved(open_bench, folder, qdrant):
    async with open_bench(index="qdrant", qdrant=qdrant.settings.qdrant) as bench:
        await bench.ingest(folder)
        assert (await bench.search("green tea"))[0].document == "plants/tea.md"
        assert held(qdrant) == await rows(bench)
        (name,) = qdrant.shelf.collections
        collection = await bench.knowledge.collections.get(SCOPE, "c")
        assert name == name_of(collection.id, collection.embedding_model)
        await bench.knowledge.index.aclose()


async def test_a_store_that_the_configuration_has_no_more_is_done_without(open_bench, folder, qdrant):
    async with open_bench(qdrant=qdrant.settings.qdrant) as bench:
        await bench.ingest(folder)
        await moved(bench, "qdrant")
        await bench.knowledge.index.aclose()
    async with open_bench() as bench:
        found = await bench.knowledge.retrieve(SCOPE, "c", "green tea")
        assert found.hits[0].document == "plants/tea.md"
        assert found.notes == ["Nothing says where Qdrant is: passages were looked for here instead."]


async def test_what_cannot_be_moved_is_told(open_bench, folder, qdrant):
    async with open_bench(qdrant=qdrant.settings.qdrant) as bench:
        await bench.ingest(folder)
        submit = bench.knowledge.moving.submit
        with pytest.raises(NotFound):
            await submit(TENANT, "other", "qdrant")
        with pytest.raises(NotFound):
            await submit("another tenant", "c", "qdrant")
        with pytest.raises(Conflict, match="already"):
            await submit(TENANT, "c", "embedded")
        with pytest.raises(ConfigurationError, match="Nothing says where Milvus is"):
            await submit(TENANT, "c", "milvus")
        await bench.knowledge.index.aclose()
