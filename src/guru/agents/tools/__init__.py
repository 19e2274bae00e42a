"""Tools: what an agent, an MCP client or a workflow can have done for it."""
