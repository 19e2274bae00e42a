"""One tool over MCP, as the documentation of FastMCP and of the official SDK says: `mcp_calls.py` runs it.

PYTHON mcp_server.py fastmcp|mcp stdio|http [PORT]
"""

from __future__ import annotations

import sys
from typing import Any


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def fastmcp(transport: str, port: int) -> None:
    from fastmcp import FastMCP

    server = FastMCP("adder")
    server.tool(add)
    given: dict[str, Any] = {} if transport == "stdio" else {"host": "127.0.0.1", "port": port, "log_level": "warning"}
    server.run(transport=transport, show_banner=False, **given)


def mcp(transport: str, port: int) -> None:
    from mcp.server.mcpserver import MCPServer

    server = MCPServer("adder", log_level="WARNING")
    server.tool()(add)
    if transport == "stdio":
        server.run()
    else:
        server.run(transport="streamable-http", host="127.0.0.1", port=port)


if __name__ == "__main__":
    {"fastmcp": fastmcp, "mcp": mcp}[sys.argv[1]](sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 0)
