"""`guru usage`."""

import json

from click.testing import CliRunner

from guru.cli.main import cli
from guru.cli.usage import dollars, label_keys


def run(*arguments):
    result = CliRunner().invoke(cli, ["usage", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_new_home_has_used_nothing(tmp_path):
    assert json.loads(run("--home", str(tmp_path), "--json"))["total"]["requests"] == 0
    assert run("--home", str(tmp_path), "--by", "key", "--by", "day", "--csv").startswith("key,key_name,day,requests,")
    assert "total" in run("--home", str(tmp_path), "--days", "7")


def test_an_unknown_cost_is_not_shown_as_zero():
    assert dollars(None, 2) == "unknown"
    assert dollars(0.0, 0) == "$0.00"
    assert dollars(0.00012, 0) == "$0.0001"
    assert dollars(1234.5, 1) == "$1,234.50 + unknown"


def test_keys_are_called_by_their_names_and_two_of_one_name_are_told_apart():
    rows = [{"key": "a", "key_name": "web"}, {"key": "b", "key_name": "app"}, {"key": "c", "key_name": "app"},
            {"key": None, "key_name": None}, {"key": "gone", "key_name": None}]  # fmt: skip
    label_keys(rows)
    assert [row["key"] for row in rows] == ["web", "app (b)", "app (c)", None, "gone"]
