"""Constraints: rules for the answer, as a list at the end of the system message."""

from __future__ import annotations

from guru.prompts.techniques import system
from guru.types import Message


def apply(messages: list[Message], rules: list[str]) -> list[Message]:
    if not rules:
        return messages
    return system.after(messages, "\n".join(["Keep to these rules:", *(f"- {rule}" for rule in rules)]))
