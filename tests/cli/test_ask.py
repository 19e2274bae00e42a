import pytest

from running import run, run_json

QUESTION = "How many weeks of parental leave does every parent get?"


def test_an_answer_is_followed_by_its_sources_with_page_and_quote(sample_server):
    text = run(sample_server.home, "ask", QUESTION, "-c", "handbook").stdout
    assert "22 weeks" in text
    assert "[1] employee-handbook.pdf, page " in text
    assert "\x1b" not in text


def test_json_has_the_fixed_shape_and_quotes_that_hold(sample_server):
    answer = run_json(sample_server.home, "ask", QUESTION, "--collection", "handbook")
    assert {"answer", "citations", "model", "usage", "cost", "trace_id"} <= answer.keys()
    for citation in answer["citations"]:
        assert {"n", "document", "page", "start", "end", "quote", "score"} <= citation.keys()
        place = f"/api/v1/documents/{citation['document_id']}/text?start={citation['start']}&end={citation['end']}"
        assert sample_server.get(place)["text"] == citation["quote"]


def test_what_is_not_in_the_documents_is_not_answered(sample_server):
    answer = run_json(sample_server.home, "ask", "What is the boiling point of tungsten on the Moon?", "-c", "handbook")
    assert (answer["outcome"], answer["citations"]) == ("declined", [])


@pytest.mark.parametrize("option", [("-c", "nowhere"), ("-c", "handbook", "--model", "no/such-model")])
def test_an_unknown_collection_or_model_is_an_error_with_a_hint(sample_server, option):
    result = run(sample_server.home, "ask", QUESTION, *option, check=False)
    assert (result.returncode, result.stdout) == (1, "")
    assert option[-1] in result.stderr


def test_sources_that_disagree_are_shown_side_by_side(sample_server, tmp_path):
    folder = tmp_path / "limits"
    folder.mkdir()
    (folder / "old.md").write_text("---\ndate: 2022-03-01\n---\nA guest may stay for 14 nights.\n")
    (folder / "new.md").write_text("---\ndate: 2024-03-01\n---\nA guest may stay for 21 nights.\n")
    run(sample_server.home, "ingest", folder, "--collection", "limits")
    question = "For how many nights may a guest stay?"
    text = run(sample_server.home, "ask", question, "-c", "limits").stdout
    told = text[text.rindex("The sources disagree") :]
    assert told.index("“21”") < told.index("“14”")
    assert "new.md, 2024-03-01" in told and "old.md, 2022-03-01" in told
    (conflict,) = run_json(sample_server.home, "ask", question, "-c", "limits")["conflicts"]
    assert [position["says"] for position in conflict["positions"]] == ["21", "14"]


def test_many_documents_are_answered_from_and_what_was_not_read_is_named(sample_server, tmp_path):
    folder = tmp_path / "years"
    folder.mkdir()
    for year in range(2015, 2025):
        (folder / f"{year}.md").write_text(f"At the end of {year} the choir had {year - 1990} members.\n")
    run(sample_server.home, "ingest", folder, "--collection", "choir")
    asked = ("ask", "How many members did the choir have in each year?", "-c", "choir", "--strategy", "map_reduce")
    answer = run_json(sample_server.home, *asked)
    assert len({citation["document"] for citation in answer["citations"]}) == 10
    assert answer["progress"]["done"] == answer["progress"]["total"] == 10 and not answer["progress"]["unread"]
    text = run(sample_server.home, *asked).stdout
    assert text.count("\n- ") == 9 and "[10] 20" in text
