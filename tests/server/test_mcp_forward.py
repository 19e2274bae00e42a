"""Tools of other servers at `/mcp`: who sees them, what they ask, and what is written down of it."""

import itertools
import json

import pytest
import pytest_asyncio

import mcp_remote
from guru.agents.mcp.client.client import McpClient
from guru.agents.mcp.client.host import Host
from guru.agents.mcp.client.streamable import StreamableChannel
from guru.agents.mcp.protocol import LEGACY, MODERN
from guru.agents.tools.asking import MODES, Elicited
from guru.cli.mcp_http import SessionHttp
from guru.config import McpServerSettings, McpSettings, ServerSettings, Settings
from guru.gateway.identity import Caller
from guru.gateway.identity.records import Key
from scripted import run_server

pytestmark = pytest.mark.asyncio(loop_scope="module")
FORM = {
    "message": "Who comes?",
    "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
}
VISIT = {"mode": "url", "message": "Log in.", "url": "https://a.example/in", "elicitationId": "e1"}
BOTH = {"questions": [FORM, VISIT]}
NUMBERS = itertools.count(1)


class Person:
    """Somebody at the client."""

    def __init__(self, action="accept", modes=MODES):
        self.action, self.modes, self.seen = action, modes, []

    async def ask(self, question, state):
        self.seen.append(question)
        return Elicited(action=self.action, content={"name": "Ann"})


class World:
    def __init__(self, server, remotes):
        self.server, self.remotes = server, remotes
        self.keys, self.clients = {}, []

    def headers(self, who):
        return {"authorization": f"Bearer {self.keys[who]}"}

    async def connect(self, revision, person=None, who="desk"):
        channel = StreamableChannel(
            SessionHttp(self.server.session), f"{self.server.url}/mcp", self.headers(who), idle=30
        )
        client = McpClient(channel, Host("guru", person=person), timeout=20, revisions=(revision,))
        await client.connect()
        self.clients.append(client)
        return client, {tool["name"]: tool for tool in await client.tools()}

    async def call(self, name, arguments, **more):
        """The answer to a modern client that can be asked, and its trace."""
        params = {"name": name, "arguments": arguments, **more}
        meta = {"protocolVersion": MODERN, "clientCapabilities": {"elicitation": {"form": {}, "url": {}}}}
        params["_meta"] = {f"io.modelcontextprotocol/{key}": value for key, value in meta.items()}
        message = {"jsonrpc": "2.0", "id": next(NUMBERS), "method": "tools/call", "params": params}
        named = {"mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": name}
        headers = self.headers("desk") | {"accept": "application/json"} | named
        async with self.server.session.post(f"{self.server.url}/mcp", json=message, headers=headers) as answer:
            result = json.loads(await answer.text())["result"]
        return result, await self.get(f"/api/v1/traces/{answer.headers['x-guru-trace-id']}")

    async def get(self, path):
        async with self.server.session.get(self.server.url + path, headers=self.headers("desk")) as answer:
            return await answer.json()


def settings_of(remotes, **more):
    servers = {
        name: McpServerSettings(url=remote.url, approval="never", serve=True) for name, remote in remotes.items()
    }
    servers["mine"] = McpServerSettings(url=remotes["new"].url, approval="never")
    return Settings(server=ServerSettings(require_key=True), mcp=McpSettings(servers=servers | more))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory):
    async with mcp_remote.serving(modern=True) as new, mcp_remote.serving(modern=False) as old:
        remotes = {"new": new, "old": old}
        async with run_server(tmp_path_factory.mktemp("forward") / "home", settings_of(remotes)) as server:
            world = World(server, remotes)
            for name, tenant, role in (
                ("desk", "local", "admin"),
                ("eye", "local", "viewer"),
                ("far", "acme", "admin"),
            ):
                boss = Caller(tenant=tenant, route="", trace_id="", role="admin")
                wanted = Key(id="", tenant=tenant, name=name, hash=b"", role=role)
                _, world.keys[name] = await server.services.changes.create_key(boss, wanted)
            yield world
            for client in world.clients:
                await client.aclose()


