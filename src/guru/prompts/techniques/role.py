"""Role: the model is told who it is, before anything else."""

from __future__ import annotations

from guru.prompts.techniques import system
from guru.types import Message


def apply(messages: list[Message], role: str) -> list[Message]:
    return system.before(messages, f"You are {role.strip().rstrip('.')}.")
