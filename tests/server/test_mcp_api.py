"""`/mcp`, as clients of both eras use it."""

import asyncio
import io
import json

import aiohttp
import pytest
import pytest_asyncio

from guru.agents.mcp.client.client import McpClient
from guru.agents.mcp.client.host import Host
from guru.agents.mcp.client.streamable import StreamableChannel
from guru.agents.mcp.protocol import LEGACY, MODERN, McpError
from guru.agents.tools.asking import MODES, Elicited
from guru.cli.mcp_http import SessionHttp
from guru.config import McpSettings, NewsToolSettings, ServerSettings, Settings, ToolsSettings
from guru.gateway.identity import Caller
from guru.gateway.identity.records import Key, User
from scripted import parse_events, run_server

FIXTURES = Settings(mcp=McpSettings(conformance_fixtures=True))
META = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
pytestmark = pytest.mark.asyncio(loop_scope="module")
BOTH = pytest.mark.parametrize("revision", [MODERN, *LEGACY])


class Person:
    modes = MODES

    async def ask(self, question, state):
        return Elicited(action="accept", content=dict.fromkeys(question.schema["properties"], "Ann"))


class Model:
    async def sample(self, params, tokens):
        return {"role": "assistant", "content": {"type": "text", "text": "Paris"}, "model": "m"}


class World:
    def __init__(self, server):
        self.server = server
        self.clients = []

    async def connect(self, revision=MODERN, secret=None, **host):
        headers = {"authorization": f"Bearer {secret}"} if secret else {}
        channel = StreamableChannel(SessionHttp(self.server.session), f"{self.server.url}/mcp", headers, idle=30)
        client = McpClient(channel, Host("guru", **host), timeout=20, revisions=(revision,))
        await client.connect()
        self.clients.append(client)
        return client

    async def post(self, message, **headers):
        sent = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        async with self.server.session.post(f"{self.server.url}/mcp", data=body, headers=sent) as answer:
            text = await answer.text()
            return answer, json.loads(text) if text.startswith("{") else text

    async def modern(self, method, params=None, number=1, **headers):
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": {"_meta": META, **(params or {})}}
        name = (params or {}).get("name") or (params or {}).get("uri") or (params or {}).get("taskId")
        named = {"mcp_name": name} if name else {}
        return await self.post(message, **{"mcp_protocol_version": MODERN, "mcp_method": method, **named, **headers})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory):
    async with run_server(tmp_path_factory.mktemp("world") / "home", FIXTURES) as server:
        world = World(server)
        yield world
        for client in world.clients:
            await client.aclose()


async def upload(server, name, text, secret=None, **query):
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("files", text.encode(), filename=name)
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    path = f"{server.url}/api/v1/collections/c/documents"
    async with server.session.post(path, data=form, params=query, headers=headers) as answer:
        job = (await answer.json())["job"]["id"]
    async with server.session.get(f"{server.url}/api/v1/jobs/{job}/events", headers=headers) as answer:
        parse_events(await answer.text())


@BOTH
async def test_documents_are_found_listed_and_read(world, revision):
    await upload(world.server, "the canteen.txt", "The canteen opens at noon on every working day.")
    client = await world.connect(revision)
    tools = {tool["name"]: tool for tool in await client.tools()}
    assert tools["search_documents"]["annotations"]["readOnlyHint"] is True
    found = await client.call(tools["search_documents"], {"query": "When does the canteen open?", "collection": "c"})
    assert "noon" in found["content"][0]["text"] and not found["isError"]
    [document] = [item for item in await client.resources() if "canteen" in item["uri"]]
    assert document["uri"] == "guru://c/the%20canteen.txt"
    [content] = await client.read(document["uri"])
    assert content["text"].startswith("The canteen opens at noon")
    [rest] = await client.read(document["uri"] + "?start=4")
    assert rest["text"].startswith("canteen")
    reference = {"type": "ref/resource", "uri": "guru://{collection}/{+document}"}
    completed = await client.request(
        "completion/complete", {"ref": reference, "argument": {"name": "collection", "value": ""}}
    )
    assert completed["completion"]["values"] == ["c"]


