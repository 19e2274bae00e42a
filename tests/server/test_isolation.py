"""Who reaches what: every door, with the keys of two organisations, two people in each, and every role.

A door that is not in `DOORS` fails the first test: who makes one says in `isolation_doors.py` whose things it shows.
"""

import asyncio
import json
import re
from types import SimpleNamespace

import aiohttp
import pytest

from guru.config import ServerSettings, Settings
from guru.gateway.identity import Caller
from guru.gateway.identity.records import Key, Team, User
from guru.server import app, chat_socket
from guru.types import Delta
from scripted import ScriptedModel, run_server, say
from server.isolation_doors import (
    ADMIN,
    ASKED,
    DOORS,
    MEASURED,
    OPEN,
    OPERATOR,
    PRIVATE,
    PROMPT,
    PUBLIC,
    SHARED,
    VISIBLE,
    WORKFLOW,
)

SOCKETS = {chat_socket.PATH}
"""`test_a_viewer_says_nothing_over_a_socket`."""
READS = {
    "/mcp",  # tools that change something, or ask a model, are not shown to viewers
    "/api/show",
    "/api/v1/chunk",
    "/api/v1/prompt-drafts/check",
    "/api/v1/prompt-drafts/render",
    "/api/v1/prompts/{name}/render",
    "/api/v1/workflows/check",
    *(f"/api/v1/collections/{{name}}/{what}" for what in ("search", "topics", "anomalies", "map")),
}
"""Doors that change nothing, though they are asked with POST."""
ROLES = {"boss": "admin", "ann": "member", "bob": "member", "eye": "viewer"}
ORGANISATIONS = ("local", "acme")