@pytest.mark.parametrize("action", ["accept", "decline", "cancel"])
@pytest.mark.parametrize("remote", ["new", "old"])
@pytest.mark.parametrize("revision", [MODERN, LEGACY[0]])
async def test_a_question_reaches_the_client_and_its_answer_the_server(world, revision, remote, action):
    person = Person(action)
    client, tools = await world.connect(revision, person)
    before = len(world.remotes[remote].calls)
    result = await client.call(tools[f"{remote}__ask"], BOTH)
    content = {"content": {"name": "Ann"}} if action == "accept" else {}
    assert json.loads(result["content"][0]["text"]) == [{"action": action} | content, {"action": action}]
    form, visit = person.seen
    assert all(f"The MCP server {remote!r} asks you this" in question.message for question in person.seen)
    assert (list(form.schema["properties"]), visit.url) == (["name"], VISIT["url"])
    assert len(world.remotes[remote].calls) - before == (3 if remote == "new" else 1)


@pytest.mark.parametrize("revision", LEGACY)
async def test_a_client_that_only_fills_in_forms_opens_no_address(world, revision):
    person = Person(modes=frozenset({"form"}))
    client, tools = await world.connect(revision, person)
    result = await client.call(tools["old__ask"], BOTH)
    assert json.loads(result["content"][0]["text"].splitlines()[0])[1] == {"action": "decline"}
    assert "elicitation.url" in result["content"][0]["text"] and len(person.seen) == 1


async def test_only_what_the_configuration_passes_on_is_there_and_only_for_whom_it_may(world):
    seen = {}
    for who in world.keys:
        _, tools = await world.connect(MODERN, who=who)
        seen[who] = {name for name in tools if name.endswith("__ask")}
        assert "search_documents" in tools
    assert seen == {"desk": {"new__ask", "old__ask"}, "eye": set(), "far": set()}


@pytest.mark.parametrize("remote", ["new", "old"])
async def test_each_request_has_a_trace_and_the_call_one_line_in_the_audit_log(world, remote):
    before = len((await world.get("/api/v1/audit?action=tools"))["entries"])
    result, trace = await world.call(f"{remote}__ask", BOTH)
    first, rounds = trace, 0
    while "requestState" in result:
        [name] = result["inputRequests"]
        rounds += 1
        assert (name, trace["status"]) == (f"{remote}-{rounds}", "ok")
        assert trace["spans"][1]["attributes"]["guru.mcp.asked"] == [name]
        answer = {"action": "accept", **({"content": {"name": "Ann"}} if rounds == 1 else {})}
        again = {"requestState": result["requestState"], "inputResponses": {name: answer}}
        result, trace = await world.call(f"{remote}__ask", BOTH, **again)
    assert (rounds, trace["requested"], trace["status"]) == (2, f"tool/{remote}__ask", "ok")
    assert "Ann" in trace["spans"][1]["attributes"]["gen_ai.tool.call.result"] and trace["id"] != first["id"]
    entries = (await world.get("/api/v1/audit?action=tools"))["entries"]
    assert len(entries) == before + 1
    assert (entries[0]["subject"], entries[0]["after"]["trace"]) == (f"{remote}__ask", first["id"])


async def test_who_listens_is_told_when_others_are_passed_on(world):
    message = {"jsonrpc": "2.0", "id": 8, "method": "subscriptions/listen"}
    meta = {"protocolVersion": MODERN, "clientCapabilities": {}}
    message["params"] = {
        "notifications": {"toolsListChanged": True},
        "_meta": {f"io.modelcontextprotocol/{key}": value for key, value in meta.items()},
    }
    headers = world.headers("desk") | {"mcp-protocol-version": MODERN, "mcp-method": "subscriptions/listen"}
    services = world.server.services
    async with world.server.session.post(f"{world.server.url}/mcp", json=message, headers=headers) as answer:
        lines = (json.loads(line[6:]) async for line in answer.content if line.startswith(b"data: "))
        await anext(lines)
        more = {"third": McpServerSettings(url=world.remotes["new"].url, serve=True)}
        services.mcp.reload(settings_of(world.remotes, **more))
        try:
            assert (await anext(lines))["method"] == "notifications/tools/list_changed"
        finally:
            services.mcp.reload(settings_of(world.remotes))
