import re

import pytest

from running import run


def test_help_names_every_verb(tmp_path):
    text = run(tmp_path, "--help").stdout
    verbs = ["up", "ingest", "ask", "search", "chat", "collections", "models", "trace", "config", "doctor"]
    assert [verb for verb in verbs if not re.search(rf"^  {verb} ", text, re.MULTILINE)] == []


def test_the_version_is_told(tmp_path):
    assert re.fullmatch(r"guru, version \d+\.\d+\.\d+\n", run(tmp_path, "--version").stdout)


@pytest.mark.parametrize(
    "arguments", [["axe"], ["ask"], ["search", "x", "--mode", "magic"], ["ingest", "/no/such/file"]]
)
def test_wrong_use_ends_with_2_and_says_so_on_stderr(tmp_path, arguments):
    result = run(tmp_path, *arguments, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert "Error" in result.stderr


def test_a_failure_ends_with_1_and_says_what_to_do_on_stderr(home):
    result = run(home, "ask", "Where?", check=False)
    assert (result.returncode, result.stdout) == (1, "")
    assert "There are no documents yet" in result.stderr
    assert "guru ingest" in result.stderr


def test_a_home_that_cannot_be_opened_is_an_error_and_no_traceback(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "guru.db").write_text("This is not a database. " * 100)
    for arguments in (["collections"], ["up", "--port", "0"]):
        result = run(home, *arguments, check=False)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith("Error: The database")
        assert "Traceback" not in result.stderr
