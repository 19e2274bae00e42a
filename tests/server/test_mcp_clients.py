"""Other people's programs against `/mcp`: the official suite and the official client, where they are installed."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from guru.config import McpSettings, Settings
from scripted import run_server

ROOT = Path(__file__).parents[2]
SUITE = os.environ.get("GURU_MCP_SUITE", "")


@pytest.mark.skipif(
    not SUITE or shutil.which("node") is None,
    reason="GURU_MCP_SUITE does not name a folder with @modelcontextprotocol/conformance, or there is no Node 24",
)
def test_the_official_suite_passes():
    """Its exit status decides: a server that is not there still scores some passes."""
    script = ROOT / "scripts" / "mcp_conformance.py"
    done = subprocess.run([sys.executable, script, SUITE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_official_client_works_unchanged(tmp_path, mode):
    mcp = pytest.importorskip("mcp", reason="the official SDK is not installed: pip install 'mcp>=2.3'")
    async with run_server(tmp_path / "home", Settings(mcp=McpSettings(conformance_fixtures=True))) as server:
        heard = []

        async def progress(done, total, message):
            heard.append(done)

        async with mcp.Client(f"{server.url}/mcp", mode=mode) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert {"search_documents", "test_simple_text"} <= names
            result = await client.call_tool("test_tool_with_progress", {}, progress_callback=progress)
            assert result.content[0].text == "Done"
            assert (await client.read_resource("test://static-text")).contents[0].text
            assert (await client.get_prompt("test_simple_prompt")).messages[0].content.text
            results = await asyncio.gather(*(client.call_tool("test_simple_text", {}) for _ in range(10)))
            assert {item.content[0].text for item in results} == {"This is a simple text response for testing."}
        assert heard == [0, 50, 100]
