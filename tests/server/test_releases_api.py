"""Routes, releases and feedback over HTTP, on a real server."""

import pytest

from guru.config import AliasSettings, Deployment, PriceSettings, Settings
from guru.errors import ModelUnavailable
from scripted import ScriptedModel, TestModels, run_server


class TwoModels(TestModels):
    """`test/scripted` and `test/new`."""

    def __init__(self):
        super().__init__()
        self.new = ScriptedModel()
        self.new.name = "test/new"

    def chat_model(self, name):
        return self.new if name == "test/new" else super().chat_model(name)


@pytest.fixture
async def server(tmp_path):
    deployments = [Deployment(model="test/scripted", label="old"), Deployment(model="test/new", label="new")]
    settings = Settings(models={"smart": AliasSettings(deployments=deployments, retries=0)})
    async with run_server(tmp_path / "home", settings, TwoModels()) as running:
        yield running


async def ask(server, **options):
    body = {"model": "smart", "messages": [{"role": "user", "content": "Hi"}], **options}
    async with server.session.post(server.url + "/v1/chat/completions", json=body) as response:
        return response.status, response.headers, await response.json()


async def test_routes_show_every_alias_and_what_its_deployments_do(server):
    for _ in range(4):
        await ask(server)
    status, found = await server.get("/api/v1/routes")
    assert status == 200
    route = next(route for route in found["routes"] if route["name"] == "smart")
    assert [(one["label"], one["requests"], one["in_flight"]) for one in route["deployments"]] == [
        ("old", 2, 0), ("new", 2, 0)
    ]  # fmt: skip
    assert all(one["available"] and one["breaker"] == "closed" for one in route["deployments"])
    status, same = await server.get("/api/v1/routes/smart")
    assert (status, same["name"]) == (200, "smart")
    assert [one["price"] for one in same["deployments"]] == [None, None]
    assert (await server.get("/api/v1/routes/test/new"))[0] == 200


async def test_a_deployment_that_fails_is_passed_over_and_shown(server):
    server.models.new.script = [ModelUnavailable("500 from upstream.")]
    for _ in range(20):
        status, headers, _ = await ask(server)
        assert (status, headers["x-guru-model"]) == (200, "test/scripted")
    _, route = await server.get("/api/v1/routes/smart")
    new = route["deployments"][1]
    assert (new["breaker"], new["available"]) == ("open", False)
    assert new["errors"] == {"ModelUnavailable": 8}
    assert "left alone" in new["why_not"]


async def test_a_release_from_start_to_stop(server):
    status, release = await server.post(
        "/api/v1/releases", {"alias": "smart", "candidate": "new", "share": 1.0, "kind": "canary"}
    )
    assert (status, release["status"], release["version"], release["active"]) == (201, "running", 1, True)
    assert (await ask(server))[1]["x-guru-model"] == "test/new"
    status, release = await server.post("/api/v1/releases/smart/share", {"share": 0.0})
    assert (status, release["share"]) == (200, 0.0)
    assert (await ask(server))[1]["x-guru-model"] == "test/scripted"
    status, release = await server.post("/api/v1/releases/smart/promote", {})
    assert release["status"] == "promoted"
    status, release = await server.post("/api/v1/releases/smart/rollback", {"reason": "A hunch."})
    assert (release["status"], release["reason"]) == ("rolled-back", "A hunch.")
    status, release = await server.post("/api/v1/releases/smart/stop", {})
    assert (release["status"], release["active"]) == ("stopped", False)
    _, history = await server.get("/api/v1/releases/smart/history")
    assert [change["action"] for change in history["changes"]] == ["stop", "rollback", "promote", "share", "start"]
    _, found = await server.get("/api/v1/releases")
    assert [one["alias"] for one in found["releases"]] == ["smart"]
    _, found = await server.get("/api/v1/releases/smart/versions")
    assert {(one["label"], one["version"]) for one in found["versions"]} == {("old", 1), ("new", 1)}


async def test_every_change_of_a_route_is_in_the_audit_log(server):
    await server.post("/api/v1/releases", {"alias": "smart", "candidate": "new"})
    await server.post("/api/v1/releases/smart/rollback", {})
    entries = await server.services.audit.list("local")
    assert [entry.action for entry in entries[:2]] == ["releases.rollback", "releases.start"]
    assert entries[0].before["status"] == "running"
    assert (await server.services.audit.verify("local")).ok


async def test_a_shadow_has_a_trace_of_its_own(server):
    await server.post("/api/v1/releases", {"alias": "smart", "candidate": "new", "kind": "shadow", "share": 1.0})
    _, headers, _ = await ask(server)
    assert headers["x-guru-model"] == "test/scripted"
    for _ in range(100):
        _, found = await server.get("/api/v1/releases/smart/shadows")
        if found["answers"]:
            break
    answer = found["answers"][0]
    assert (answer["status"], answer["text"]) == ("ok", "Hello there.")
    assert answer["trace_id"] == headers["x-guru-trace-id"]
    status, trace = await server.get(f"/api/v1/traces/{answer['shadow_trace_id']}")
    assert (status, trace["route"]) == (200, "shadow")
    assert f"shadow-of:{answer['trace_id']}" in trace["tags"]


