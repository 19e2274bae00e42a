import importlib.util
import json
from pathlib import Path

import pytest

from guru.knowledge.parse import parse
from guru.samples import DOCUMENTS, QUESTIONS

SCRIPT = Path(__file__).parents[3] / "scripts" / "make_samples.py"


@pytest.fixture(scope="module")
def documents():
    return {path.name: parse(path.read_bytes(), path.name) for path in DOCUMENTS.iterdir()}


def test_every_sample_document_is_read_without_a_warning(documents):
    assert {Path(name).suffix for name in documents} == {".pdf", ".docx", ".html", ".md", ".csv"}
    for document in documents.values():
        assert document.warnings == []
        assert document.language == "en"


def test_the_answers_stand_in_the_documents_that_the_questions_name(documents):
    questions = json.loads(QUESTIONS.read_text())
    assert len(questions) == 10
    for question in questions:
        if question["document"]:
            assert question["answer"] in documents[question["document"]].text
    assert sum(question["answer"] is None for question in questions) == 2


def test_the_handbook_has_pages_headings_and_tables(documents):
    handbook = documents["employee-handbook.pdf"]
    assert len(handbook.pages) == 6
    assert "10 and more | 33 | 10" in handbook.text
    titles = [heading.title for heading in handbook.headings]
    assert titles.index("3. Leave") + 1 == titles.index("Annual leave")


def test_the_script_writes_the_same_text_again(documents, tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("make_samples", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "SAMPLES", tmp_path)
    script.main()
    assert {path.name: parse(path.read_bytes(), path.name) for path in tmp_path.iterdir()} == documents
