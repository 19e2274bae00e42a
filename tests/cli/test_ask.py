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
