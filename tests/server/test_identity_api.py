"""Keys, teams, users and roles over HTTP: who may do what, and what nobody may."""

import re
from urllib.parse import quote

import pytest

from guru.config import AliasSettings, Deployment, KeySettings, LimitSettings, ServerSettings, Settings
from guru.server.app import DOORS
from scripted import run_server

ADMIN = {"authorization": "Bearer the-admin"}
KEYS = {
    "admin": KeySettings(key="the-admin", role="admin"),
    "member": KeySettings(key="the-member", models=["default"], limits=LimitSettings(rpm=3)),
    "viewer": KeySettings(key="the-viewer", role="viewer"),
    "narrow": KeySettings(key="the-narrow", routes=["models"]),
}
CHAT = {"model": "default", "messages": [{"role": "user", "content": "Hello"}]}


def bearer(key):
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
async def closed(tmp_path):
    """A server that needs keys."""
    settings = Settings(server=ServerSettings(require_key=True), keys=KEYS)
    async with run_server(tmp_path / "home", settings) as server:
        yield server


async def test_without_a_key_nothing_is_told_in_the_shape_of_the_api(closed):
    status, body = await closed.post("/v1/chat/completions", CHAT)
    assert (status, body["error"]["code"]) == (401, "invalid_api_key")
    status, body = await closed.post("/v1/messages", {})
    assert (status, body["type"], body["error"]["type"]) == (401, "error", "authentication_error")
    status, body = await closed.post("/api/chat", {})
    assert (status, type(body["error"])) == (401, str)
    status, body = await closed.get("/api/v1/collections")
    assert (status, set(body["error"]) >= {"hint", "trace_id"}) == (401, True)


PUBLIC = {
    "/healthz", "/readyz", "/openapi.json", "/docs", "/api/v1/logout",
    "/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp",
}  # fmt: skip


async def test_no_door_opens_without_a_key_but_those_that_should(closed):
    opened = set()
    for door in DOORS:
        path = re.sub(r"{(\w+)(:\w+)?}", "1", door.path)
        status, _ = await closed.request(door.method, path, json={})
        if status != 401:
            opened.add((door.path, status))
    # Logging in is refused for what it lacks, which is the key.
    assert opened - {("/api/v1/login", 400)} == {(path, 204 if path.endswith("logout") else 200) for path in PUBLIC}


async def test_a_member_uses_and_does_not_manage(closed):
    member = bearer("the-member")
    status, _ = await closed.post("/v1/chat/completions", CHAT, headers=member)
    assert status == 200
    for method, path in [
        ("GET", "/api/v1/keys"), ("POST", "/api/v1/keys"), ("GET", "/api/v1/teams"), ("GET", "/api/v1/users"),
        ("GET", "/api/v1/audit"), ("GET", "/api/v1/audit/verify"), ("POST", "/api/v1/models/pull"),
        ("DELETE", "/api/v1/models/x"), ("POST", "/api/v1/config/reload"),
    ]:  # fmt: skip
        body = {"name": "x"} if method == "POST" and "reload" not in path else None
        status, answer = await closed.request(method, path, json=body, headers=member)
        assert (path, status) == (path, 403), answer


async def test_administrators_may_ingest_addresses_and_only_the_owner_paths(closed):
    door = "/api/v1/collections/pages/ingest"
    page, path = {"paths": ["http://10.0.0.1/"]}, {"paths": ["/etc/passwd"]}
    status, answer = await closed.post(door, page, headers=ADMIN)
    assert status == 202
    async with closed.session.get(f"{closed.url}/api/v1/jobs/{answer['job']['id']}/events", headers=ADMIN) as response:
        assert "private network" in await response.text()
    assert (await closed.post(door, {"paths": ["s3://"]}, headers=ADMIN))[0] == 400
    for body in (path, {"paths": [*page["paths"], *path["paths"]]}):
        assert (await closed.post(door, body, headers=ADMIN))[0] == 403
    assert (await closed.post(door, page, headers=bearer("the-member")))[0] == 403


async def test_a_viewer_only_looks(closed):
    viewer = bearer("the-viewer")
    assert (await closed.get("/api/v1/collections", headers=viewer))[0] == 200
    status, body = await closed.post("/v1/chat/completions", CHAT, headers=viewer)
    assert (status, body["error"]["code"]) == (403, "forbidden")
    assert (await closed.post("/api/v1/collections", {"name": "x"}, headers=viewer))[0] == 403
    status, body = await closed.post("/api/v1/collections/none/search", {"query": "x"}, headers=viewer)
    assert (status, body["error"]["code"]) == (404, "not_found")


