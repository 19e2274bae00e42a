"""The asking side of MCP."""