class World:
    """A server with the keys of everybody, and with something of everything that is ann's."""

    def __init__(self, server):
        self.server = server
        self.secrets, self.keys = {}, {}

    def bearer(self, organisation, person):
        return {"authorization": f"Bearer {self.secrets[organisation, person]}"}

    async def ask(self, method, path, organisation, person, **options):
        headers = self.bearer(organisation, person)
        url = self.server.url + path
        async with self.server.session.request(method, url, headers=headers, **options) as response:
            return SimpleNamespace(status=response.status, body=await response.read(), headers=response.headers)

    async def open(self):
        for organisation in ORGANISATIONS:
            for person, role in ROLES.items():
                await self.make_key(organisation, person, role=role)
        changes, boss = self.server.services.changes, self.caller("local")
        await changes.create_team(boss, Team(tenant="local", name="staff"))
        await changes.create_user(boss, User(tenant="local", name="staff"))

    def caller(self, organisation):
        return Caller(tenant=organisation, route="", trace_id="", role="admin")

    async def make_key(self, organisation, person, **values):
        wanted = Key(id="", tenant=organisation, name=person, hash=b"", **values)
        key, secret = await self.server.services.changes.create_key(self.caller(organisation), wanted)
        self.keys[organisation, person], self.secrets[organisation, person] = key, secret
        return key

    async def fill(self):
        """Things of ann's; gives their ids."""
        done = await self.ask("POST", "/v1/chat/completions", "local", "ann", json=ASKED)
        assert done.status == 200, done.body
        made = {"trace_id": done.headers["x-guru-trace-id"], "key_id": self.keys["local", "ann"].id}
        made["response_id"] = await self.id_of("/v1/responses", json={"model": "default", "input": "Hello"})
        made["conversation_id"] = await self.id_of("/api/v1/conversations", json={"title": "Wages"})
        path = f"/api/v1/conversations/{made['conversation_id']}"
        await self.ask("POST", f"{path}/messages", "local", "ann", json={"content": "Hello"})
        told = await self.ask("GET", path, "local", "ann")
        made["message_id"] = json.loads(told.body)["messages"][-1]["id"]
        line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": ASKED}
        kept = await self.ask("POST", "/api/v1/memories", "local", "ann", json={"text": "I live in Hamburg."})
        made["memory_id"] = json.loads(kept.body)["memory"]["id"]
        made["file_id"] = await self.upload_lines(line)
        handed_in = {"input_file_id": made["file_id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        made["batch_id"] = await self.id_of("/v1/batches", json=handed_in)
        jobs = json.loads((await self.ask("GET", "/api/v1/jobs", "local", "ann")).body)["jobs"]
        made["job_id"] = jobs[0]["id"]
        await self.ask("POST", "/api/v1/collections", "local", "ann", json={"name": "handbook"})
        documents = "/api/v1/collections/handbook/documents"
        begun = await self.ask("POST", documents, "local", "ann", data=files())
        assert begun.status == 202, begun.body
        async with asyncio.timeout(60):
            while not (found := json.loads((await self.ask("GET", documents, "local", "ann")).body)["documents"]):
                await asyncio.sleep(0.05)
        measured = {"collection": "handbook", "questions": MEASURED["questions"]}
        begun = await self.ask("POST", "/api/v1/evaluations/tune", "local", "ann", json=measured)
        made["evaluation_id"] = json.loads(begun.body)["evaluation"]
        report = f"/api/v1/evaluations/{made['evaluation_id']}/report"
        async with asyncio.timeout(60):
            while (await self.ask("GET", report, "local", "ann")).status != 200:
                await asyncio.sleep(0.05)
        assert (await self.ask("POST", "/api/v1/agents", "local", "ann", json={"name": "clerk"})).status == 201
        begun = await self.ask("POST", "/api/v1/agents/clerk/runs", "local", "ann", json={"input": "Hello"})
        made["run_id"] = json.loads(begun.body)["id"]
        await self.ask("POST", "/api/v1/prompts/greeting/versions", "local", "ann", json=PROMPT)
        labelled = await self.ask(
            "POST", "/api/v1/prompts/greeting/labels/staging", "local", "ann", json={"version": 1}
        )
        assert labelled.status == 200, labelled.body
        made |= {"version": "1", "label": "staging"}
        kept = await self.ask("POST", "/api/v1/workflows", "local", "ann", json={"definition": WORKFLOW})
        assert kept.status == 201, kept.body
        begun = await self.ask("POST", "/api/v1/workflows/hello/runs", "local", "ann", json={})
        made["workflow_run"] = json.loads(begun.body)["id"]
        run = f"/api/v1/workflow-runs/{made['workflow_run']}"
        async with asyncio.timeout(60):
            while json.loads((await self.ask("GET", run, "local", "ann")).body)["status"] != "done":
                await asyncio.sleep(0.05)
        more = {"document_id": found[0]["id"], "number": "1", "part": "0", "alias": "default", "path": "a"}
        return made | more

    async def id_of(self, path, **options):
        answer = await self.ask("POST", path, "local", "ann", **options)
        assert answer.status in (200, 201), answer.body
        return json.loads(answer.body)["id"]

    async def upload_lines(self, *lines):
        form = aiohttp.FormData({"purpose": "batch"})
        form.add_field("file", b"\n".join(json.dumps(line).encode() for line in lines), filename="in.jsonl")
        return await self.id_of("/v1/files", data=form)


def files():
    form = aiohttp.FormData()
    form.add_field("files", b"Lunch is at noon.", filename="lunch.txt")
    return form


@pytest.fixture
async def world(tmp_path):
    async with run_server(tmp_path / "home", Settings(server=ServerSettings(require_key=True))) as server:
        found = World(server)
        await found.open()
        yield found


def test_every_door_says_whose_things_it_shows():
    assert {(door.method, door.path) for door in app.DOORS} == set(DOORS)
    assert {route.path for route in chat_socket.ROUTES} == SOCKETS


def row(door):
    found = DOORS[door.method, door.path]
    return found if isinstance(found, tuple) else (found, None)


def refusal(kind, door, organisation, person):
    """The status that somebody must get; None: he is let in."""
    role, has_subject = ROLES[person], "{" in door.path or '"{' in json.dumps(row(door)[1])
    home = organisation == "local"
    if role == "viewer" and door.method != "GET" and door.path not in READS:
        return 403
    if kind == ADMIN:
        return 403 if role != "admin" else 404 if has_subject and not home else None
    if kind == OPERATOR:
        return None if home and role == "admin" else 403
    if kind == "owner" or (kind == "local" and not home):
        return 403
    mine = home and person == "ann"
    if kind == SHARED and has_subject:
        return None if home else 404
    if kind in (PRIVATE, VISIBLE) and has_subject:
        return None if mine or (kind == VISIBLE and home and role == "admin") else 404
    return None


async def test_every_door_lets_in_whom_it_should_and_nobody_else(world):
    made = await world.fill()
    wrong = []
    for door in app.DOORS:
        kind, body = row(door)
        if kind == PUBLIC:
            continue
        for organisation in ORGANISATIONS:
            for person in ROLES:
                expected = refusal(kind, door, organisation, person)
                if expected is None and (door.method != "GET" or kind == "local"):
                    continue  # what changes things is tried by those who may not
                answer = await world.ask(door.method, *filled(door, made), organisation, person, **sent(body, made))
                refused = answer.status in (401, 403, 404)
                if answer.status != expected if expected is not None else (refused and kind not in (OPEN, OPERATOR)):
                    wrong.append((door.method, door.path, organisation, person, answer.status, expected))
    assert wrong == [], "\n".join(map(str, wrong))


def filled(door, made):
    subjects = {
        "teams": "staff", "users": "staff", "collections": "handbook", "agents": "clerk", "prompts": "greeting",
        "workflows": "hello",
    }  # fmt: skip
    kind = next((part for part in door.path.split("/") if part in subjects), "")
    values = made | {"name": subjects.get(kind, "default")}
    if "workflow-runs" in door.path:
        values["run_id"] = made["workflow_run"]
    path = re.sub(r"{(\w+)(:\w+)?}", lambda found: values[found[1]], door.path)
    queries = {"highlight": "?start=0&end=5", "diff": "?before=1"}
    return (path + queries.get(path.rpartition("/")[2], ""),)


def sent(body, made):
    if body == "files":
        return {"data": files()}
    if body is None:
        return {}
    text = json.dumps(body).replace("{trace}", made["trace_id"]).replace("{file}", made["file_id"])
    text = text.replace("{document}", made["document_id"])
    return {"json": json.loads(text.replace("{name}", "handbook"))}


LISTS = {
    "/v1/files": ("file_id", VISIBLE),
    "/v1/batches": ("batch_id", VISIBLE),
    "/api/v1/jobs": ("job_id", VISIBLE),
    "/api/v1/traces": ("trace_id", VISIBLE),
    "/api/v1/conversations": ("conversation_id", PRIVATE),
    "/api/v1/memories": ("memory_id", PRIVATE),
    "/api/v1/memories/export": ("memory_id", PRIVATE),
    "/api/v1/memories?q=Hamburg": ("memory_id", PRIVATE),
    "/api/v1/collections": ("handbook", SHARED),
    "/api/v1/agents": ("clerk", SHARED),
    "/api/v1/runs": ("run_id", VISIBLE),
    "/api/v1/prompts": ("greeting", SHARED),
    "/api/v1/evaluations": ("evaluation_id", SHARED),
    "/api/v1/workflows": ("hello", SHARED),
    "/api/v1/workflow-runs": ("workflow_run", VISIBLE),
    "/api/v1/usage?group_by=key": ("key_id", None),
}


async def test_lists_have_what_one_may_see_and_nothing_else(world):
    made = await world.fill() | {"handbook": "handbook", "clerk": "clerk", "greeting": "greeting", "hello": "hello"}
    for path, (thing, kind) in LISTS.items():
        seen = set()
        for organisation in ORGANISATIONS:
            for person in ROLES:
                answer = await world.ask("GET", path, organisation, person)
                assert answer.status == 200
                if made[thing].encode() in answer.body:
                    seen.add((organisation, person))
        people = {PRIVATE: ["ann"], VISIBLE: ["ann", "boss"], SHARED: ROLES, None: ["ann", "boss", "eye"]}[kind]
        assert (path, seen) == (path, {("local", person) for person in people})


async def test_two_keys_of_one_person_see_the_same(world):
    made = await world.fill()
    changes = world.server.services.changes
    for person in ("one", "two"):
        await world.make_key("local", person, user="staff")
    await world.make_key("acme", "namesake")
    begun = await world.ask("POST", "/api/v1/conversations", "local", "one", json={})
    path = f"/api/v1/conversations/{json.loads(begun.body)['id']}"
    done = await world.ask("POST", "/v1/chat/completions", "local", "one", json=ASKED)
    trace = f"/api/v1/traces/{done.headers['x-guru-trace-id']}"
    assert [(await world.ask("GET", each, "local", "two")).status for each in (path, trace)] == [200, 200]
    assert [(await world.ask("GET", each, "local", "bob")).status for each in (path, trace)] == [404, 404]
    assert (await world.ask("GET", f"/api/v1/traces/{made['trace_id']}", "local", "two")).status == 404
    # A key that somebody gets keeps what it had.
    await changes.change_key(world.caller("local"), world.keys["local", "ann"].id, user="staff")
    assert (await world.ask("GET", f"/v1/responses/{made['response_id']}", "local", "ann")).status == 200


async def test_what_is_named_inside_a_request_is_looked_at_too(world):
    made = await world.fill()
    grounded = {"guru": {"collection": "handbook"}}
    asked = [
        ("/v1/chat/completions", ASKED | grounded), ("/v1/messages", ASKED | {"max_tokens": 9} | grounded),
        ("/v1/responses", {"model": "default", "input": "And?", "previous_response_id": made["response_id"]}),
    ]  # fmt: skip
    named = {"messages": [], "guru": {"prompt": "greeting"}}
    asked += [("/v1/chat/completions", ASKED | named), ("/v1/messages", ASKED | {"max_tokens": 9} | named)]
    for path, body in asked:
        answer = await world.ask("POST", path, "acme", "ann", json=body)
        assert (path, answer.status) == (path, 404), answer.body
    assert (await world.ask("POST", "/v1/responses", "local", "bob", json=asked[2][1])).status == 404


async def test_answers_are_cached_for_one_organisation(tmp_path):
    settings = Settings(server=ServerSettings(require_key=True))
    settings.cache.mode = "exact"
    async with run_server(tmp_path / "home", settings) as server:
        world = World(server)
        await world.open()
        for organisation, status in [("local", "miss"), ("local", "exact"), ("acme", "miss")]:
            answer = await world.ask("POST", "/v1/chat/completions", organisation, "ann", json=ASKED)
            assert answer.headers["x-guru-cache"] == status


# --------------------------------------------------------------------------- models and routes of a key


async def test_a_key_sees_and_uses_its_models_alone(world):
    await world.make_key("local", "narrow", models=["default"])
    listed = {
        path: (await world.ask("GET", path, "local", "narrow")).body.decode()
        for path in ("/v1/models", "/api/tags", "/api/v1/models", "/api/ps")
    }
    assert [entry["id"] for entry in json.loads(listed["/v1/models"])["data"]] == ["default"]
    assert [entry["name"] for entry in json.loads(listed["/api/tags"])["models"]] == ["default"]
    assert not any("words" in text or "embedding" in text for text in listed.values())
    other = ScriptedModel.name
    refused = [
        ("POST", "/v1/chat/completions", ASKED | {"model": other}), ("GET", f"/v1/models/{other}", None),
        ("POST", "/v1/messages/count_tokens", ASKED | {"model": other}), ("POST", "/api/show", {"model": other}),
        ("POST", "/api/generate", {"model": other}), ("POST", "/v1/embeddings", {"model": "embedding", "input": "x"}),
        ("POST", "/v1/responses", {"model": other, "input": "x"}),
        ("POST", "/v1/responses/input_tokens", {"model": other, "input": "x"}),
        ("POST", "/api/v1/chat", {"message": "x", "model": other}),
    ]  # fmt: skip
    for method, path, body in refused:
        answer = await world.ask(method, path, "local", "narrow", json=body)
        assert (path, answer.status) == (path, 403), answer.body
    assert world.server.model.requests == []


async def test_a_key_for_batches_alone_reaches_no_chat_through_one(world):
    made = await world.fill()
    await world.make_key("local", "clerk", routes=["batches", "files"], role="admin")
    handed_in = {"input_file_id": made["file_id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    answer = await world.ask("POST", "/v1/batches", "local", "clerk", json=handed_in)
    assert (answer.status, b"may not use chat.completions" in answer.body) == (403, True)


async def test_a_batch_of_a_key_that_was_revoked_stops_and_says_why(world):
    services = world.server.services
    world.server.model.script = [Delta(text="Wait."), 0.2, *say(" Done.")]
    lines = [{"custom_id": str(n), "method": "POST", "url": "/v1/chat/completions", "body": ASKED} for n in range(40)]
    file = await world.upload_lines(*lines)
    handed_in = {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    batch = await world.id_of("/v1/batches", json=handed_in)
    async with asyncio.timeout(20):
        while not world.server.model.requests:
            await asyncio.sleep(0.01)
    key = world.keys["local", "ann"]
    caller = Caller(tenant="local", route="", trace_id="", key=key.id)
    assert services.directory.allows(caller, "default")
    await services.changes.revoke_key(world.caller("local"), key.id)
    assert not services.directory.allows(caller, "default")
    async with asyncio.timeout(20):
        while True:
            shown = json.loads((await world.ask("GET", f"/v1/batches/{batch}", "local", "boss")).body)
            if shown["status"] == "completed":
                break
            await asyncio.sleep(0.05)
    assert shown["request_counts"]["failed"] > 20
    path = f"/v1/files/{shown['error_file_id']}/content"
    failed = [json.loads(line) for line in (await world.ask("GET", path, "local", "boss")).body.splitlines()]
    assert {line["response"]["status_code"] for line in failed} == {401}
    assert "was revoked" in failed[0]["response"]["body"]["error"]["message"]


async def test_a_viewer_says_nothing_over_a_socket(world):
    url = world.server.url + chat_socket.PATH
    with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
        await world.server.session.ws_connect(url, headers=world.bearer("local", "eye"))
    async with world.server.session.ws_connect(url, headers=world.bearer("local", "ann")) as socket:
        await world.server.services.changes.revoke_key(world.caller("local"), world.keys["local", "ann"].id)
        await socket.send_json({"type": "message", "message": "Hello"})
        said = await socket.receive_json(timeout=10)
    assert (said["type"], said["error"]["code"]) == ("error", "invalid_api_key")
    assert world.server.model.requests == []


# --------------------------------------------------------------------------- sessions of the pages


async def test_a_session_is_a_cookie_that_scripts_and_other_sites_have_no_use_for(world):
    secret = world.secrets["local", "ann"]
    session, url = world.server.session, world.server.url
    async with session.post(f"{url}/api/v1/login", json={"key": secret}) as response:
        cookie = response.headers["set-cookie"]
    assert ("HttpOnly" in cookie, "SameSite=strict" in cookie, "Path=/" in cookie) == (True, True, True)
    assert secret not in cookie
    named = {"cookie": cookie.partition(";")[0]}
    async with session.get(f"{url}/traces", headers=named) as response:
        assert 'id="log-out"' in await response.text()
    across = named | {"origin": "https://evil.example"}
    for path in ("/api/v1/conversations", "/api/v1/logout", "/api/v1/login"):
        assert (await world.server.post(path, {}, headers=across))[0] == 403
    assert (await world.server.post("/api/v1/conversations", {}, headers=named))[0] == 201
    async with session.post(f"{url}/api/v1/logout", headers=named) as response:
        assert "Max-Age=0" in response.headers["set-cookie"]