async def test_a_key_keeps_to_its_doors_and_models(closed):
    assert (await closed.get("/v1/models", headers=bearer("the-narrow")))[0] == 200
    status, body = await closed.post("/v1/chat/completions", CHAT, headers=bearer("the-narrow"))
    assert (status, "chat.completions" in body["error"]["message"]) == (403, True)
    other = CHAT | {"model": "test/scripted"}
    status, body = await closed.post("/v1/chat/completions", other, headers=bearer("the-member"))
    assert (status, body["error"]["param"]) == (403, "model")


async def test_a_limit_answers_429_with_headers(closed):
    member = bearer("the-member")
    for left in (2, 1, 0):
        async with closed.session.post(f"{closed.url}/v1/chat/completions", json=CHAT, headers=member) as response:
            assert response.status == 200
            assert response.headers["x-ratelimit-limit-requests"] == "3"
            assert response.headers["x-ratelimit-remaining-requests"] == str(left)
    async with closed.session.post(f"{closed.url}/v1/chat/completions", json=CHAT, headers=member) as response:
        assert response.status == 429
        assert 1 <= int(response.headers["retry-after"]) <= 20
        assert response.headers["x-ratelimit-remaining-requests"] == "0"
        assert "Key member has used its 3 requests a minute" in (await response.json())["error"]["message"]


async def test_the_limits_of_a_model_hold_for_everybody(tmp_path):
    alias = AliasSettings(deployments=[Deployment(model="test/scripted")], limits=LimitSettings(rpm=1))
    async with run_server(tmp_path / "home", Settings(models={"default": alias})) as server:
        assert (await server.post("/v1/chat/completions", CHAT))[0] == 200
        status, body = await server.post("/v1/chat/completions", CHAT)
        assert (status, "Model default" in body["error"]["message"]) == (429, True)


async def test_the_life_of_a_key(closed):
    new = {"name": "web", "tags": ["blue"], "expires_in_days": 1, "limits": {"rpm": 9}}
    status, made = await closed.post("/api/v1/keys", new, headers=ADMIN)
    assert (status, made["status"], made["key"][:12] + "…") == (201, "active", made["prefix"])
    assert (await closed.post("/v1/chat/completions", CHAT, headers=bearer(made["key"])))[0] == 200
    _, shown = await closed.get("/api/v1/keys/web", headers=ADMIN)
    assert "key" not in shown
    assert shown["last_used_at"] is not None
    status, changed = await closed.request(
        "PATCH", f"/api/v1/keys/{made['id']}", json={"limits": None, "role": "viewer"}, headers=ADMIN
    )
    assert (status, changed["limits"], changed["role"], changed["tags"]) == (200, None, "viewer", ["blue"])
    status, rotated = await closed.post("/api/v1/keys/web/rotate", {"grace_seconds": 0}, headers=ADMIN)
    assert (status, rotated["id"]) == (200, made["id"])
    assert (await closed.get("/api/v1/me", headers=bearer(made["key"])))[0] == 401
    assert (await closed.get("/api/v1/me", headers=bearer(rotated["key"])))[1]["key"] == made["id"]
    status, revoked = await closed.request("DELETE", "/api/v1/keys/web", headers=ADMIN)
    assert (status, revoked["status"]) == (200, "revoked")
    assert (await closed.get("/api/v1/me", headers=bearer(rotated["key"])))[0] == 401
    _, audit = await closed.get("/api/v1/audit?limit=3", headers=ADMIN)
    assert [entry["action"] for entry in audit["entries"]] == ["keys.revoke", "keys.rotate", "keys.change"]
    assert audit["entries"][0]["actor"] == "key config:admin"
    _, rest = await closed.get(f"/api/v1/audit?before={audit['next']}", headers=ADMIN)
    assert [entry["action"] for entry in rest["entries"]] == ["keys.create"]
    _, verified = await closed.get("/api/v1/audit/verify", headers=ADMIN)
    assert (verified["ok"], verified["entries"]) == (True, 4)
    assert made["key"] not in repr(audit) + repr(rest)


