import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guru.errors import InvalidParameter, NotFound
from guru.store.scope import Scope

TENANT = "local"
SCOPE = Scope(TENANT)


async def test_a_question_finds_its_passage_in_every_mode(bench, folder):
    await bench.ingest(folder)
    for mode in ("hybrid", "dense", "sparse"):
        hits = await bench.search("How many days of annual leave do employees have?", mode=mode)
        assert hits[0].document == "leave.txt"
        assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        assert all(0 < hit.score < 1 for hit in hits)


async def test_a_hit_is_verbatim_at_its_offsets(bench, folder):
    await bench.ingest(folder)
    for hit in await bench.search("tea"):
        assert await bench.knowledge.documents.text(SCOPE, hit.document_id, hit.start, hit.end) == hit.text


async def test_an_identifier_is_found_as_it_is_written_and_in_parts(bench, folder):
    await bench.ingest(folder)
    for query in ("P-101", "p101", "101"):
        assert (await bench.search(query, mode="sparse"))[0].document == "pumps.md"


async def test_stages_are_shown_when_asked_for(bench, folder):
    await bench.ingest(folder)
    (hit,) = await bench.search("feed pump", k=1, explain=True)
    assert set(hit.stages) == {"dense", "sentence", "coverage", "sparse", "bm25"}
    assert (await bench.search("feed pump", k=1))[0].stages == {}


async def test_retrieval_carries_the_sentences_of_every_hit(bench, folder):
    await bench.ingest(folder)
    found = await bench.knowledge.retrieve(SCOPE, "c", "What are the bearings greased with in March?")
    hit, sentences = found.hits[0], found.sentences[0]
    assert found.vector.shape == (384,)
    assert all(hit.text[s.start - hit.start : s.end - hit.start] == s.text for s in sentences)
    best = max(sentences, key=lambda sentence: sentence.score)
    assert best.text == "Its bearings are greased every March."
    assert best.coverage > 0.5


async def test_a_collection_of_one_passage_scores_what_fits_above_what_does_not(bench, folder):
    await bench.ingest(folder / "pumps.md")
    fits = (await bench.search("Who greases the bearings of the feed pump?"))[0].score
    nonsense = (await bench.search("zxqv wrrp"))[0].score
    assert fits > 0.3 > 0.01 > nonsense


async def test_an_empty_collection_has_no_hits(bench):
    await bench.knowledge.collections.create(TENANT, "c")
    assert await bench.search("anything") == []


async def test_a_query_without_a_common_word_has_no_sparse_hits_but_dense_ones(bench, folder):
    await bench.ingest(folder)
    assert await bench.search("zxqv", mode="sparse") == []
    assert len(await bench.search("zxqv")) == 3


@pytest.mark.parametrize("wrong", [{"query": " "}, {"k": 0}, {"k": 5000}, {"mode": "best"}, {"filter": {"x": 1}}])
async def test_a_wrong_request_is_refused_by_name(bench, folder, wrong):
    await bench.knowledge.collections.create(TENANT, "c")
    with pytest.raises(InvalidParameter) as caught:
        await bench.search(**{"query": "tea", **wrong})
    assert caught.value.param == next(iter(wrong))


async def test_another_tenant_finds_nothing(bench, folder):
    await bench.ingest(folder)
    with pytest.raises(NotFound):
        await bench.knowledge.search(Scope("other"), "c", "tea")


async def test_a_filter_leaves_only_its_documents_and_none_of_them_out(bench, tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    for n in range(150):
        team = ("red", "blue", "green")[n % 3]
        (folder / f"{n}.md").write_text(f"---\nteam: {team}\n---\n\nThe valve number {n} is sold.")
    await bench.ingest(folder)
    wanted = {"metadata.front_matter.team": "blue"}
    for mode in ("hybrid", "dense", "sparse"):
        everything = await bench.search("the valve is sold", k=150, mode=mode)
        filtered = await bench.search("the valve is sold", k=150, mode=mode, filter=wanted)
        expected = [hit.document for hit in everything if int(hit.document[:-3]) % 3 == 1]
        assert [hit.document for hit in filtered] == expected
        assert len(filtered) == 50


async def test_a_search_sees_what_another_process_has_committed(open_bench, folder):
    async with open_bench() as one, open_bench() as two:
        await one.ingest(folder)
        assert (await two.search("feed pump", mode="sparse"))[0].document == "pumps.md"
        (folder / "pumps.md").write_text("# Pumps\n\nThe feed pump is P-202 now.")
        await one.ingest(folder)
        hits = await two.search("feed pump", mode="sparse")
        assert [("P-202" in hit.text) for hit in hits] == [True]
        document = next(d for d in (await one.knowledge.documents.list(SCOPE, "c"))[0] if d.name == "pumps.md")
        await one.knowledge.documents.delete(SCOPE, document.id)
        assert await two.search("feed pump", mode="sparse") == []


async def test_a_document_is_never_half_visible_while_it_is_replaced(bench, folder):
    path = folder / "pumps.md"

    def write(version):
        path.write_text("\n\n".join(f"# Part {n}\n\nVersion {version} of part {n}." for n in range(8)))

    write(0)
    await bench.ingest(folder)

    async def replace():
        for version in range(1, 4):
            write(version)
            await bench.ingest(folder)

    replacing = asyncio.create_task(replace())
    while not replacing.done():
        hits = await bench.search("version of part", mode="sparse", k=50, filter={"document": "pumps.md"})
        versions = {hit.text.split("Version ")[1].split(" ")[0] for hit in hits}
        assert (len(hits), len(versions)) == (8, 1)
        await asyncio.sleep(0.01)
    await replacing


async def test_documents_and_passages_are_listed_in_pages(bench, folder):
    await bench.ingest(folder)
    first, after = await bench.knowledge.documents.list(SCOPE, "c", limit=2)
    rest, end = await bench.knowledge.documents.list(SCOPE, "c", limit=2, after=after)
    assert [document.name for document in first + rest] == ["leave.txt", "plants/tea.md", "pumps.md"]
    assert end is None
    tea = await bench.knowledge.documents.get(SCOPE, rest[0].id if rest[0].name == "plants/tea.md" else first[1].id)
    assert [heading["title"] for heading in tea.headings] == ["Tea", "Brewing"]
    (passage,), end = await bench.knowledge.documents.chunks(SCOPE, tea.id, limit=1)
    assert passage.text == await bench.knowledge.documents.text(SCOPE, tea.id, passage.start, passage.end)
    for method in ("get", "text", "chunks", "original", "delete"):
        with pytest.raises(NotFound):
            await getattr(bench.knowledge.documents, method)(Scope("other"), tea.id)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.text(min_size=1, max_size=60).filter(str.strip))
def test_any_query_is_answered(searched, query):
    hits = searched(query)
    assert all(0 <= hit.score <= 1 for hit in hits)


@pytest.fixture
def searched(open_bench, folder):
    """Search from code that is not async, in a collection that is there already."""
    with asyncio.Runner() as runner:
        opened = open_bench()
        bench = runner.run(opened.__aenter__())
        runner.run(bench.ingest(folder))
        yield lambda query: runner.run(bench.search(query))
        runner.run(opened.__aexit__(None, None, None))
