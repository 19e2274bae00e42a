"""The serving side of MCP."""
