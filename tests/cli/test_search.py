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


def test_how_a_search_ranks_is_chosen_and_shown(sample_server):
    options = ("--fusion", "weighted", "--distance", "manhattan", "--dense-weight", "0.8", "--diversity", "0.3")
    query = ("search", "mileage rate", "-c", "handbook", "-k", "3", "--explain", *options)
    (first, *_) = run_json(sample_server.home, *query)["results"]
    assert {"dense_scaled", "sparse_scaled", "distance", "mmr", "redundancy"} <= first["stages"].keys()
    assert "redundancy" in run(sample_server.home, *query).stdout
    reranked = run_json(sample_server.home, *query[:-8], "--rerank", "rerank", "--rerank-top", "5")
    assert (reranked["notes"], "rerank" in reranked["results"][0]["stages"]) == ([], True)
    wrong = run(sample_server.home, "search", "x", "-c", "handbook", "--distance", "manhattan", check=False)
    assert (wrong.returncode, "Choose `fusion`" in wrong.stderr) == (1, True)


def test_a_small_model_that_writes_no_queries_is_a_note_and_the_search_goes_on(sample_server):
    query = ("search", "mileage rate", "-c", "handbook", "--queries", "step-back")
    found = run_json(sample_server.home, *query)
    assert len(found["results"]) == 10
    assert len(found["notes"]) + len(found["queries"]) == 1
    result = run(sample_server.home, *query, "--explain")
    assert ("step-back: " in result.stderr) or ("Searched for, too:" in result.stdout)


def test_a_question_takes_the_same_options(sample_server):
    asked = ("ask", "What is the mileage rate?", "-c", "handbook", "--fusion", "rrf", "--rerank", "rerank")
    assert run_json(sample_server.home, *asked)["outcome"] in ("answered", "quoted")
