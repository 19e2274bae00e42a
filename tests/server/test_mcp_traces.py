"""What clients of `/mcp` do is in the traces and, where it changes something, in the audit log."""

import itertools
import json

import aiohttp
import pytest
import pytest_asyncio

from guru.agents.mcp.protocol import LEGACY, MODERN
from guru.config import FilesToolSettings, McpSettings, ServerSettings, Settings, ToolsSettings, TraceSettings
from guru.gateway.identity import Caller
from guru.gateway.identity.records import Key
from scripted import parse_events, run_server

pytestmark = pytest.mark.asyncio(loop_scope="module")
PREFIX = "io.modelcontextprotocol/"
NUMBERS = itertools.count(1)


class World:
    def __init__(self, server, key=None):
        self.server = server
        self.headers = {"authorization": f"Bearer {key}"} if key else {}

    async def post(self, method, params, **headers):
        message = {"jsonrpc": "2.0", "id": next(NUMBERS), "method": method, "params": params}
        headers = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"{self.server.url}/mcp"
        async with self.server.session.post(url, json=message, headers=headers) as answer:
            return answer, json.loads(await answer.text())

    async def ask(self, method, able=None, **params):
        """The answer to a modern client, and the one trace that it has left; None where there is none."""
        meta = {
            "protocolVersion": MODERN, "clientInfo": {"name": "desk\n", "version": "2.1"},
            "clientCapabilities": able or {},
        }  # fmt: skip
        params["_meta"] = {f"{PREFIX}{name}": value for name, value in meta.items()}
        named = {"mcp_name": name} if (name := params.get("name") or params.get("uri")) else {}
        answer, message = await self.post(
            method, params, accept="application/json", mcp_protocol_version=MODERN, mcp_method=method, **named
        )
        return message, await self.trace(answer.headers["x-guru-trace-id"])

    async def get(self, path):
        async with self.server.session.get(self.server.url + path, headers=self.headers) as answer:
            return answer.status, await answer.json()

    async def trace(self, id):
        status, found = await self.get(f"/api/v1/traces/{id}")
        return found if status == 200 else None

    async def audited(self):
        return (await self.get("/api/v1/audit?action=tools"))[1]["entries"]


