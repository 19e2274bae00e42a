"""`guru audit` and `guru routes`."""

import json

from click.testing import CliRunner

from guru.cli.main import cli
from guru.cli.routes import price, state

READY = {"rests_for": 0.0, "breaker": "closed", "opens_in": 0.0, "alive": None, "available": True}


def run(home, *arguments):
    result = CliRunner().invoke(cli, [*arguments, "--home", str(home)])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_log_is_narrowed_and_calls_keys_by_their_names(tmp_path):
    run(tmp_path, "teams", "create", "web", "--rpm", "5")
    run(tmp_path, "keys", "create", "laptop", "--team", "web")
    found = json.loads(run(tmp_path, "audit", "list", "--action", "teams", "--json"))
    assert [entry["action"] for entry in found["entries"]] == ["teams.create"]
    text = run(tmp_path, "audit", "list", "--action", "keys.create", "--actor", "owner", "--from", "2001-01-01T00:00")
    assert "laptop" in text and "web" not in text
    assert json.loads(run(tmp_path, "audit", "list", "--actor", "nobody", "--json"))["entries"] == []
    assert "laptop" in run(tmp_path, "audit")
    assert "laptop" not in run(tmp_path, "audit", "list", "--to", "2001-01-01")
    assert CliRunner().invoke(cli, ["audit", "list", "--from", "soon", "--home", str(tmp_path)]).exit_code == 2


def test_a_deployment_says_in_a_word_how_it_is():
    assert state(READY) == "ready"
    assert state(READY | {"alive": False}) == "check failed"
    assert state(READY | {"breaker": "open", "opens_in": 12.3}) == "out 12 s"
    assert state(READY | {"breaker": "half-open"}) == "on trial"
    assert state(READY | {"rests_for": 3.0}) == "rests 3 s"


def test_a_price_that_is_not_known_is_not_free():
    assert price(None) == "unknown"
    assert price({"input": 0.0, "output": 0.0}) == "free"
    assert price({"input": 2.5, "output": 10.0}) == "$2.5 / $10"
