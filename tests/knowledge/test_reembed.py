"""Another embedding model for a collection: in the background, switched in one moment, taken back in one.

The other models are real ones of another dimension, behind a loopback server that speaks OpenAI's API.
"""

import asyncio
import contextlib

import pytest
from sqlalchemy import func, select, update

from embedding_server import embedding_server
from guru.config import KnowledgeSettings, ProviderSettings, Settings
from guru.errors import Conflict, InvalidParameter, ModelNotFound, NotFound
from guru.knowledge import embedding_cache, lacking
from guru.knowledge.collections import find_collection
from guru.knowledge.rows import dimension_of
from guru.knowledge.vectors import RESIDUAL, SENTENCE_VECTORS, VECTOR, read_residuals
from guru.models.registry import ModelRegistry
from guru.models.remote_embedder import RemoteEmbedder
from guru.store.scope import Scope
from guru.store.tables import chunk_vectors, chunks, collections, documents
from scripted import WordEmbedder

TENANT = "local"
SCOPE = Scope(TENANT)
WORDS, SMALL, LARGE = "test/words", "letters/letters-32", "letters/letters-96"


class Models:
    """Implements `EmbedderSource`: one model of this process, others behind the server."""

    def __init__(self, home, url):
        self.words = WordEmbedder()
        self.configured = WORDS
        settings = Settings(providers={"letters": ProviderSettings(kind="openai-compatible", base_url=url)})
        self.registry = ModelRegistry(home, settings)
        self.gone = set()

    def default(self):
        return self.configured

    def resolve(self, name):
        if name in self.gone or name not in (WORDS, SMALL, LARGE, "letters/none"):
            raise ModelNotFound(f"There is no model {name!r}.", param="model")
        return name

    def embedder(self, tenant, name):
        self.resolve(name)
        if name == WORDS:
            return self.words
        return RemoteEmbedder(name, self.registry.embedding_model(name).embeddings, self.words)


@pytest.fixture
async def server(monkeypatch):
    monkeypatch.setattr(embedding_cache, "WAITS", (0.01,))
    monkeypatch.setattr(lacking, "PORTION", 4)
    async with embedding_server() as server:
        yield server


@pytest.fixture
async def models(tmp_path, server):
    models = Models(tmp_path / "models", server.url)
    yield models
    await models.registry.aclose()


@pytest.fixture
async def bench(open_bench, models, folder):
    rows = "\n".join(f"| part {n} | {n} kg | shelf {n} |" for n in range(60))
    (folder / "parts.md").write_text(f"# Parts\n\n| part | weight | shelf |\n|---|---|---|\n{rows}\n")
    async with open_bench(source=models, chunk_tokens=60, chunk_overlap=10) as bench:
        bench.source = models
        yield bench


async def change(bench, model, name="c"):
    return await bench.ended(await bench.knowledge.reembedding.submit(TENANT, name, model))


async def forget(bench, name="c"):
    return await bench.ended(await bench.knowledge.reembedding.submit_forget(TENANT, name))


async def found(bench, query="How is green tea brewed?", **options):
    return [(hit.document, hit.start, hit.score) for hit in await bench.search(query, explain=True, **options)]


async def state(bench, name="c"):
    """By role, the model and how many chunks it has embedded."""
    shown = await bench.knowledge.reembedding.state(TENANT, name)
    return {item.role: (item.model, item.chunks) for item in shown.vectors}


async def dimensions(bench):
    """Of the vectors that a search sees."""
    query = select(VECTOR, RESIDUAL, SENTENCE_VECTORS, chunks.c.sentences)
    rows = await bench.database.read(lambda connection: connection.execute(query).all())
    for row in rows:
        assert len(row.sentence_vectors) == len(row.sentences) // 12 * len(row.vector)
        assert len(row.vector_residual) == dimension_of(row.vector)
        assert any(row.vector_residual)
    return {dimension_of(row.vector) for row in rows}


