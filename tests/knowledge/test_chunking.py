"""How a collection's documents are cut, chosen in the configuration and per collection; parents that are read."""

import msgspec
from sqlalchemy import select, text

from guru.config import KnowledgeSettings
from guru.knowledge.answer.answer import Answerer
from guru.knowledge.chunk import ChunkOptions
from guru.knowledge.parse import parse
from guru.knowledge.prepare import File, Preparer, most_tokens
from guru.store.tables import chunks
from guru.types import ChatRequest, Cited, Grounding, Message
from knowledge.answer.answering import ScriptedModel
from knowledge.conftest import SCOPE, TENANT
from knowledge.parse.writing import pdf

MANUAL = "# Pumps\n\n" + "\n\n".join(
    f"Pump P-{n} stands in hall {n}. It delivers {n * 10} litres per minute. Its bearings are greased in March."
    for n in range(1, 13)
)
TABLE = "# Hotels\n\n| Country | Hotel limit |\n|---|---|\n" + "\n".join(
    f"| {name} | {n} EUR a night, breakfast and city tax included |"
    for n, name in enumerate(
        ["Albania", "Belgium", "Croatia", "Denmark", "Estonia", "Finland", "Greece", "Hungary", "Iceland"], start=101
    )
)


async def stored_chunks(bench):
    query = select(chunks).order_by(chunks.c.ordinal)
    return await bench.database.read(lambda connection: connection.execute(query).all())


async def test_a_collection_is_cut_as_it_is_configured_and_anew_when_that_changes(bench, folder):
    await bench.ingest(folder)
    before = len(await stored_chunks(bench))
    assert (await bench.ingest(folder))["skipped"] == 3
    await bench.knowledge.collections.configure(SCOPE, "c", {"chunking": "sentence", "chunk_tokens": 12})
    assert (await bench.ingest(folder))["documents"] == 3
    cut = await stored_chunks(bench)
    assert len(cut) > before and max(chunk.tokens for chunk in cut) <= 12
    assert (await bench.ingest(folder))["skipped"] == 3
    # Of another strategy's parameters nothing depends; back to the configuration's, everything does.
    await bench.knowledge.collections.configure(SCOPE, "c", {"parent_tokens": 300})
    assert (await bench.ingest(folder))["skipped"] == 3
    changed = await bench.knowledge.collections.configure(SCOPE, "c", {"chunking": None, "chunk_tokens": None})
    assert changed.settings == {"parent_tokens": 300}
    assert (await bench.ingest(folder))["documents"] == 3


async def test_the_configuration_s_strategy_is_that_of_collections_without_their_own(open_bench, folder):
    async with open_bench(chunking="semantic", semantic_percentile=0.0, chunk_overlap=0) as bench:
        await bench.ingest(folder)  # embeds in the thread that cuts
        cut = await stored_chunks(bench)
        assert len(cut) > 4
        await bench.knowledge.collections.configure(SCOPE, "c", {"chunking": "heading"})
        assert (await bench.ingest(folder))["documents"] == 3


async def test_what_was_cut_as_prose_says_so(bench, tmp_path):
    (tmp_path / "Main.hs").write_text("main = putStrLn greeting\n")
    await bench.knowledge.collections.create(TENANT, "c", settings={"chunking": "code"})
    await bench.ingest(tmp_path / "Main.hs")
    (document,) = (await bench.knowledge.documents.list(SCOPE, "c"))[0]
    assert document.warnings == ["There is no grammar of Haskell. It was cut as prose."]


async def hierarchical(bench, tmp_path, parent_tokens=120):
    (tmp_path / "manual.md").write_text(MANUAL)
    settings = {"chunking": "hierarchical", "chunk_tokens": 20, "chunk_overlap": 0, "parent_tokens": parent_tokens}
    await bench.knowledge.collections.create(TENANT, "c", settings=settings)
    await bench.ingest(tmp_path / "manual.md")


async def test_small_chunks_are_found_and_their_parents_are_read(bench, tmp_path):
    await hierarchical(bench, tmp_path)
    question = "How much does pump P-7 deliver, and where does it stand?"
    small = await bench.search(question, k=3)
    assert all(hit.end - hit.start < 120 for hit in small)
    found = await bench.knowledge.retrieve(SCOPE, "c", question, k=3)
    text = await bench.knowledge.documents.text(SCOPE, found.hits[0].document_id)
    assert [hit.rank for hit in found.hits] == [1, 2, 3]
    assert len({hit.start for hit in found.hits}) == 3
    for hit, sentences in zip(found.hits, found.sentences, strict=True):
        assert hit.end - hit.start > 240
        assert hit.text == text[hit.start : hit.end]
        assert [text[s.start : s.end] for s in sentences] == [s.text for s in sentences]
        covered = "".join(s.text for s in sentences)
        assert "".join(covered.split()) == "".join(hit.text.split())  # every sentence once, in order
    best = found.hits[0].text
    assert "stands in hall 7." in best and "delivers 70 litres" in best


async def test_an_answer_from_a_parent_cites_the_exact_place(bench, tmp_path):
    await hierarchical(bench, tmp_path)
    question = "In which hall does pump P-7 stand?"
    found = await bench.knowledge.retrieve(SCOPE, "c", question, k=2)
    answerer = Answerer(bench.knowledge.embedder, KnowledgeSettings(), bench.knowledge.documents)
    request = ChatRequest(model="m", messages=[Message("user", question)], guru=Grounding(collection="c"))
    model = ScriptedModel("Pump P-7 stands in hall 7 [1].")
    events = [event async for event in answerer.answer(request, found, model)]
    assert "delivers 70 litres" in model.request.messages[-1].text  # what stands around the chunk that was found
    (citation,) = [citation for event in events if isinstance(event, Cited) for citation in event.citations]
    assert citation.quote == "Pump P-7 stands in hall 7."
    text = await bench.knowledge.documents.text(SCOPE, citation.document_id)
    assert text[citation.start : citation.end] == citation.quote


