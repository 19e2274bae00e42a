"""`guru routes` and `guru releases` against a real server."""

import pytest

from running import make_home, run, run_json, serving

CONFIGURATION = """
[models.smart]
deployments = [
  { model = "local/smollm2-135m", label = "old" },
  { model = "nowhere/else", label = "new" },
]
[providers.nowhere]
kind = "openai-compatible"
base_url = "http://127.0.0.1:9"
api_key = "none"
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = make_home(tmp_path_factory.mktemp("home") / "guru")
    (home / "guru.toml").write_text(CONFIGURATION, encoding="utf-8")
    with serving(home):
        yield home


def test_routes_lists_deployments_and_how_they_are(home):
    text = run(home, "routes").stdout
    assert "smart (weighted)" in text
    assert "local/smollm2-135m [old]" in text
    assert "ready" in text
    found = run_json(home, "routes")["routes"]
    assert [one["model"] for one in found[0]["deployments"]] == ["local/smollm2-135m", "nowhere/else"]


def test_a_release_is_started_steered_and_ended(home):
    assert "There are no releases" in run(home, "releases").stdout
    text = run(home, "releases", "start", "smart", "new", "--step", "0.1", "--step", "1.0").stdout
    assert "smart: new v1 (canary) is running, share 10%" in text
    assert "unclear" in run(home, "releases", "show", "smart").stdout
    assert run_json(home, "releases", "share", "smart", "0.5")["share"] == 0.5
    assert run_json(home, "releases", "flag", "smart", "user:ann", "team:web")["flags"] == ["team:web", "user:ann"]
    assert run_json(home, "releases", "promote", "smart")["status"] == "promoted"
    assert "A hunch." in run(home, "releases", "rollback", "smart", "--reason", "A hunch.").stdout
    assert "rolled-back" in run(home, "releases", "list").stdout
    assert run_json(home, "releases", "stop", "smart")["status"] == "stopped"
    text = run(home, "releases", "history", "smart").stdout
    assert all(action in text for action in ("start", "share", "flag", "promote", "rollback", "stop"))


def test_a_mistake_exits_with_1_and_a_hint(home):
    failed = run(home, "releases", "start", "smart", "newer", check=False)
    assert failed.returncode == 1
    assert "Its labels are: old, new." in failed.stderr
