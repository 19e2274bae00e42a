"""`guru tool`."""

import json

import pytest
from click.testing import CliRunner

from guru.cli.main import cli


@pytest.fixture
def home(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "guru.toml").write_text(
        f'[tools.files.notes]\nroot = "{tmp_path}/notes"\nwrite = true\n[tools.files.gone]\nroot = "{tmp_path}/gone"\n',
        encoding="utf-8",
    )
    return tmp_path


def run(home, *arguments, status=0, stdin=None):
    result = CliRunner().invoke(cli, ["tool", *arguments, "--home", str(home)], input=stdin)
    assert result.exit_code == status, result.output
    return result


def test_tools_are_listed_and_shown(home):
    listed = run(home, "list")
    assert "calculator" in listed.stdout and "each call" in listed.stdout
    assert "[tools.files.gone] is not offered: There is no folder" in listed.stderr
    assert {tool["name"] for tool in json.loads(run(home, "list", "--json").stdout)["tools"]} >= {"notes_write"}
    shown = run(home, "show", "notes_write").stdout
    assert shown.startswith("notes_write (write, a person approves each call)")
    assert "overwrite (boolean, may be left out): Whether a file that is there is replaced." in shown
    assert json.loads(run(home, "show", "calculator", "--json").stdout)["name"] == "calculator"


def test_a_tool_is_called(home):
    assert run(home, "call", "calculator", "--arguments", '{"expression": "6 * 7"}').stdout == "42\n"
    result = run(home, "call", "calculator", "--arguments", "-", "--json", stdin='{"expression": "1/4"}')
    assert json.loads(result.stdout)["data"] == {"value": "0.25", "exact": True}
    failed = run(home, "call", "calculator", "--arguments", '{"expression": "1/0"}', status=1)
    assert failed.stderr == "It divides by zero. Write another expression.\n" and failed.stdout == ""


@pytest.mark.parametrize("arguments", ["", "x", "[1]", "3"])
def test_arguments_that_are_none_are_a_wrong_use(home, arguments):
    assert "--arguments" in run(home, "call", "calculator", "--arguments", arguments, status=2).output


def test_an_unknown_tool_is_told_with_the_nearest(home):
    for verb in ("show", "call"):
        result = CliRunner().invoke(cli, ["tool", verb, "calculater", "--home", str(home)])
        assert result.exit_code == 1
        assert "Did you mean 'calculator'?" in result.exception.hint
