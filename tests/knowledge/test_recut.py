import pytest

from guru.config import KnowledgeSettings
from guru.errors import InvalidParameter, NotFound
from guru.knowledge.parse.grammars import installed
from guru.knowledge.recut import Recutter
from guru.store.scope import Scope

TENANT = "local"
SCOPE = Scope(TENANT)
SMALL = {"chunk_tokens": 40, "chunk_overlap": 8}
CODE = "import os\n\n\n" + "\n\n".join(
    f"class Pump{n}:\n    def start(self):\n        self.speed = {n}\n\n    def stop(self):\n        self.speed = 0\n"
    for n in range(8)
)


def recutter(bench, **settings):
    knowledge = bench.knowledge
    chosen = KnowledgeSettings(**settings)
    return Recutter(
        bench.database, bench.blobs, knowledge.collections, knowledge.filling, chosen,
        documents=knowledge.documents, parser=bench.parser,
    )  # fmt: skip


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
    await recutter(bench).cut(TENANT, "c", "copy", {"chunk_tokens": 200, "chunk_overlap": 40})
    assert await chunks_of(bench, "copy") == await chunks_of(bench, "c")
    mine, others = [(await bench.search("On which shelf is part 7?", collection=name))[0] for name in ("copy", "c")]
    assert (mine.document, mine.start, mine.text) == (others.document, others.start, others.text)
    assert mine.score == pytest.approx(others.score, abs=1e-6)  # the same texts have the same vectors


async def test_smaller_chunks_are_of_the_same_text_and_documents_share_their_files(bench, long, forget_grace):
    await bench.ingest(long)
    await recutter(bench).cut(TENANT, "c", "copy", SMALL)
    small, large = [await chunks_of(bench, name) for name in ("copy", "c")]
    assert len(small["parts.md"]) > 2 * len(large["parts.md"])
    files = len(list(bench.blobs.root.glob("??/*")))
    await bench.knowledge.collections.delete(SCOPE, "copy")
    assert len(list(bench.blobs.root.glob("??/*"))) == files == 4


async def test_a_copy_is_cut_as_an_ingest_with_these_settings_cuts(bench, long):
    (long / "pumps.py").write_text(CODE)
    await bench.ingest(long)
    for chunking in ("heading", "semantic", "code", "hierarchical"):
        chosen = SMALL | {"chunking": chunking, "parent_tokens": 120}
        await bench.knowledge.collections.create(TENANT, f"{chunking}-wanted", settings=chosen)
        await bench.ingest(long, collection=f"{chunking}-wanted")
        await recutter(bench).cut(TENANT, "c", chunking, chosen)
        copied = await chunks_of(bench, chunking)
        assert copied == await chunks_of(bench, f"{chunking}-wanted")
        if chunking == "code" and installed("Python"):
            assert {text.split()[0] for _, _, text, _ in copied["pumps.py"]} == {"import", "class"}


async def test_a_collection_says_how_it_is_cut_and_what_of_that_is_its_own(bench):
    await bench.knowledge.collections.create(TENANT, "c", settings={"chunking": "heading"})
    options, own = await recutter(bench, chunk_tokens=1000).options_of(TENANT, "c")
    assert (options.chunking, options.chunk_tokens, own) == ("heading", 254, ["chunking"])  # what the model reads
    with pytest.raises(NotFound):
        await recutter(bench).options_of("other", "c")


async def test_what_is_there_already_is_not_cut_again(bench, long):
    await bench.ingest(long)
    await recutter(bench).cut(TENANT, "c", "copy", SMALL)
    before = [document.id for document in (await bench.knowledge.documents.list(SCOPE, "copy"))[0]]
    await bench.knowledge.documents.delete(SCOPE, before[0])
    await recutter(bench).cut(TENANT, "c", "copy", SMALL)
    after = [document.id for document in (await bench.knowledge.documents.list(SCOPE, "copy"))[0]]
    assert (after[0] != before[0], after[1:]) == (True, before[1:])


async def test_what_cannot_be_cut_is_refused(bench, long):
    await bench.ingest(long)
    with pytest.raises(InvalidParameter, match="254"):
        await recutter(bench).cut(TENANT, "c", "copy", {"chunk_tokens": 1000})
    with pytest.raises(NotFound):
        await recutter(bench).cut("other", "c", "copy", SMALL)
    assert [item.name for item in await bench.knowledge.collections.list(SCOPE)] == ["c"]