async def inside(bench, table=chunk_vectors):
    query = select(func.count()).select_from(table)
    return await bench.database.read(lambda connection: connection.execute(query).scalar_one())


async def test_a_collection_is_changed_and_taken_back(bench, folder):
    await bench.ingest(folder)
    before = await found(bench)
    total = await inside(bench, chunks)
    assert await state(bench) == {"current": (WORDS, total)}
    job = await change(bench, SMALL)
    assert (job.status, job.result["model"], job.result["previous"]) == ("done", SMALL, WORDS)
    assert (job.result["chunks"], job.progress["done"]) == (total, total)
    assert await state(bench) == {"current": (SMALL, total), "previous": (WORDS, total)}
    assert await dimensions(bench) == {32}
    after = await found(bench)
    assert after[0][:2] == before[0][:2]
    assert after != before
    await bench.knowledge.reembedding.rollback(TENANT, "c")
    assert await found(bench) == before
    assert await state(bench) == {"current": (WORDS, total), "previous": (SMALL, total)}
    await bench.knowledge.reembedding.rollback(TENANT, "c")  # and forward again
    assert await found(bench) == after


async def test_what_stands_is_searched_as_before_until_all_is_there(bench, server, folder):
    await bench.ingest(folder)
    before = await found(bench)
    server.hold = asyncio.Event()
    submitting = asyncio.create_task(bench.knowledge.reembedding.submit(TENANT, "c", LARGE))
    await asyncio.sleep(0.05)
    server.hold.set()
    job = await submitting
    server.hold.clear()
    for _ in range(20):
        assert await found(bench) == before
        await asyncio.sleep(0.01)
    assert (await bench.jobs.get(TENANT, job.id)).status in ("queued", "running")
    server.hold.set()
    assert (await bench.ended(job)).status == "done"
    assert await dimensions(bench) == {96}


async def test_documents_that_come_meanwhile_or_later_have_the_vectors_of_both(bench, server, folder):
    await bench.ingest(folder)
    job = await bench.knowledge.reembedding.submit(TENANT, "c", SMALL)
    (folder / "tides.md").write_text("# Tides\n\nThe tide comes in at seven in Whitby.")
    (folder / "leave.txt").write_text("Every employee has 30 days of annual leave.")
    await bench.ingest(folder)
    assert (await bench.ended(job)).status == "done"
    (folder / "moons.md").write_text("# Moons\n\nThe moon is full on Friday.")
    result = await bench.ingest(folder)
    assert (result["documents"], result["skipped"], result["notes"]) == (1, 5, [])
    total = await inside(bench, chunks)
    assert await state(bench) == {"current": (SMALL, total), "previous": (WORDS, total)}
    for _ in range(2):
        for query, document in (("moon full", "moons.md"), ("tide Whitby", "tides.md"), ("annual leave", "leave.txt")):
            assert (await found(bench, query))[0][0].endswith(document)
        assert len(await dimensions(bench)) == 1
        await bench.knowledge.reembedding.rollback(TENANT, "c")


async def test_a_document_that_was_embedded_before_the_switch_and_comes_after_it_is_embedded_again(
    bench, server, folder
):
    bench.source.configured = SMALL
    await bench.ingest(folder)
    (folder / "late.md").write_text("# Late\n\nThe late train leaves from platform nine.")
    server.hold = asyncio.Event()
    ingest = await bench.knowledge.ingest.submit_paths(TENANT, "c", [str(folder)])
    while server.waiting == 0:
        await asyncio.sleep(0.01)
    assert (await change(bench, WORDS)).status == "done"
    server.hold.set()
    job = await bench.ended(ingest)
    assert (job.status, job.result["documents"]) == ("done", 1)
    assert await dimensions(bench) == {64}
    assert (await found(bench, "late train platform"))[0][0] == "late.md"


