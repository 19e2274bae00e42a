import json

import pytest

from running import run, run_json

LINES = [
    {"question": "How many weeks of parental leave does every parent get?", "document": "employee-handbook.pdf",
     "answers": ["22 weeks"]},
    {"question": "What is the mileage rate for a private car?", "document": "travel-and-expenses.docx"},
    {"question": "Who is the site manager in Toronto?", "answers": ["Priya Raman"]},
    {"question": "What was the revenue of Tarnholm Instruments in 2025?", "impossible": True},
]  # fmt: skip


@pytest.fixture
def questions(tmp_path):
    path = tmp_path / "questions.jsonl"
    path.write_text("\n\n".join(map(json.dumps, LINES)))
    return path


def test_retrieval_is_measured_in_a_table_and_as_json(sample_server, questions):
    result = run(sample_server.home, "eval", "retrieval", "-c", "handbook", questions, "-k", "5")
    assert "3 questions with an answer, 1 without one" in result.stdout
    assert [
        name for name in ("precision", "recall", "hit rate", "ndcg", "MRR", "p99") if name not in result.stdout
    ] == []
    assert "intervals are rough" in result.stderr
    report = run_json(sample_server.home, "eval", "retrieval", "-c", "handbook", questions, "-k", "5")
    assert report["metrics"]["hit_rate@5"]["mean"] == 1.0
    assert report["metrics"]["hit_rate@5"]["low"] < 1.0
    assert len(report["results"]) == 4
    again = run_json(sample_server.home, "eval", "retrieval", "-c", "handbook", questions, "-k", "5")
    assert again["metrics"] == report["metrics"]


@pytest.mark.slow
def test_answers_are_measured_and_the_output_says_how(sample_server, questions):
    result = run(sample_server.home, "eval", "retrieval", "-c", "handbook", questions, "--answers")
    assert "faithfulness: local: " in result.stdout
    assert "wrongly declined" in result.stdout
    report = run_json(sample_server.home, "eval", "retrieval", "-c", "handbook", questions, "--answers")
    values = report["answers"]["metrics"]
    assert (values["verbatim"]["mean"], values["faithfulness"]["mean"]) == (1.0, 1.0)
    assert values["declined"]["n"] == 1


def test_a_wrong_line_is_named_by_its_number_in_the_file(sample_server, questions):
    questions.write_text(questions.read_text() + '\n{"question": "Why?", "dokument": "x"}\n')
    result = run(sample_server.home, "eval", "retrieval", "-c", "handbook", questions, check=False)
    assert result.returncode == 1
    assert "Line 8" in result.stderr
    assert "dokument" in result.stderr


def test_questions_that_were_made_can_be_measured(sample_server, tmp_path):
    made = run(sample_server.home, "eval", "questions", "-c", "handbook", "--count", "8")
    lines = [json.loads(line) for line in made.stdout.splitlines()]
    assert len(lines) == 8
    assert len({line["document"] for line in lines}) >= 4
    assert "people's questions are harder" in made.stderr
    path = tmp_path / "made.jsonl"
    path.write_text(made.stdout)
    report = run_json(sample_server.home, "eval", "retrieval", "-c", "handbook", path)
    assert report["warnings"] == []
    assert report["metrics"]["hit_rate@10"]["mean"] == 1.0


def test_tuning_prints_every_setting_and_writes_a_page(sample_server, questions, tmp_path):
    page = tmp_path / "tune.html"
    arguments = ("knowledge", "tune", "-c", "handbook", questions, "-k", "1", "-k", "3", "--mode", "hybrid")
    arguments += ("--fusion", "learned")
    result = run(sample_server.home, *arguments, "-o", page, "--rerank", "rerank")
    assert "hybrid, 3 passages of 200 tokens, best 30 reranked by rerank" in result.stdout
    assert "hybrid, 3 passages of 200 tokens" in result.stdout
    assert "Keep hybrid, 6 passages of 200 tokens." in result.stdout
    assert "<svg" in page.read_text()
    report = run_json(sample_server.home, *arguments)
    assert [item["k"] for item in report["settings"]] == [1, 3, 6]


def test_evaluations_are_listed_and_shown_again(sample_server, questions):
    home = sample_server.home
    assert "Show the report" in run(home, "eval", "show", "--help").stdout
    first = run(home, "eval", "retrieval", "-c", "handbook", questions).stdout
    newest = run_json(home, "eval", "list", "-c", "handbook", "--limit", "1")["evaluations"][0]
    assert run(home, "eval", "show", newest["id"]).stdout == first
    assert newest["id"] in run(home, "eval", "list").stdout
    assert run_json(home, "eval", "show", newest["id"])["report"]["questions"] == len(LINES)
    missing = run(home, "eval", "show", "eval_x", check=False)
    assert (missing.returncode, "There is no evaluation" in missing.stderr) == (1, True)