@BOTH
async def test_prompts_of_the_library_are_listed_and_filled_in(world, revision):
    definition = {
        "description": "Welcomes a guest",
        "messages": [
            {"role": "system", "content": "You keep the door of {{ house }}."},
            {"role": "user", "content": "Welcome {{ guests | join(' and ') }}."},
        ],
        "variables": {"guests": {"type": "list"}, "house": {"default": "Oslo", "choices": ["Oslo", "Bergen"]}},
    }
    path = "/api/v1/prompts/welcome"
    await world.server.post(f"{path}/versions", {"definition": definition})
    await world.server.post(f"{path}/labels/prod", {"version": 1})
    await world.server.post(f"{path}/versions", {"definition": definition | {"description": "Not yet in use"}})
    client = await world.connect(revision)
    listed = {prompt["name"]: prompt for prompt in (await client.request("prompts/list", {}))["prompts"]}
    assert listed["welcome"]["description"] == "Welcomes a guest"
    assert [(it["name"], it["required"]) for it in listed["welcome"]["arguments"]] == [
        ("guests", True),
        ("house", False),
    ]
    filled = await client.request("prompts/get", {"name": "welcome", "arguments": {"guests": '["Ann", "Bo"]'}})
    assert [(it["role"], it["content"]["text"]) for it in filled["messages"]] == [
        ("user", "You keep the door of Oslo."), ("user", "Welcome Ann and Bo."),
    ]  # fmt: skip
    for arguments in ({}, {"guests": "Ann"}, {"guests": "[]", "moon": "full"}):
        with pytest.raises(McpError) as caught:
            await client.request("prompts/get", {"name": "welcome", "arguments": arguments})
        assert caught.value.code == -32602
    reference, wanted = {"type": "ref/prompt", "name": "welcome"}, {"name": "house", "value": "Be"}
    completed = await client.request("completion/complete", {"ref": reference, "argument": wanted})
    assert completed["completion"]["values"] == ["Bergen"]


@BOTH
async def test_what_is_not_there_is_said(world, revision):
    client = await world.connect(revision)
    for uri in ("guru://c/x.txt", "guru://c", "guru://", "x", "guru://c/x?start=-1", "guru://c/x?start=" + "9" * 30):
        with pytest.raises(McpError) as caught:
            await client.read(uri)
        assert caught.value.code == (-32602 if revision == MODERN else -32002)
    for method, params in (
        ("tools/call", {"name": "x"}), ("tools/call", {"name": ["x"]}), ("prompts/get", {"name": "x"}),
        ("resources/list", {"cursor": "garbage"}), ("resources/list", {"cursor": 3}), ("tools/list", {"cursor": "²"}),
        ("tools/call", {"name": "search_documents", "arguments": []}), ("completion/complete", {}),
        ("completion/complete", {"ref": {"type": "ref/x"}, "argument": {"name": "a", "value": "b"}}),
    ):  # fmt: skip
        with pytest.raises(McpError) as caught:
            await client.request(method, params)
        assert caught.value.code == -32602
    with pytest.raises(McpError) as caught:
        await client.request("no/method", {})
    assert caught.value.code == -32601


@BOTH
async def test_wrong_arguments_are_told_to_the_model(world, revision):
    client = await world.connect(revision)
    tool = next(tool for tool in await client.tools() if tool["name"] == "search_documents")
    for arguments in ({}, {"query": 3, "collection": "c"}, {"query": "x", "collection": "nowhere"}):
        result = await client.call(tool, arguments)
        assert result["isError"] and result["content"][0]["text"]


@BOTH
async def test_a_tool_asks_the_person_and_the_model(world, revision):
    client = await world.connect(revision, person=Person(), sampler=Model(), roots=["/tmp"])
    tools = {tool["name"]: tool for tool in await client.tools()}
    asked = await client.call(tools["test_input_required_result_multi_round"], {})
    assert asked["content"][0]["text"] == "Multi-round complete for Ann who likes Ann"
    asked = await client.call(tools["test_input_required_result_multiple_inputs"], {})
    assert asked["content"][0]["text"] == "Name: Ann; Greeting: Paris; Roots: 1"


