"""Any service that an OpenAPI document describes, as tools: one for each of its operations."""