async def test_teams_and_users_come_and_go(closed):
    team = {"name": "web", "budget": {"usd": 5.0, "per": "day"}}
    assert (await closed.post("/api/v1/teams", team, headers=ADMIN))[0] == 201
    assert (await closed.post("/api/v1/teams", team, headers=ADMIN))[0] == 409
    user = {"name": "ada", "team": "web", "role": "viewer"}
    assert (await closed.post("/api/v1/users", user, headers=ADMIN))[0] == 201
    _, changed = await closed.request("PATCH", "/api/v1/teams/web", json={"models": ["default"]}, headers=ADMIN)
    assert (changed["models"], changed["budget"]) == (["default"], {"usd": 5.0, "per": "day"})
    status, body = await closed.request("DELETE", "/api/v1/teams/web", headers=ADMIN)
    assert (status, "ada" in body["error"]["message"]) == (409, True)
    _, changed = await closed.request(
        "PATCH", "/api/v1/users/ada", json={"team": None, "disabled": True}, headers=ADMIN
    )
    assert (changed["team"], changed["disabled"]) == (None, True)
    assert (await closed.request("DELETE", "/api/v1/users/ada", headers=ADMIN))[0] == 204
    assert (await closed.request("DELETE", "/api/v1/teams/web", headers=ADMIN))[0] == 204
    assert (await closed.get("/api/v1/teams", headers=ADMIN))[1] == {"teams": [], "total": 0, "next": None}


async def test_a_team_without_money_is_told_so(closed):
    await closed.post("/api/v1/teams", {"name": "poor", "budget": {"usd": 0.0}}, headers=ADMIN)
    _, made = await closed.post("/api/v1/keys", {"name": "k", "team": "poor"}, headers=ADMIN)
    status, body = await closed.post("/v1/chat/completions", CHAT, headers=bearer(made["key"]))
    assert (status, body["error"]["code"]) == (429, "insufficient_quota")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "keys", {"limits": {"rpm": 10**30}}),
        ("POST", "keys", {"limits": {"tpm": 0}}),
        ("POST", "keys", {"budget": {"usd": 1e300}}),
        ("POST", "keys", {"budget": {"usd": -1}}),
        ("POST", "keys", {"expires_in_days": 1e300}),
        ("POST", "teams", {"budget": {"usd": 1e10}}),
        ("GET", f"audit?before={10**30}", None),
        ("GET", "audit?before=-1", None),
        ("GET", f"audit?limit={10**30}", None),
    ],
)
async def test_numbers_that_nothing_can_count_are_refused(closed, method, path, body):
    body = body and body | {"name": "big"}
    status, answer = await closed.request(method, f"/api/v1/{path}", json=body, headers=ADMIN)
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")


async def test_the_largest_limits_count(closed):
    limits = {"rpm": 10**12, "tpm": 10**12, "concurrency": 10**12}
    body = {"name": "big", "limits": limits, "budget": {"usd": 1e9}}
    _, made = await closed.post("/api/v1/keys", body, headers=ADMIN)
    assert (await closed.post("/v1/chat/completions", CHAT, headers=bearer(made["key"])))[0] == 200


async def test_names_are_kept_as_they_are_in_any_script(closed):
    for name in ("Zoë", "开发", "команда 1", "a" * 64):
        status, made = await closed.post("/api/v1/teams", {"name": name}, headers=ADMIN)
        assert (status, made["name"]) == (201, name)
        assert (await closed.get(f"/api/v1/teams/{quote(name)}", headers=ADMIN))[1]["name"] == name
    assert (await closed.get("/api/v1/audit/verify", headers=ADMIN))[1]["ok"]
    for name in ("", "a" * 65, "a/b", "a\nb", "a\u0000b", "\u202eevil", "😀"):
        status, _ = await closed.post("/api/v1/teams", {"name": name}, headers=ADMIN)
        assert status == 400


async def test_only_the_owner_reaches_another_organisation(server, closed):
    status, made = await server.post("/api/v1/keys", {"name": "boss", "role": "admin", "organisation": "acme"})
    assert status == 201
    boss = bearer(made["key"])
    assert (await server.get("/api/v1/me", headers=boss))[1]["organisation"] == "acme"
    assert (await server.post("/api/v1/keys", {"name": "x", "organisation": "local"}, headers=boss))[0] == 403
    assert (await server.get("/api/v1/keys?organisation=local", headers=boss))[0] == 403
    assert (await server.get("/api/v1/keys"))[1] == {"keys": [], "total": 0, "next": None}
    assert [k["name"] for k in (await server.get("/api/v1/keys?organisation=acme"))[1]["keys"]] == ["boss"]
    await server.post("/api/v1/collections", {"name": "ours"})
    assert (await server.get("/api/v1/collections", headers=boss))[1] == {"collections": []}
    assert (await server.get("/api/v1/collections/ours", headers=boss))[0] == 404
    assert (await closed.post("/api/v1/keys", {"name": "x", "organisation": "acme"}, headers=ADMIN))[0] == 403


