"""An answer may be made of passages further down whose tables have the row that is asked for."""

import pytest

from guru.store.scope import Scope
from guru.types import SearchOptions

SCOPE = Scope("local")
PROSE = "The gaming revenue of the year was driven by games, and gaming revenue in 2019 had many reasons, reason {}.\n"
ROWS = "\n".join(
    f"Line {number} of other things that are sold | {number},101 | {number},202" for number in range(1, 60)
)
REPORT = f"""# Revenue by product

(In millions)

Year Ended June 30, | 2019 | 2018
{ROWS}
Gaming | 11,386 | 10,353
Total | 99,386 | 88,353
"""
QUESTION = "What was gaming revenue in 2019?"


@pytest.fixture
def reports(tmp_path):
    folder = tmp_path / "reports"
    folder.mkdir()
    for number in range(24):
        (folder / f"note{number}.md").write_text(f"# Gaming revenue {number}\n\n{PROSE.format(number)}")
    (folder / "figures.md").write_text(REPORT)
    return folder


def with_row(found):
    return [hit for hit in found.hits if "Gaming | 11,386" in hit.text]


async def test_the_row_is_found_behind_prose_that_has_the_words_of_the_question(bench, reports):
    await bench.ingest(reports)
    plain = await bench.knowledge.retrieve(SCOPE, "c", QUESTION, k=10)
    assert len(plain.hits) == 10 and not with_row(plain) and not plain.above
    found = await bench.knowledge.retrieve(SCOPE, "c", QUESTION)
    (hit,) = with_row(found)
    assert [other.chunk_id for other in found.hits[:10]] == [other.chunk_id for other in plain.hits]
    assert [other.rank for other in found.hits] == list(range(1, len(found.hits) + 1))
    assert len(found.hits) == len(found.sentences) <= 16
    text = await bench.knowledge.documents.text(SCOPE, hit.document_id)
    above = found.above[hit.chunk_id]
    assert text[: hit.start].endswith(above) and hit.text == text[hit.start : hit.end]


async def test_rows_of_another_year_are_not_added(bench, reports):
    await bench.ingest(reports)
    assert not with_row(await bench.knowledge.retrieve(SCOPE, "c", "What was gaming revenue in 1999?"))


async def test_a_search_and_a_filter_are_left_alone(bench, reports):
    await bench.ingest(reports)
    assert not [hit for hit in await bench.search(QUESTION) if "11,386" in hit.text]
    name = next(hit.document for hit in await bench.search(QUESTION))
    found = await bench.knowledge.retrieve(SCOPE, "c", QUESTION, filter={"document": name})
    assert {hit.document for hit in found.hits} == {name}


async def test_documents_without_tables_get_nothing_more(bench, reports):
    (reports / "figures.md").unlink()
    await bench.ingest(reports)
    found = await bench.knowledge.retrieve(SCOPE, "c", QUESTION)
    assert len(found.hits) == 10 and not found.above


async def test_no_passage_comes_twice_where_passages_are_chosen_for_what_they_add(bench, reports):
    await bench.ingest(reports)
    found = await bench.knowledge.retrieve(SCOPE, "c", QUESTION, options=SearchOptions(diversity=0.9))
    assert len({hit.chunk_id for hit in found.hits}) == len(found.hits) > 10
