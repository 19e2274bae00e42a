"""Workflows: declared steps that go on after a crash, each done once."""
