"""The Model Context Protocol: what is served, and what is asked of others. Specification: https://modelcontextprotocol.io."""
