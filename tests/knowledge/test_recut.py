import pytest

from guru.config import KnowledgeSettings
from guru.errors import InvalidParameter, NotFound
from guru.knowledge.recut import Recutter
from guru.store.scope import Scope

TENANT = "local"
SCOPE = Scope(TENANT)


def recutter(bench, **settings):
    knowledge = bench.knowledge
    chosen = KnowledgeSettings(**settings)
    return Recutter(bench.database, bench.blobs, knowledge.collections, knowledge.filling, chosen, most=254)


@pytest.fixture
def long(folder):
    parts = [f"Part {n} weighs {n} grams, and it is kept on shelf {n + 3} of the store." for n in range(30)]
    (folder / "parts.md").write_text("# Parts\n\n" + " ".join(parts))
    return folder


async def chunks_of(bench, collection):
    found = {}
    for document in (await bench.knowledge.documents.list(SCOPE, collection))[0]:
        passages, _ = await bench.knowledge.documents.chunks(SCOPE, document.id)
        found[document.name] = [(item.start, item.end, item.text, item.heading_path) for item in passages]
    return found


async def test_a_copy_of_the_same_size_is_what_ingest_made(bench, long):
    await bench.ingest(long)
    await recutter(bench).cut(TENANT, "c", "copy", 200)
    assert await chunks_of(bench, "copy") == await chunks_of(bench, "c")
    mine, others = [(await bench.search("On which shelf is part 7?", collection=name))[0] for name in ("copy", "c")]
    assert (mine.document, mine.start, mine.text) == (others.document, others.start, others.text)
    assert mine.score == pytest.approx(others.score, abs=1e-6)  # the same texts have the same vectors


async def test_smaller_chunks_are_of_the_same_text_and_documents_share_their_files(bench, long, forget_grace):
    await bench.ingest(long)
    await recutter(bench).cut(TENANT, "c", "copy", 40)
    small, large = [await chunks_of(bench, name) for name in ("copy", "c")]
    assert len(small["parts.md"]) > 2 * len(large["parts.md"])
    files = len(list(bench.blobs.root.glob("??/*")))
    await bench.knowledge.collections.delete(SCOPE, "copy")
    assert len(list(bench.blobs.root.glob("??/*"))) == files == 4


async def test_what_is_there_already_is_not_cut_again(bench, long):
    await bench.ingest(long)
    await recutter(bench).cut(TENANT, "c", "copy", 40)
    before = [document.id for document in (await bench.knowledge.documents.list(SCOPE, "copy"))[0]]
    await bench.knowledge.documents.delete(SCOPE, before[0])
    await recutter(bench).cut(TENANT, "c", "copy", 40)
    after = [document.id for document in (await bench.knowledge.documents.list(SCOPE, "copy"))[0]]
    assert (after[0] != before[0], after[1:]) == (True, before[1:])


async def test_what_cannot_be_cut_is_refused(bench, long):
    await bench.ingest(long)
    with pytest.raises(InvalidParameter, match="254"):
        await recutter(bench).cut(TENANT, "c", "copy", 1000)
    with pytest.raises(NotFound):
        await recutter(bench).cut("other", "c", "copy", 40)
    assert [item.name for item in await bench.knowledge.collections.list(SCOPE)] == ["c"]
