"""Other people's clients against `/mcp`, unchanged: the official SDK's and FastMCP's, over both transports."""

import asyncio
import importlib
import importlib.util
import itertools
import json
import sys
from pathlib import Path

import pytest

from guru.agents.mcp.protocol import LEGACY, MODERN
from running import GURU, environment, make_home, serving

ERAS = pytest.mark.parametrize("mode", ["auto", "legacy"])
STATIC = "This is a simple text response for testing."
PROGRAM = Path(__file__).parents[1] / "mcp_program.py"
FORM = {
    "message": "Who comes?",
    "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
}
VISIT = {"mode": "url", "message": "Log in.", "url": "https://a.example/in", "elicitationId": "e1"}
ANSWERS = {"accept": {"action": "accept", "content": {"name": "Ann"}}, "decline": {"action": "decline"},
           "cancel": {"action": "cancel"}}  # fmt: skip
REMOTES = pytest.mark.parametrize("remote", ["new", "old"])
FASTMCP = pytest.mark.skipif(
    importlib.util.find_spec("fastmcp") is None,
    reason="FastMCP's client is not installed: pip install 'fastmcp-slim[client]>=4.2'",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Of a `guru up` with what the official suite calls, which passes on the tools of a server of each era."""
    home = make_home(tmp_path_factory.mktemp("clients") / "guru")
    tools = home / "tools.json"
    tools.write_text(json.dumps([{"name": "ask", "description": "Asks.", "inputSchema": {"type": "object"}}]))
    commands = {"old": [sys.executable, str(PROGRAM), str(tools)]}
    commands["new"] = [*commands["old"], "modern"]
    lines = ["[mcp]", "conformance_fixtures = true", "allow_stdio = true"]
    for name, command in commands.items():
        lines += [f"[mcp.servers.{name}]", f"command = {json.dumps(command)}", 'serve = true\napproval = "never"']
    (home / "guru.toml").write_text("\n".join(lines), encoding="utf-8")
    return home


@pytest.fixture(scope="module")
def url(home):
    with serving(home) as server:
        yield f"{server.url}/mcp"


@pytest.fixture
def program(home, url):
    """A command that speaks over its standard streams, and its environment."""
    return {"command": str(GURU), "args": ["mcp", "serve"], "env": environment(home)}


@ERAS
async def test_the_official_client_works_over_http(url, mode):
    mcp = pytest.importorskip("mcp", reason="the official SDK is not installed: pip install 'mcp>=2.3'")
    await use_official(mcp.Client(url, mode=mode))


async def test_the_official_client_works_over_standard_streams(program):
    mcp = pytest.importorskip("mcp", reason="the official SDK is not installed: pip install 'mcp>=2.3'")
    transport = mcp.stdio_client(mcp.StdioServerParameters(**program))
    await use_official(mcp.Client(transport))


async def use_official(client):
    heard = []

    async def progress(done, total, message):
        heard.append(done)

    async with client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert {"search_documents", "test_simple_text"} <= names
        result = await client.call_tool("test_tool_with_progress", {}, progress_callback=progress)
        assert result.content[0].text == "Done"
        assert (await client.read_resource("test://static-text")).contents[0].text
        assert (await client.get_prompt("test_simple_prompt")).messages[0].content.text
        results = await asyncio.gather(*(client.call_tool("test_simple_text", {}) for _ in range(10)))
        assert {item.content[0].text for item in results} == {STATIC}
    assert heard == [0, 50, 100]


@ERAS
@REMOTES
@pytest.mark.parametrize("over", ["http", "streams"])
async def test_the_official_client_is_asked_by_other_servers(url, program, mode, remote, over):
    mcp = pytest.importorskip("mcp", reason="the official SDK is not installed: pip install 'mcp>=2.3'")
    asked, action = [], ""

    async def answer(context, params):
        asked.append(params)
        return mcp.types.ElicitResult(**(ANSWERS[action] if params.mode == "form" else {"action": action}))

    place = url if over == "http" else mcp.stdio_client(mcp.StdioServerParameters(**program))
    async with mcp.Client(place, mode=mode, elicitation_callback=answer) as client:
        for action, question in itertools.product(ANSWERS, (FORM, VISIT)):
            call = {"method": "elicitation/create", "params": question}
            result = await client.call_tool(f"{remote}__ask", call)
            expected = ANSWERS[action] if question is FORM else {"action": action}
            assert json.loads(result.content[0].text) == expected
            assert asked[-1].message.startswith(f"The MCP server {remote!r} asks you this")
    assert [params.mode for params in asked] == ["form", "url"] * 3 and asked[1].url == VISIT["url"]


@FASTMCP
@ERAS
@REMOTES
async def test_the_client_of_fastmcp_is_asked_by_other_servers(url, mode, remote):
    fastmcp = importlib.import_module("fastmcp")
    elicitation, action = importlib.import_module("fastmcp.client.elicitation"), ""

    async def answer(message, shape, params, context):
        return elicitation.ElicitResult(**ANSWERS[action])

    async with fastmcp.Client(url, mode=mode, elicitation_handler=answer) as client:
        for chosen, expected in ANSWERS.items():
            action, call = chosen, {"method": "elicitation/create", "params": FORM}
            result = await client.call_tool(f"{remote}__ask", call)
            assert json.loads(result.content[0].text) == expected


@FASTMCP
@ERAS
async def test_the_client_of_fastmcp_works_over_http(url, mode):
    await use_fastmcp(url, mode)


@FASTMCP
@ERAS
async def test_the_client_of_fastmcp_works_over_standard_streams(program, mode):
    transports = importlib.import_module("fastmcp.client.transports")
    await use_fastmcp(transports.StdioTransport(**program, keep_alive=False), mode)


async def use_fastmcp(transport, mode):
    fastmcp, heard = importlib.import_module("fastmcp"), []

    async def progress(done, total, message):
        heard.append(done)

    async def fill_in(message, shape, params, context):
        return shape(username="ann", email="ann@example.org")

    async with fastmcp.Client(transport, mode=mode, progress_handler=progress, elicitation_handler=fill_in) as client:
        assert client.protocol_version == (MODERN if mode == "auto" else LEGACY[0])
        assert {"search_documents", "test_simple_text"} <= {tool.name for tool in await client.list_tools()}
        assert (await client.call_tool("test_tool_with_progress", {})).content[0].text == "Done"
        asked = await client.call_tool("test_elicitation", {"message": "Who are you?"})
        assert "ann@example.org" in asked.content[0].text
        with pytest.raises(fastmcp.exceptions.ToolError):
            await client.call_tool("test_error_handling", {})
        assert (await client.read_resource("test://static-text"))[0].text
        assert (await client.get_prompt("test_simple_prompt")).messages[0].content.text
        results = await asyncio.gather(*(client.call_tool("test_simple_text", {}) for _ in range(10)))
        assert {item.content[0].text for item in results} == {STATIC}
    assert heard == [0, 50, 100]


@FASTMCP
@ERAS
async def test_only_a_session_of_a_legacy_client_is_pinged(url, mode):
    """The modern revision has no `ping`: FastMCP's client sends it all the same, and is told so."""
    fastmcp = importlib.import_module("fastmcp")
    async with fastmcp.Client(url, mode=mode) as client:
        if mode == "legacy":
            assert await client.ping()
            return
        with pytest.raises(importlib.import_module("mcp").MCPError) as caught:
            await client.ping()
        assert caught.value.code == -32601