async def test_old_vectors_are_forgotten_and_nothing_else(bench, folder):
    await bench.ingest(folder)
    await change(bench, SMALL)
    after = await found(bench)
    assert (await forget(bench)).result["chunks"] > 0
    assert await inside(bench) == 0
    assert await found(bench) == after
    stored = await bench.database.read(lambda c: set(c.scalars(select(documents.c.embedding_model))))
    assert stored == {SMALL}
    with pytest.raises(Conflict, match="keeps no vectors"):
        await bench.knowledge.reembedding.rollback(TENANT, "c")
    (folder / "tides.md").write_text("# Tides\n\nThe tide comes in at seven in Whitby.")
    await bench.ingest(folder)
    assert await inside(bench) == 0
    assert (await forget(bench)).status == "done"  # once more is as good as once
    assert (await found(bench, "tide Whitby"))[0][0] == "tides.md"


async def test_a_vector_never_has_the_residual_of_another_model(bench, folder):
    """Vectors from before there were residuals, beside those of a model that has some, and the other way round."""
    await bench.ingest(folder)
    await change(bench, SMALL)

    async def residuals():
        def read(connection):
            return set(read_residuals(connection, connection.scalars(select(chunks.c.id)).all()).values())

        return await bench.database.read(read)

    own = await bench.database.read(lambda c: set(c.scalars(select(chunks.c.vector_residual))))
    beside = await bench.database.read(lambda c: set(c.scalars(select(chunk_vectors.c.vector_residual))))
    assert own
    assert own.isdisjoint(beside)
    assert await residuals() == beside
    await bench.database.write(lambda c: c.execute(update(chunk_vectors).values(vector_residual=None)))
    assert await residuals() == {b""}
    await bench.knowledge.reembedding.rollback(TENANT, "c")
    assert await residuals() == own
    await bench.knowledge.reembedding.rollback(TENANT, "c")
    before = await found(bench)
    await forget(bench)
    assert await inside(bench) == 0
    assert await residuals() == {b""}
    assert await found(bench) == before


async def test_the_same_texts_are_embedded_as_by_the_ingest(bench, folder):
    """Passages, headers of tables and sentences are made from the rows: all of them were embedded before."""
    await bench.ingest(folder)
    before = await found(bench, "part 41 shelf")
    await change(bench, SMALL)
    await forget(bench)
    job = await change(bench, WORDS)
    assert (job.result["embedded"], job.result["reused"] > 60) == (0, True)
    assert await found(bench, "part 41 shelf") == before


async def test_a_cancelled_change_leaves_all_as_it_was_and_goes_on_later(bench, server, folder):
    await bench.ingest(folder)
    before, total = await found(bench), await inside(bench, chunks)
    job = await bench.knowledge.reembedding.submit(TENANT, "c", SMALL)
    while not await inside(bench):
        await asyncio.sleep(0.005)
    server.hold = asyncio.Event()
    with contextlib.suppress(Conflict):
        await bench.jobs.cancel(TENANT, job.id)
    ended = await bench.ended(job)
    server.hold.set()
    assert ended.status == "cancelled"
    part = (await state(bench))["left"][1]
    assert 0 < part < total
    assert await found(bench) == before
    assert (await bench.knowledge.collections.get(SCOPE, "c")).embedding_model == WORDS
    asked = len(server.texts)
    job = await change(bench, SMALL)
    assert (job.status, job.result["chunks"]) == ("done", total)
    assert len(server.texts) - asked < asked + job.result["embedded"]
    assert job.result["embedded"] + job.result["reused"] < await everything(bench)


