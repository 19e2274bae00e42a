"""Clients of `mcp_program.py`, whose tools a test writes."""

import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path

from guru.agents.mcp.client.client import McpClient
from guru.agents.mcp.client.host import Host
from guru.agents.mcp.client.stdio import StdioChannel

PROGRAM = Path(__file__).parents[2] / "mcp_program.py"
NUMBERS = {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"]}
ADD = {"name": "add", "description": "Adds two numbers.", "inputSchema": NUMBERS}


def tool(name, **more):
    return {"name": name, "description": f"Does {name}.", "inputSchema": {"type": "object"}, **more}


class Program:
    """The program of one test, and the file with its tools."""

    def __init__(self, folder):
        self.file = folder / "tools.json"
        self.command = [sys.executable, str(PROGRAM), str(self.file)]

    def offer(self, *tools):
        self.file.write_text(json.dumps(tools), encoding="utf-8")

    @asynccontextmanager
    async def client(self, host=None, *, timeout=20.0, env=()):
        client = McpClient(StdioChannel(self.command, dict(env)), host or Host("p"), timeout=timeout)
        try:
            await client.connect()
            yield client
        finally:
            await client.aclose()