async def test_a_citation_from_a_parent_names_the_page_of_its_quote(bench, tmp_path):
    from fpdf import FPDF

    pdf = FPDF()
    pdf.set_font("helvetica", size=12)
    for name, place in (("kiln", "the cellar"), ("lathe", "the attic")):
        pdf.add_page()
        pdf.multi_cell(0, 8, f"The {name} stands in {place}. It is cleaned every Friday by the night shift.")
    pdf.output(str(tmp_path / "two.pdf"))
    settings = {"chunking": "hierarchical", "chunk_tokens": 12, "chunk_overlap": 0, "parent_tokens": 400}
    await bench.knowledge.collections.create(TENANT, "c", settings=settings)
    await bench.ingest(tmp_path / "two.pdf")
    found = await bench.knowledge.retrieve(SCOPE, "c", "Where does the lathe stand?", k=1)
    hit = found.hits[0]
    pages = {hit.page_at(hit.start + hit.text.index(name)) for name in ("kiln", "lathe")}
    assert (hit.page, pages) == (1, {1, 2})


async def test_a_chunk_within_a_table_is_embedded_and_read_with_its_header(bench, tmp_path):
    (tmp_path / "hotels.md").write_text(TABLE)
    await bench.knowledge.collections.create(TENANT, "c", settings={"chunk_tokens": 60, "chunk_overlap": 0})
    await bench.ingest(tmp_path / "hotels.md")
    cut = await stored_chunks(bench)
    last = cut[-1]
    assert "Country" not in last.text and last.header_start is not None
    (hit,) = [hit for hit in await bench.search("hotel limit in Iceland", k=10) if hit.chunk_id == last.id]
    assert hit.header == "| Country | Hotel limit |"
    text = await bench.knowledge.documents.text(SCOPE, hit.document_id)
    assert text[hit.start : hit.end] == hit.text  # the header is in no offset
    question = "What is the hotel limit in Iceland?"
    found = await bench.knowledge.retrieve(SCOPE, "c", question, k=5)
    model = ScriptedModel("It is 109 EUR a night [1].")
    answerer = Answerer(None, KnowledgeSettings(), bench.knowledge.documents)
    request = ChatRequest(model="m", messages=[Message("user", question)], guru=Grounding(collection="c"))
    events = [event async for event in answerer.answer(request, found, model)]
    assert "Country: Iceland; Hotel limit: 109 EUR a night" in model.request.messages[-1].text
    (citation,) = [citation for event in events if isinstance(event, Cited) for citation in event.citations]
    assert citation.quote == "| Iceland | 109 EUR a night, breakfast and city tax included |"


def test_a_header_is_embedded_as_far_as_there_is_room(embedder):
    parsed = parse(TABLE.encode(), "hotels.md")
    file = File(name="hotels.md", digest="", size=0, source=None)
    long = msgspec.structs.replace(parsed, text=parsed.text + "\n| Japan | breakfast and tax |" * 80)
    header = "| Country | Hotel limit |"
    for tokens in (60, most_tokens(embedder)):
        preparer = Preparer(embedder, ChunkOptions(chunk_tokens=tokens, chunk_overlap=0), embed=None)
        prepared = preparer.prepare(file, long)
        within = [place for place, chunk in enumerate(prepared.chunks) if chunk.header]
        assert within
        for place in within:
            room = embedder.count_tokens(header) + prepared.chunks[place].tokens <= most_tokens(embedder)
            assert prepared.embedded[place] == (f"{header}\n" if room else "") + prepared.passages[place]
        assert prepared.texts[: len(prepared.chunks)] == prepared.embedded
        assert all(embedder.count_tokens(text) <= most_tokens(embedder) for text in prepared.embedded)


async def test_a_database_of_before_gets_the_columns_and_keeps_its_rows(open_bench, stores, folder, tmp_path):
    def go_back(connection):
        for name in ("parent_start", "parent_end", "header_start", "header_end"):
            connection.execute(text(f"ALTER TABLE chunks DROP COLUMN {name}"))
        connection.execute(text("DELETE FROM schema_migrations WHERE version > 1"))

    home = tmp_path / "home"
    async with open_bench(home) as bench:
        await bench.ingest(folder)
        await bench.jobs.close()
        await bench.database.write(go_back)
    database = stores.database(home)
    await database.open()
    rows = await database.read(lambda connection: connection.execute(select(chunks)).all())
    await database.close()
    assert len(rows) >= 3 and {row.parent_start for row in rows} == {None}
    async with open_bench(home) as bench:
        assert await bench.search("feed pump")


async def test_a_passage_over_the_end_of_a_page_is_cited_with_the_page_of_its_words(bench, tmp_path):
    def write(document):
        for line in ("The old kiln was sold in spring.", "The new lathe stands in hall seven."):
            document.add_page()
            document.text(72, 72, line)

    (tmp_path / "tools.pdf").write_bytes(pdf(write))
    await bench.ingest(tmp_path / "tools.pdf")
    retrieval = await bench.knowledge.retrieve(SCOPE, "c", "Where does the new lathe stand?")
    (hit,) = retrieval.hits
    assert hit.page == 1  # it begins there
    pages = {hit.page_at(hit.start + hit.text.index(name)): name for name in ("kiln", "lathe")}
    assert pages == {1: "kiln", 2: "lathe"}