async def everything(bench):
    """How many texts are embedded for all chunks, once for each chunk."""
    rows = await bench.database.read(lambda c: c.execute(select(chunks.c.sentences)).all())
    return sum(1 + len(row.sentences) // 12 for row in rows)


async def test_a_model_that_fails_changes_nothing_and_the_next_job_goes_on(bench, server, folder):
    await bench.ingest(folder)
    before = await found(bench)
    with pytest.raises(Exception, match="none"):
        await bench.knowledge.reembedding.submit(TENANT, "c", "letters/none")
    job = await bench.knowledge.reembedding.submit(TENANT, "c", SMALL)
    server.failures = [503] * 2000
    job = await bench.ended(job)
    assert (job.status, "letters" in job.error) == ("failed", True)
    assert await found(bench) == before
    server.failures = []
    assert (await change(bench, SMALL)).status == "done"


async def test_going_back_is_refused_where_documents_lack_the_old_vectors_until_they_have_some(bench, server, folder):
    bench.source.configured = SMALL
    await bench.ingest(folder)
    await change(bench, WORDS)
    server.failures = [500] * 2000
    (folder / "tides.md").write_text("# Tides\n\nThe tide comes in at seven in Whitby.")
    result = await bench.ingest(folder)
    assert (result["documents"], len(result["notes"])) == (1, 1)
    assert SMALL in result["notes"][0]
    with pytest.raises(Conflict, match="have no vectors of letters/letters-32") as caught:
        await bench.knowledge.reembedding.rollback(TENANT, "c")
    assert f"--model {SMALL}" in caught.value.hint
    server.failures, server.texts = [], []
    job = await change(bench, SMALL)
    assert job.status == "done"
    assert 1 <= job.result["embedded"] <= 4
    assert (await found(bench, "tide Whitby"))[0][0] == "tides.md"
    await bench.knowledge.reembedding.rollback(TENANT, "c")


async def test_another_server_sees_the_switch_with_its_next_search(bench, open_bench, models, folder):
    await bench.ingest(folder)
    async with open_bench(source=models, run_jobs=False) as other:
        assert await found(other) == await found(bench)
        await change(bench, LARGE)
        assert await found(other) == await found(bench)
        await other.knowledge.reembedding.rollback(TENANT, "c")
        assert await found(bench) == await found(other)
        bench.source.gone.add(WORDS)
        with pytest.raises(Conflict, match="is not available any more"):
            await found(other)
        bench.source.gone.clear()
        await bench.knowledge.reembedding.rollback(TENANT, "c")
        bench.source.gone.add(WORDS)  # the model that the other server remembers
        assert await found(other) == await found(bench)


async def test_searches_never_see_half_of_a_switch(bench, folder):
    await bench.ingest(folder)
    await change(bench, SMALL)
    allowed = []
    for _ in range(2):
        allowed.append(await found(bench))
        await bench.knowledge.reembedding.rollback(TENANT, "c")
    stop = asyncio.Event()

    async def look():
        while not stop.is_set():
            assert await found(bench) in allowed

    lookers = [asyncio.create_task(look()) for _ in range(3)]
    for _ in range(20):
        await bench.knowledge.reembedding.rollback(TENANT, "c")
        await asyncio.sleep(0.05)
    stop.set()
    await asyncio.gather(*lookers)


async def test_new_collections_get_the_configured_model_and_old_ones_keep_theirs(bench, folder):
    await bench.ingest(folder)
    before = await found(bench)
    bench.source.configured = SMALL
    assert await found(bench) == before
    await bench.ingest(folder, collection="new")
    models = {item.name: item.embedding_model for item in await bench.knowledge.collections.list(SCOPE)}
    assert models == {"c": WORDS, "new": SMALL}
    (folder / "tides.md").write_text("# Tides\n\nThe tide comes in at seven in Whitby.")
    await bench.ingest(folder)
    assert (await found(bench, "tide Whitby"))[0][0] == "tides.md"
    assert await dimensions(bench) == {64, 32}
    assert (await bench.ended(await bench.knowledge.reembedding.submit(TENANT, "c"))).result["model"] == SMALL
    assert (await bench.ingest(folder))["skipped"] == 5


async def test_a_model_that_is_gone_is_named_and_another_one_takes_over(bench, folder):
    await bench.ingest(folder)
    bench.source.configured = SMALL
    bench.source.gone.add(WORDS)
    with pytest.raises(Conflict, match="test/words, which is not available any more") as caught:
        await found(bench)
    assert "guru collections reembed c" in caught.value.hint
    job = await bench.ended(await bench.knowledge.ingest.submit_paths(TENANT, "c", [str(folder)]))
    assert (job.status, "test/words" in job.error) == ("failed", True)
    assert (await bench.ended(await bench.knowledge.reembedding.submit(TENANT, "c"))).status == "done"
    assert (await found(bench))[0][0] == "plants/tea.md"
    with pytest.raises(Conflict, match="cannot go back"):
        await bench.knowledge.reembedding.rollback(TENANT, "c")
    await bench.ingest(folder)


async def test_what_cannot_be_is_refused(bench, server, folder):
    await bench.ingest(folder)
    submit = bench.knowledge.reembedding.submit
    with pytest.raises(Conflict, match="already"):
        await submit(TENANT, "c")
    with pytest.raises(ModelNotFound):
        await submit(TENANT, "c", "no/model")
    for tenant, name in ((TENANT, "d"), ("other", "c")):
        with pytest.raises(NotFound):
            await submit(tenant, name, SMALL)
        with pytest.raises(NotFound):
            await bench.knowledge.reembedding.rollback(tenant, name)
        with pytest.raises(NotFound):
            await bench.knowledge.reembedding.submit_forget(tenant, name)
    job = await submit(TENANT, "c", SMALL)
    for work in (submit(TENANT, "c", LARGE), bench.knowledge.reembedding.submit_forget(TENANT, "c")):
        with pytest.raises(Conflict, match=job.id):
            await work
    assert (await bench.ended(job)).status == "done"
    with pytest.raises(Conflict, match="keeps the vectors of test/words"):
        await submit(TENANT, "c", LARGE)
    long = update(chunks).values(tokens=600)
    await bench.database.write(lambda connection: connection.execute(long))
    with pytest.raises(InvalidParameter, match="passages of 600"):
        await submit(TENANT, "c", WORDS)


async def test_a_model_that_was_exchanged_under_its_name_is_named(bench, server, folder):
    bench.source.configured = SMALL
    await bench.ingest(folder)
    server.dimensions["letters-32"] = 48
    with pytest.raises(Conflict, match="48 dimensions; those of the collection 'c' have 32"):
        await found(bench)
    assert (await change(bench, WORDS)).status == "done"
    assert (await found(bench))[0][0] == "plants/tea.md"


async def test_old_vectors_expire(bench, folder):
    await bench.ingest(folder)
    await change(bench, SMALL)
    assert await bench.knowledge.reembedding.expire() == []
    long_ago = update(collections).values(switched_at=collections.c.switched_at - 8 * 86400)
    await bench.database.write(lambda connection: connection.execute(long_ago))
    (job,) = await bench.knowledge.reembedding.expire()
    assert (await bench.ended(job)).status == "done"
    assert await inside(bench) == 0
    row = await bench.database.read(lambda connection: find_collection(connection, TENANT, "c"))
    assert (row.embedding_model, row.previous_model) == (SMALL, None)


async def test_deleting_leaves_no_vectors(bench, folder):
    await bench.ingest(folder)
    await change(bench, SMALL)
    (document, *_) = (await bench.knowledge.documents.list(SCOPE, "c"))[0]
    count = await inside(bench)
    await bench.knowledge.documents.delete(SCOPE, document.id)
    assert 0 < await inside(bench) < count
    await bench.knowledge.collections.delete(SCOPE, "c")
    assert await inside(bench) == 0


async def test_a_copy_has_the_model_of_its_collection(bench, folder):
    from guru.knowledge.recut import Recutter

    await bench.ingest(folder)
    bench.source.configured = SMALL
    knowledge = bench.knowledge
    recutter = Recutter(
        bench.database, bench.blobs, knowledge.collections, knowledge.filling, KnowledgeSettings(),
        documents=knowledge.documents, parser=bench.parser,
    )  # fmt: skip
    await recutter.cut(TENANT, "c", "copy", {"chunk_tokens": 30, "chunk_overlap": 6})
    assert (await knowledge.collections.get(SCOPE, "copy")).embedding_model == WORDS
    assert (await found(bench, collection="copy"))[0][0] == "plants/tea.md"