async def test_feedback_counts_for_the_version_that_answered(server):
    await server.post("/api/v1/releases", {"alias": "smart", "candidate": "new", "share": 1.0})
    _, headers, _ = await ask(server)
    for score in (0.0, 1.0):
        status, _ = await server.post(
            "/api/v1/feedback", {"trace_id": headers["x-guru-trace-id"], "score": score, "comment": "Good."}
        )
        assert status == 204
    _, release = await server.get("/api/v1/releases/smart")
    assert release["sides"]["candidate"]["scores"] == 1
    quality = next(found for found in release["comparisons"] if found["metric"] == "quality")
    assert quality["candidate"] == 1.0


async def test_versions_of_a_prompt_are_tried_compared_and_promoted(server):
    for content in ("One {{ x }}", "Two {{ x }}"):
        prompt = {"messages": [{"role": "user", "content": content}], "variables": {"x": {}}}
        await server.post("/api/v1/prompts/support/versions", {"definition": prompt})
    await server.post("/api/v1/prompts/support/labels/prod", {"version": 1})
    body = {"alias": "support@prod", "candidate": "2", "kind": "ab", "share": 1.0}
    status, release = await server.post("/api/v1/releases", body)
    assert (status, release["candidate"], release["baseline"]) == (201, "support@2", "support@1")
    guru = {"prompt": "support@prod", "variables": {"x": "yes"}}
    for stream in (False, True):
        async with server.session.post(
            server.url + "/v1/chat/completions",
            json={"model": "test/scripted", "messages": [], "stream": stream, "guru": guru},
        ) as response:
            assert (response.status, response.headers["x-guru-prompt"]) == (200, "support@2")
            await response.read()
            trace_id = response.headers["x-guru-trace-id"]
    assert server.models.model.requests[-1].messages[0].text == "Two yes"
    _, trace = await server.get(f"/api/v1/traces/{trace_id}")
    assert (trace["attributes"]["guru.prompt.version"], trace["attributes"]["guru.prompt.label"]) == (2, "prod")
    assert (await server.post("/api/v1/feedback", {"trace_id": trace_id, "score": 1.0}))[0] == 204
    _, release = await server.get("/api/v1/releases/support@prod")
    assert release["sides"]["candidate"] == {"requests": 2, "errors": 0, "cost": 0.0, "scores": 1}
    assert (await server.get("/api/v1/releases/support@prod/versions"))[1]["versions"][1]["version"] == 2
    _, release = await server.post("/api/v1/releases/support@prod/promote", {})
    assert (await server.get("/api/v1/prompts/support"))[1]["labels"] == {"prod": 2}
    _, release = await server.post("/api/v1/releases/support@prod/rollback", {"reason": "Worse."})
    assert release["status"] == "rolled-back"
    assert (await server.get("/api/v1/prompts/support"))[1]["labels"] == {"prod": 1}
    _, found = await server.get("/api/v1/audit")
    assert {"releases.start", "releases.promote", "releases.rollback", "prompts.label"} <= {
        entry["action"] for entry in found["entries"]
    }


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/v1/feedback", {"trace_id": "tr_none", "score": 1}, 404),
        ("/api/v1/feedback", {"trace_id": "tr_none", "score": 2}, 400),
        ("/api/v1/releases", {"alias": "smrt", "candidate": "new"}, 404),
        ("/api/v1/releases", {"alias": "smart", "candidate": "newer"}, 400),
        ("/api/v1/releases", {"alias": "smart", "candidate": "new", "share": 7}, 400),
        ("/api/v1/releases/smart/promote", {}, 404),
        ("/api/v1/releases/smart/share", {"share": 0.5}, 404),
    ],
)
async def test_mistakes_are_answered_with_what_is_wrong(server, path, body, status):
    found, answer = await server.post(path, body)
    assert found == status
    assert answer["error"]["message"]


async def test_routes_tell_what_a_million_tokens_cost(tmp_path):
    settings = Settings(
        models={"smart": AliasSettings(deployments=[Deployment(model="test/scripted"), Deployment(model="local/x")])},
        prices={"test/scripted": PriceSettings(input=2.5, output=10.0)},
    )
    async with run_server(tmp_path / "home", settings) as server:
        _, route = await server.get("/api/v1/routes/smart")
        prices = [one["price"] for one in route["deployments"]]
        assert prices == [{"input": pytest.approx(2.5), "output": 10.0}, {"input": 0.0, "output": 0.0}]


async def test_a_price_that_is_not_known_is_not_compared_as_nothing(tmp_path):
    """A candidate with a price is not worse than a baseline of which none is known."""
    deployments = [Deployment(model="test/scripted", label="old"), Deployment(model="test/new", label="new")]
    settings = Settings(
        models={"smart": AliasSettings(deployments=deployments, retries=0)},
        prices={"test/new": PriceSettings(input=2.5, output=10.0)},
    )
    async with run_server(tmp_path / "home", settings, TwoModels()) as server:
        start = {"alias": "smart", "candidate": "new", "share": 0.5, "kind": "ab", "sticky": "none"}
        status, _ = await server.post("/api/v1/releases", start)
        assert status == 201
        for _ in range(100):
            await ask(server)
        await server.services.releases.check()
        _, release = await server.get("/api/v1/releases/smart")
        assert min(side["requests"] for side in release["sides"].values()) > 30
        cost = next(one for one in release["comparisons"] if one["metric"] == "cost")
        assert (release["status"], cost["verdict"], cost["baseline"]) == ("running", "unclear", None)