async def test_pages_ask_who_comes_and_a_cookie_answers(closed):
    async with closed.session.get(f"{closed.url}/traces?x=1", allow_redirects=False) as response:
        assert (response.status, response.headers["location"]) == (303, "/login?next=%2Ftraces%3Fx%3D1")
    assert (await closed.get("/login"))[0] == 200
    assert (await closed.post("/api/v1/login", {"key": "wrong"}))[0] == 401
    async with closed.session.post(f"{closed.url}/api/v1/login", json={"key": "the-admin"}) as response:
        assert response.status == 204
        cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    sent = {"cookie": cookie.partition(";")[0]}
    assert (await closed.get("/keys", headers=sent))[0] == 200
    assert (await closed.get("/api/v1/me", headers=sent))[1]["key"] == "config:admin"
    cross = sent | {"origin": "https://evil.example"}
    status, _ = await closed.post("/api/v1/keys", {"name": "x"}, headers=cross)
    assert status == 403
    async with closed.session.post(f"{closed.url}/api/v1/logout", headers=sent) as response:
        assert 'guru_session=""' in response.headers["set-cookie"]


async def test_a_server_that_needs_keys_is_called_by_any_name(closed):
    assert (await closed.get("/api/v1/me", headers=ADMIN | {"host": "guru.example"}))[0] == 200


async def test_a_placeholder_of_a_client_is_no_obstacle_on_this_machine(server):
    assert (await server.get("/api/v1/me", headers=bearer("none")))[1]["owner"] is True
    assert (await server.get("/api/v1/me", headers=bearer("sk-guru-wrong")))[0] == 401


async def test_lists_are_read_a_page_at_a_time(closed):
    await closed.post("/api/v1/teams", {"name": "web"}, headers=ADMIN)
    await closed.post("/api/v1/users", {"name": "ada", "team": "web"}, headers=ADMIN)
    for number in range(5):
        await closed.post("/api/v1/keys", {"name": f"Web{number}", "team": "web", "user": "ada"}, headers=ADMIN)
    seen, offset = [], 0
    while offset is not None:
        _, page = await closed.get(f"/api/v1/keys?search=web&limit=2&offset={offset}", headers=ADMIN)
        assert page["total"] == 5
        seen += [key["name"] for key in page["keys"]]
        offset = page["next"]
    assert sorted(seen) == [f"Web{number}" for number in range(5)]
    _, past = await closed.get("/api/v1/keys?search=web&limit=2&offset=99", headers=ADMIN)
    assert (past["keys"], past["total"], past["next"]) == ([], 5, None)
    for query in ("team=web", "user=ada"):
        assert (await closed.get(f"/api/v1/keys?{query}", headers=ADMIN))[1]["total"] == 5
    assert (await closed.get("/api/v1/keys?team=none", headers=ADMIN))[1]["total"] == 0
    assert (await closed.get("/api/v1/users?team=web", headers=ADMIN))[1]["total"] == 1
    assert (await closed.get("/api/v1/teams?search=WE", headers=ADMIN))[1]["total"] == 1
    assert (await closed.get("/api/v1/teams?limit=0", headers=ADMIN))[0] == 400


async def test_the_audit_log_is_narrowed_and_names_keys(closed):
    _, key = await closed.post("/api/v1/keys", {"name": "web", "role": "admin"}, headers=ADMIN)
    await closed.post("/api/v1/teams", {"name": "blue"}, headers=bearer(key["key"]))
    await closed.request("DELETE", "/api/v1/teams/blue", headers=ADMIN)

    async def actions(query):
        _, page = await closed.get(f"/api/v1/audit?{query}", headers=ADMIN)
        return [entry["action"] for entry in page["entries"]]

    assert await actions("action=teams") == ["teams.delete", "teams.create"]
    assert await actions("action=teams.create") == ["teams.create"]
    assert await actions("action=team") == await actions("action=%25") == []
    assert await actions("actor=web") == await actions(f"actor={key['id']}") == ["teams.create"]
    assert await actions("from=2000-01-01T00:00:00Z&to=2001-01-01T00:00:00Z") == []
    assert len(await actions("from=2001-01-01T00:00:00")) == 3
    _, page = await closed.get("/api/v1/audit", headers=ADMIN)
    assert [(entry["actor_name"], entry["subject_name"]) for entry in page["entries"]][1:] == [
        ("key web", "blue"), ("key admin", "web")
    ]  # fmt: skip
