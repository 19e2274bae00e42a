"""Other people's clients against `/mcp`, unchanged: the official SDK's and FastMCP's, over both transports."""

import asyncio
import importlib
import importlib.util

import pytest

from guru.agents.mcp.protocol import LEGACY, MODERN
from running import GURU, environment, make_home, serving

ERAS = pytest.mark.parametrize("mode", ["auto", "legacy"])
STATIC = "This is a simple text response for testing."
FASTMCP = pytest.mark.skipif(
    importlib.util.find_spec("fastmcp") is None,
    reason="FastMCP's client is not installed: pip install 'fastmcp-slim[client]>=4.2'",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Of a `guru up` with what the official suite calls."""
    home = make_home(tmp_path_factory.mktemp("clients") / "guru")
    (home / "guru.toml").write_text("[mcp]\nconformance_fixtures = true\n", encoding="utf-8")
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
