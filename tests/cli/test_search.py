import json

from running import run, run_json


def test_results_name_document_page_and_text(sample_server):
    text = run(sample_server.home, "search", "-c", "handbook", "parental leave").stdout
    assert "employee-handbook.pdf, page " in text.splitlines()[0]
    assert "parental leave" in text.lower()


def test_explain_shows_the_score_of_every_stage(sample_server):
    text = run(sample_server.home, "search", "-c", "handbook", "parental leave", "--explain").stdout
    head = text.split("employee-handbook.pdf")[0]
    assert [stage for stage in ("dense", "sparse") if stage not in head] == []


def test_json_has_the_fixed_shape(sample_server):
    found = run_json(sample_server.home, "search", "-c", "handbook", "mileage rate", "-k", "3", "--explain")["results"]
    assert [hit["rank"] for hit in found] == [1, 2, 3]
    assert {"rank", "score", "document", "page", "start", "end", "text", "stages"} <= found[0].keys()
    assert found[0]["document"] == "travel-and-expenses.docx"


def test_a_filter_keeps_other_documents_out(sample_server):
    only = json.dumps({"document": "sites.csv"})
    found = run_json(sample_server.home, "search", "-c", "handbook", "parental leave", "--filter", only)["results"]
    assert {hit["document"] for hit in found} == {"sites.csv"}


def test_a_filter_that_is_no_object_is_wrong_use(sample_server):
    for text in ("{", "[]"):
        assert run(sample_server.home, "search", "-c", "handbook", "x", "--filter", text, check=False).returncode == 2
