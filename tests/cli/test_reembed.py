"""The model of a collection from the command line, with a provider that speaks OpenAI's API."""

import re

import pytest

from running import configure_letters, embedding_process, run, run_json, serving


@pytest.fixture(scope="module")
def letters():
    with embedding_process() as url:
        yield url


@pytest.fixture
def notes(tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    for name in ("tide", "moon", "harbour"):
        (folder / f"{name}.md").write_text(f"# The {name}\n\nThe {name} of Whitby is written down every evening.")
    return folder


def first(home, query, collection="notes"):
    return run_json(home, "search", query, "-c", collection)["results"][0]["document"]


def test_a_collection_gets_the_model_that_was_configured_since_and_goes_back(home, letters, notes):
    with serving(home):
        run(home, "ingest", notes, "-c", "notes")
        assert "new collections do not get" not in run(home, "collections").stderr
    configure_letters(home, letters, "letters-96")
    with serving(home):
        listed = run(home, "collections", "list")
        assert "guru collections reembed notes" in listed.stderr
        assert first(home, "moon of Whitby") == "moon.md"  # by its old model
        result = run(home, "ingest", notes, "-c", "more")
        assert "guru collections reembed more" not in run(home, "collections").stderr
        result = run_json(home, "collections", "reembed", "notes")
        assert (result["model"], result["chunks"]) == ("letters/letters-96", 3)
        assert result["embedded"] == 0, "the other collection has the same texts"
        shown = run(home, "collections", "show", "notes")
        assert "embedded with letters/letters-96" in shown.stdout
        assert re.search(r"Vectors kept of local/all-minilm-l6-v2: 3 chunks", shown.stdout)
        assert re.search(r"Embedded before, of all collections: \d+ texts, ", shown.stdout)
        assert first(home, "moon of Whitby") == "moon.md"
        again = run(home, "collections", "reembed", "notes", check=False)
        assert (again.returncode, "already" in again.stderr) == (1, True)
        assert "all-minilm" in run(home, "collections", "rollback", "notes").stdout
        assert first(home, "tide of Whitby") == "tide.md"
        text = run(home, "collections", "reembed", "notes", "--model", "letters/letters-96").stdout
        assert "To go back to local/all-minilm-l6-v2: guru collections rollback notes" in text
        assert "gone" in run(home, "collections", "reembed", "notes", "--forget-old").stdout
        refused = run(home, "collections", "rollback", "notes", check=False)
        assert (refused.returncode, "keeps no vectors" in refused.stderr) == (1, True)
        both = run(home, "collections", "reembed", "notes", "--forget-old", "--model", "x", check=False)
        assert both.returncode == 2


def test_a_model_that_is_gone_is_named_with_what_to_do(home, letters, notes):
    configure_letters(home, letters, "letters-32")
    with serving(home):
        assert run_json(home, "ingest", notes, "-c", "notes")["documents"] == 3
    (home / "guru.toml").unlink()
    with serving(home):
        failed = run(home, "search", "moon", "-c", "notes", check=False)
        assert failed.returncode == 1
        for word in ("letters/letters-32", "not available any more", "guru collections reembed notes"):
            assert word in failed.stderr
        assert "cannot be searched" in run(home, "collections").stderr
        run(home, "collections", "reembed", "notes")
        assert first(home, "moon of Whitby") == "moon.md"
        assert "cannot go back" in run(home, "collections", "rollback", "notes", check=False).stderr


def test_what_a_provider_embeds_is_accounted_for_and_no_trace_has_its_words(home, letters, notes):
    configure_letters(home, letters, "letters-32")
    with serving(home) as server:
        first_time = run_json(home, "ingest", notes, "-c", "notes")
        (notes / "moon.md").write_text((notes / "moon.md").read_text() + "\n\nIt is full on Friday.")
        second = run_json(home, "ingest", notes, "-c", "notes")
        assert (first_time["reused"], second["documents"], second["skipped"]) == (0, 1, 2)
        assert (second["embedded"], second["reused"] > 0) == (2, True)  # the passage and the sentence that are new
        traces = server.get("/api/v1/traces?limit=50")["traces"]
        mine = [trace for trace in traces if trace["route"] == "knowledge.embed"]
        assert {trace["model"] for trace in mine} == {"letters/letters-32"}
        for trace in mine:
            assert "Whitby" not in str(server.get(f"/api/v1/traces/{trace['id']}"))
