"""Keys from the command line, with and without a server that asks for them."""

import json
import urllib.error
import urllib.request

import pytest

from running import run, run_json, serving


def test_a_key_is_made_used_rotated_and_revoked_on_a_server_that_asks_for_keys(home):
    (home / "guru.toml").write_text("[server]\nrequire_key = true\n")
    with serving(home) as server:
        made = run_json(home, "keys", "create", "web", "--role", "viewer", "--rpm", "600")
        assert who(server, made["key"])["role"] == "viewer"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            server.get("/api/v1/me")
        printed = run(home, "keys", "rotate", "web", "--grace", "0")
        secret = printed.stdout.strip()
        assert secret.startswith("sk-guru-")
        assert secret not in printed.stderr
        with pytest.raises(urllib.error.HTTPError, match="401"):
            who(server, made["key"])
        changed = run_json(home, "keys", "set", "web", "--rpm", "none", "--budget", "5")
        assert (changed["limits"], changed["budget"]) == (None, {"usd": 5.0, "per": "month"})
        run(home, "keys", "revoke", "web", "--yes")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            who(server, secret)
        assert run_json(home, "audit", "verify")["ok"] is True
        log = run(home, "audit", "--json").stdout + (home / "logs" / "guru.log").read_text()
        assert secret not in log
        assert json.loads((home / "server.json").read_text())["secret"] not in log


def who(server, key):
    request = urllib.request.Request(f"{server.url}/api/v1/me", headers={"authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def test_teams_and_users_are_managed_without_a_server(home):
    assert run_json(home, "teams", "create", "web", "--tpm", "1000", "--model", "small")["models"] == ["small"]
    assert run_json(home, "users", "create", "ada", "--team", "web")["role"] == "member"
    assert run(home, "teams", "delete", "web", "--yes", check=False).returncode == 1
    assert run_json(home, "users", "set", "ada", "--disable", "--team", "none")["disabled"] is True
    run(home, "teams", "delete", "web", "--yes")
    assert run_json(home, "teams")["teams"] == []
    assert "users.change" in run(home, "audit").stdout


def test_a_wrong_number_is_a_wrong_use(home):
    assert run(home, "keys", "create", "web", "--rpm", "many", check=False).returncode == 2
