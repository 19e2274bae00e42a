import json

import pytest

from guru.cli.config import mask
from running import environment, run, run_json


def test_show_says_where_each_value_comes_from(tmp_path, monkeypatch):
    (tmp_path / "guru.toml").write_text('[server]\nport = 9000\n[hub]\ntoken = "hf_secret"\n')
    rows = {row["name"]: row for row in run_json(tmp_path, "config", "show", cwd=tmp_path)["settings"]}
    assert rows["server.port"] == {"name": "server.port", "value": 9000, "source": "guru.toml"}
    assert rows["server.host"]["source"] == "default"
    assert rows["hub.token"]["value"] == "********"


def test_a_variable_is_named_as_the_source(tmp_path, monkeypatch):
    monkeypatch.setattr("running.environment", lambda home: environment(home, GURU_SERVER_PORT="9001"))
    rows = {row["name"]: row for row in run_json(tmp_path, "config", "show", cwd=tmp_path)["settings"]}
    assert rows["server.port"] == {"name": "server.port", "value": 9001, "source": "GURU_SERVER_PORT"}


def test_secrets_are_printed_by_no_form_of_the_command(tmp_path):
    (tmp_path / "guru.toml").write_text('[hub]\ntoken = "hf_secret"\n')
    for arguments in (["config"], ["config", "show", "--json"], ["config", "check"]):
        result = run(tmp_path, *arguments, cwd=tmp_path)
        assert "hf_secret" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("hub.token", "abc", "********"),
        ("store.url", "postgresql://guru:secret@db/guru", "postgresql://guru:********@db/guru"),
        ("store.url", "postgresql://db/guru", "postgresql://db/guru"),
        ("hub.url", "https://hub.example/a@b", "https://hub.example/a@b"),
        ("hub.token", None, None),
        (
            "store.url",
            "postgresql://db/guru?sslmode=require&password=secret",
            "postgresql://db/guru?sslmode=require&password=********",
        ),
        ("redis.url", "redis://:secret@cache/0", "redis://:********@cache/0"),
        (
            "telemetry.otlp_endpoint",
            "https://c.example/v1?API_KEY=secret&x=1",
            "https://c.example/v1?API_KEY=********&x=1",
        ),
    ],
)
def test_what_is_masked(name, value, shown):
    assert mask(name, value) == shown


def test_check_names_the_nearest_key(tmp_path):
    (tmp_path / "guru.toml").write_text("[server]\nprot = 1\n")
    result = run(tmp_path, "config", "check", cwd=tmp_path, check=False)
    assert result.returncode == 1
    assert "Did you mean `port`?" in result.stdout


def test_check_has_json_also_for_what_cannot_be_read(tmp_path):
    for text in ("[server]\nprot = 1\n", "[server\n", '[server]\nport = "many"\n'):
        (tmp_path / "guru.toml").write_text(text)
        result = run(tmp_path, "config", "check", "--json", cwd=tmp_path, check=False)
        found = json.loads(result.stdout)
        assert (result.returncode, found["valid"]) == (1, False)
        assert [finding["level"] for finding in found["findings"]] == ["error"]


def test_a_model_that_is_not_here_yet_is_no_error(tmp_path):
    (tmp_path / "guru.toml").write_text('[models.smart]\ndeployments = [{ model = "local/qwen3-4b" }]\n')
    result = run(tmp_path, "config", "check", "--offline", cwd=tmp_path)
    assert "guru models pull local/qwen3-4b" in result.stdout
    assert "is valid" in result.stdout


def test_check_says_that_all_is_well(tmp_path):
    assert "is valid" in run(tmp_path, "config", "check", cwd=tmp_path).stdout
