"""What a collection is about, from the command line."""

from running import run, run_json


def test_topics_show_words_and_typical_documents(sample_server):
    shown = run(sample_server.home, "collections", "topics", "handbook", "--count", "2", "--typical", "1")
    assert "topics in 6 documents" in shown.stderr
    found = run_json(sample_server.home, "collections", "topics", "handbook", "--passages", "--seed", "3")
    assert (found["unit"], found["count"] > 6) == ("passages", True)
    only = '{"document": {"prefix": "travel"}}'
    few = run_json(sample_server.home, "collections", "topics", "handbook", "--filter", only)
    assert [topic["typical"][0]["name"] for topic in few["topics"]] == ["travel-and-expenses.docx"]
    wrong = run(sample_server.home, "collections", "topics", "handbook", "--filter", "{", check=False)
    assert (wrong.returncode, "not JSON" in wrong.stderr) == (2, True)


def test_anomalies_show_scores_and_reasons(home, tmp_path):
    folder = tmp_path / "papers"
    folder.mkdir()
    for n in range(9):
        (folder / f"{n}.txt").write_text(f"Feed pump {n} is greased in March and its motor is checked for leaks.")
    (folder / "noise.txt").write_text("qzx vvk jrw pplk " * 60)
    run(home, "ingest", folder, "-c", "plant")
    shown = run(home, "collections", "anomalies", "plant")
    assert "noise.txt" in shown.stdout
    assert "again and again" in shown.stdout
    assert "unusual document" in shown.stderr
    found = run_json(home, "collections", "anomalies", "plant", "--limit", "1")
    assert [item["name"] for item in found["anomalies"]] == ["noise.txt"]


def test_a_summary_stands_with_its_sources(sample_server):
    shown = run(sample_server.home, "collections", "summarize", "handbook", "--sentences", "3")
    assert "in the documents' own sentences" in shown.stderr
    found = run_json(sample_server.home, "collections", "summarize", "handbook", "--document", "employee-handbook.pdf")
    assert found["method"] == "extractive"
    assert {source["document"] for item in found["sentences"] for source in item["sources"]} == {
        "employee-handbook.pdf"
    }
    assert all(item["sources"][0]["page"] for item in found["sentences"])
    missing = run(sample_server.home, "collections", "summarize", "handbook", "--document", "no.pdf", check=False)
    assert (missing.returncode, "no.pdf" in missing.stderr) == (1, True)