def attributes(trace):
    return [span["attributes"] for span in trace["spans"]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("traces")
    (folder / "notes").mkdir()
    (folder / "notes" / "a.txt").write_text("Lunch is at noon.", encoding="utf-8")
    settings = Settings(
        server=ServerSettings(require_key=True),
        tools=ToolsSettings(files={"notes": FilesToolSettings(root=str(folder / "notes"), write=True)}),
        mcp=McpSettings(conformance_fixtures=True),
    )
    async with run_server(folder / "home", settings) as server:
        boss = Caller(tenant="local", route="", trace_id="", role="admin")
        wanted = Key(id="", tenant="local", name="desk", hash=b"", role="admin")
        key, secret = await server.services.changes.create_key(boss, wanted)
        world = World(server, secret)
        world.key = key.id
        form = aiohttp.FormData()
        form.add_field("files", b"The canteen opens at noon.", filename="canteen.txt")
        path = f"{server.url}/api/v1/collections/c/documents"
        async with server.session.post(path, data=form, headers=world.headers) as answer:
            job = (await answer.json())["job"]["id"]
        async with server.session.get(f"{server.url}/api/v1/jobs/{job}/events", headers=world.headers) as answer:
            parse_events(await answer.text())
        yield world


async def test_a_call_of_a_tool_has_one_trace_with_a_span_for_the_tool(world):
    _, trace = await world.ask("tools/call", name="calculator", arguments={"expression": "6*7"})
    assert (trace["requested"], trace["route"], trace["status"]) == ("tool/calculator", "mcp", "ok")
    assert (trace["key"], [span["name"] for span in trace["spans"]]) == (world.key, ["mcp", "tool"])
    root, tool = attributes(trace)
    assert root == {"mcp.method.name": "tools/call", "guru.mcp.client": "desk 2.1"}
    assert (tool["gen_ai.tool.call.arguments"], tool["gen_ai.tool.call.result"]) == ('{"expression":"6*7"}', "42")
    assert await world.audited() == []


async def test_so_has_one_that_fails_and_one_of_no_tool(world):
    _, trace = await world.ask("tools/call", name="calculator", arguments={"expression": "1/0"})
    assert (trace["status"], attributes(trace)[1]["guru.tool.failed"]) == ("error", True)
    message, trace = await world.ask("tools/call", name="x" * 5000, arguments={})
    assert message["error"]["code"] == -32602
    assert (trace["status"], trace["requested"]) == ("error", "tool"), "the accounts have no line for what is not there"
    assert len(attributes(trace)[1]["gen_ai.tool.name"]) == 500


async def test_what_a_tool_asks_the_road_for_has_a_trace_of_its_own(world):
    found, trace = await world.ask(
        "tools/call", name="ask_documents", arguments={"question": "When does the canteen open?", "collection": "c"}
    )
    assert found["result"]["isError"] is False
    assert [span["name"] for span in trace["spans"]] == ["mcp", "tool"]
    listed = (await world.get("/api/v1/traces"))[1]["traces"]
    inner = [each for each in listed if each["requested"] == "default"]
    assert len(inner) == 1 and inner[0]["id"] != trace["id"] and inner[0]["key"] == world.key


async def test_a_document_that_is_read_is_named_and_not_kept(world):
    _, trace = await world.ask("resources/read", uri="guru://c/canteen.txt")
    assert (trace["requested"], trace["status"]) == ("resource/c", "ok")
    assert attributes(trace)[1] == {"mcp.resource.uri": "guru://c/canteen.txt", "guru.mcp.characters": 26}
    _, trace = await world.ask("resources/read", uri="guru://c/nothing.txt")
    assert (trace["requested"], trace["status"]) == ("resource", "error")


async def test_a_prompt_that_is_got_is_named(world):
    _, trace = await world.ask("prompts/get", name="test_prompt_with_arguments", arguments={"arg1": "x", "arg2": "y"})
    assert (trace["requested"], trace["status"]) == ("prompt/test_prompt_with_arguments", "ok")
    said = attributes(trace)[1]
    assert said["gen_ai.tool.call.arguments"] == '{"arg1":"x","arg2":"y"}'
    assert "x" in said["gen_ai.output.messages"][0]["content"]["text"]


async def test_what_only_looks_around_has_none(world):
    for method in ("server/discover", "tools/list", "resources/list", "prompts/list"):
        assert (await world.ask(method))[1] is None


async def test_what_changes_something_is_in_the_audit_log_once_it_is_allowed(world):
    call = {"name": "notes_write", "arguments": {"path": "b.txt", "content": "Dinner."}}
    refused, trace = await world.ask("tools/call", **call)
    assert refused["result"]["isError"] and trace["status"] == "error"
    able = {"elicitation": {}}
    asked, trace = await world.ask("tools/call", able, **call)
    assert trace["status"] == "ok" and attributes(trace)[1]["guru.mcp.asked"] == ["approval"]
    assert await world.audited() == []
    allowed = {"approval": {"action": "accept", "content": {"allow": True}}}
    state = asked["result"]["requestState"]
    done, trace = await world.ask("tools/call", able, inputResponses=allowed, requestState=state, **call)
    assert done["result"]["isError"] is False
    [entry] = await world.audited()
    assert (entry["action"], entry["subject"], entry["actor"]) == ("tools.call", "notes_write", f"key {world.key}")
    assert entry["after"] == {
        "arguments": {"path": "b.txt", "content": "Dinner."}, "trace": trace["id"], "client": "desk 2.1",
    }  # fmt: skip


async def test_a_session_says_once_who_its_client_is(world):
    params = {"protocolVersion": LEGACY[0], "capabilities": {}, "clientInfo": {"name": "old desk"}}
    answer, _ = await world.post("initialize", params)
    session = answer.headers["mcp-session-id"]
    call = {"name": "calculator", "arguments": {"expression": "6*7"}}
    answers = [
        (await world.post("tools/call", call, accept="application/json", mcp_session_id=session))[0] for _ in range(2)
    ]
    traces = [await world.trace(answer.headers["x-guru-trace-id"]) for answer in answers]
    assert [attributes(trace)[0]["guru.mcp.client"] for trace in traces] == ["old desk", "old desk"]
    assert traces[0]["id"] != traces[1]["id"]


async def test_content_is_not_kept_where_it_is_not_to_be(tmp_path):
    async with run_server(tmp_path / "home", Settings(traces=TraceSettings(content=False))) as server:
        _, trace = await World(server).ask("tools/call", name="calculator", arguments={"expression": "6*7"})
        assert not {"gen_ai.tool.call.arguments", "gen_ai.tool.call.result"} & attributes(trace)[1].keys()
