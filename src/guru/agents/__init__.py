"""Agents: models that use tools in a loop, with memory, and go on after a crash."""