async def test_a_client_that_cannot_be_asked_is_not_asked(world):
    client = await world.connect()
    tools = {tool["name"]: tool for tool in await client.tools()}
    with pytest.raises(McpError) as caught:
        await client.call(tools["test_input_required_result_elicitation"], {})
    assert caught.value.data == {"requiredCapabilities": {"elicitation": {}}}


@BOTH
async def test_progress_is_told(world, revision):
    heard = []
    client = await world.connect(revision)
    tools = {tool["name"]: tool for tool in await client.tools()}
    await client.call(tools["test_tool_with_progress"], {}, progress=lambda done, total, said: heard.append(done))
    assert heard == [0, 50, 100]


async def test_a_legacy_client_comes_back_for_the_rest_of_an_answer(world):
    client = await world.connect(LEGACY[0])
    tools = {tool["name"]: tool for tool in await client.tools()}
    result = await client.call(tools["test_reconnection"], {})
    assert "successfully" in result["content"][0]["text"]


async def test_long_work_goes_on_behind_the_request(world):
    capabilities = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    meta = {"_meta": META | {"io.modelcontextprotocol/clientCapabilities": capabilities}}
    call = {"name": "slow_compute", "arguments": {"seconds": 0, "label": "x"}, **meta}
    _, made = await world.modern("tools/call", call)
    task = made["result"]
    assert (task["resultType"], task["status"]) == ("task", "working")
    while True:
        _, found = await world.modern("tasks/get", {"taskId": task["taskId"], **meta})
        if found["result"]["status"] == "completed":
            break
    assert found["result"]["result"]["content"][0]["text"] == "Computed x"
    answer, refused = await world.modern("tasks/get", {"taskId": task["taskId"]})
    assert (answer.status, refused["error"]["code"]) == (400, -32021)
    _, unknown = await world.modern("tasks/get", {"taskId": "task_x", **meta})
    assert unknown["error"]["code"] == -32602
    call["arguments"]["seconds"] = 60
    _, made = await world.modern("tools/call", call)
    identified = {"taskId": made["result"]["taskId"], **meta}
    await world.modern("tasks/cancel", identified)
    _, found = await world.modern("tasks/get", identified)
    assert found["result"]["status"] == "cancelled"


async def test_who_listens_is_told_of_changed_documents(world):
    world.server.services.mcp.served.server._watch_seconds = 0.05
    before = len(world.server.services.mcp.served.server.changes.listeners)
    await upload(world.server, "a.txt", "Once.")
    uri = "guru://c/a.txt"
    wanted = {"notifications": {"resourcesListChanged": True, "resourceSubscriptions": [uri], "x": True}, "_meta": META}
    message = {"jsonrpc": "2.0", "id": 7, "method": "subscriptions/listen", "params": wanted}
    headers = {"mcp-protocol-version": MODERN, "mcp-method": "subscriptions/listen"}
    async with world.server.session.post(f"{world.server.url}/mcp", json=message, headers=headers) as answer:
        heard = []

        async def hear(enough):
            while not enough():
                line = (await answer.content.readline()).decode()
                if line.startswith("data: "):
                    heard.append(json.loads(line[6:]))

        await hear(lambda: heard)
        assert heard[0]["method"] == "notifications/subscriptions/acknowledged"
        assert heard[0]["params"]["notifications"] == {"resourcesListChanged": True, "resourceSubscriptions": [uri]}
        await asyncio.sleep(0.2)  # until it was looked at once
        await upload(world.server, "a.txt", "Twice.")
        await hear(
            lambda: (
                {item["method"] for item in heard}
                >= {"notifications/resources/updated", "notifications/resources/list_changed"}
            )
        )
        assert {item["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] for item in heard} == {7}
    while len(world.server.services.mcp.served.server.changes.listeners) > before:
        await asyncio.sleep(0.01)


async def test_who_listens_is_told_of_other_tools(world):
    services = world.server.services
    message = {"jsonrpc": "2.0", "id": 8, "method": "subscriptions/listen"}
    message["params"] = {"notifications": {"toolsListChanged": True}, "_meta": META}
    headers = {"mcp-protocol-version": MODERN, "mcp-method": "subscriptions/listen"}
    async with world.server.session.post(f"{world.server.url}/mcp", json=message, headers=headers) as answer:
        lines = (json.loads(line[6:]) async for line in answer.content if line.startswith(b"data: "))
        assert (await anext(lines))["params"]["notifications"] == {"toolsListChanged": True}
        services.tools.reload(Settings(tools=ToolsSettings(news=NewsToolSettings())))
        try:
            assert (await anext(lines))["method"] == "notifications/tools/list_changed"
        finally:
            services.tools.reload(services.settings)


async def test_what_is_no_message_is_refused_and_harms_nothing(world):
    for body in (b"", b"{", b"[]", b"\xff", b"null", b'{"jsonrpc": "2.0"}', b"[" * 100_000):
        answer, said = await world.post(body)
        assert (answer.status, said["error"]["code"] in (-32700, -32600)) == (400, True)
    large = io.BytesIO(b" " * (5 << 20))
    async with world.server.session.post(f"{world.server.url}/mcp", data=large) as answer:
        assert answer.status == 413
    answer, _ = await world.post({"jsonrpc": "2.0", "id": 1, "method": "ping"}, accept="text/html")
    assert answer.status == 406
    answer, _ = await world.post({"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert answer.status == 400  # without a session
    answer, _ = await world.post({"jsonrpc": "2.0", "id": 1, "method": "ping"}, mcp_session_id="mcp_nobody")
    assert answer.status == 404
    answer, said = await world.modern("server/discover")
    assert (answer.status, said["result"]["supportedVersions"]) == (200, [MODERN, *LEGACY])


async def test_a_page_of_another_site_reaches_nothing(world):
    for headers in ({"origin": "https://evil.example"}, {"host": "evil.example"}):
        answer, _ = await world.modern("server/discover", **headers)
        assert answer.status == 403
    url = f"{world.server.url}/mcp"
    async with world.server.session.get(url, headers={"origin": "https://evil.example"}) as answer:
        assert answer.status == 403


async def test_the_call_of_a_client_that_left_is_cancelled(world):
    message = {"name": "slow_compute", "arguments": {"seconds": 60}}
    task = asyncio.create_task(world.modern("tools/call", message))

    def at_work():
        return any("ModernDoor._work" in repr(item.get_coro()) for item in asyncio.all_tasks())

    while not at_work():
        await asyncio.sleep(0.01)
    task.cancel()
    async with asyncio.timeout(30):  # half of what the call takes
        while at_work():
            await asyncio.sleep(0.01)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keyed(tmp_path_factory):
    settings = Settings(
        server=ServerSettings(require_key=True), mcp=McpSettings(authorization_servers=["https://login.example"])
    )
    async with run_server(tmp_path_factory.mktemp("keyed") / "home", settings) as server:
        world = World(server)
        boss = Caller(tenant="local", route="", trace_id="", role="admin")
        world.keys = {}
        for name, values in {"anna": {}, "ben": {}, "eye": {"role": "viewer"}}.items():
            await server.services.changes.create_user(boss, User(tenant="local", name=name))
            wanted = Key(id="", tenant="local", name=name, hash=b"", user=name, **values)
            _, world.keys[name] = await server.services.changes.create_key(boss, wanted)
        yield world
        for client in world.clients:
            await client.aclose()


async def test_without_a_key_a_client_learns_where_to_get_one(keyed):
    answer, _ = await keyed.modern("server/discover")
    assert answer.status == 401
    challenge = answer.headers["www-authenticate"]
    where = challenge.partition('resource_metadata="')[2].partition('"')[0]
    async with keyed.server.session.get(where) as found:
        metadata = await found.json()
    assert metadata["resource"] == f"{keyed.server.url}/mcp"
    assert metadata["authorization_servers"] == ["https://login.example"]
    answer, _ = await keyed.modern("server/discover", authorization="Bearer guru-nonsense")
    assert answer.status == 401


@BOTH
async def test_everybody_sees_what_they_may_and_nothing_else(keyed, revision):
    await upload(keyed.server, "merger.txt", "The merger closes in May.", keyed.keys["anna"], access="user:anna")
    anna, ben = [await keyed.connect(revision, keyed.keys[name]) for name in ("anna", "ben")]
    assert [item["name"] for item in await anna.resources()] == ["merger.txt"]
    assert await ben.resources() == []
    assert "May" in (await anna.read("guru://c/merger.txt"))[0]["text"]
    with pytest.raises(McpError):
        await ben.read("guru://c/merger.txt")
    for client, sees in ((anna, True), (ben, False)):
        tool = next(tool for tool in await client.tools() if tool["name"] == "search_documents")
        found = await client.call(tool, {"query": "merger", "collection": "c"})
        assert ("May" in found["content"][0]["text"]) is sees


async def test_a_viewer_is_not_shown_what_asks_a_model(keyed):
    names = {}
    for person in ("anna", "eye"):
        client = await keyed.connect(MODERN, keyed.keys[person])
        names[person] = {tool["name"] for tool in await client.tools()}
    assert names["anna"] - names["eye"] == {"ask_documents"}


async def test_nobody_uses_the_session_of_somebody_else(keyed):
    anna = await keyed.connect(LEGACY[0], keyed.keys["anna"])
    session = anna._channel._session
    ping = {"jsonrpc": "2.0", "id": 5, "method": "ping"}
    for person, status in (("anna", 200), ("ben", 404)):
        answer, _ = await keyed.post(ping, mcp_session_id=session, authorization=f"Bearer {keyed.keys[person]}")
        assert (person, answer.status) == (person, status)


async def test_state_that_one_person_was_given_serves_no_other(tmp_path):
    from guru.agents.mcp.messages import Request
    from guru.agents.mcp.serving.modern import ModernPeer
    from guru.agents.mcp.serving.peer import Question
    from guru.agents.mcp.serving.provider import Access
    from guru.agents.mcp.serving.seal import Seal
    from guru.store.scope import Scope

    def peer(request, access):
        return ModernPeer(request, access, {}, {}, seal=Seal(b"k" * 32), held=None)

    request = Request(1, "tools/call", {"name": "x", "arguments": {"a": 1}})
    anna, ben = (Access(scope=Scope("local"), person=name) for name in ("user:anna", "user:ben"))
    state = peer(request, anna).state(Question({}))
    again = Request(2, "tools/call", {"name": "x", "arguments": {"a": 1}, "requestState": state})
    peer(again, anna)
    other = Request(3, "tools/call", {"name": "x", "arguments": {"a": 2}, "requestState": state})
    for access, wrong in ((ben, again), (anna, other), (Access(scope=Scope("acme"), person="user:anna"), again)):
        with pytest.raises(McpError):
            peer(wrong, access)


async def test_it_can_be_turned_off(tmp_path):
    async with run_server(tmp_path / "home", Settings(mcp=McpSettings(serve=False))) as server:
        answer, _ = await World(server).modern("server/discover")
        assert answer.status == 404


async def test_a_server_that_stops_ends_the_streams_that_only_listen(tmp_path):
    async with run_server(tmp_path / "home", FIXTURES) as server:
        world = World(server)
        await world.connect(LEGACY[0])
        message = {"jsonrpc": "2.0", "id": 7, "method": "subscriptions/listen"}
        message["params"] = {"notifications": {"toolsListChanged": True}, "_meta": META}
        headers = {"mcp-protocol-version": MODERN, "mcp-method": "subscriptions/listen"}
        answer = await server.session.post(f"{server.url}/mcp", json=message, headers=headers)
        await answer.content.readline()
        server.services.closing.set()
        last = [line for line in (await answer.content.read()).decode().splitlines() if line.startswith("data: ")][-1]
        assert json.loads(last[6:])["result"]["resultType"] == "complete"
        while server.services.mcp.served.server.changes.listeners:  # that of the session, too
            await asyncio.sleep(0.01)
        await world.clients[0].aclose()


async def test_documents_come_in_pages_and_each_once(tmp_path, monkeypatch):
    from guru.server import mcp_resources

    monkeypatch.setattr(mcp_resources, "PAGE", 2)
    async with run_server(tmp_path / "home") as server:
        for name in ("a", "b", "c", "d"):
            await upload(server, f"{name}.txt", f"Text {name}.")
        world = World(server)
        client = await world.connect()
        assert [item["name"] for item in await client.resources()] == ["a.txt", "b.txt", "c.txt", "d.txt"]
        await client.aclose()
