"""The system message, which techniques add to: made where a prompt has none."""

from __future__ import annotations

from collections.abc import Callable

from guru.types import Message


def before(messages: list[Message], text: str) -> list[Message]:
    """With `text` as the first paragraph of the system message."""
    return joined(messages, lambda said: f"{text}\n\n{said}" if said else text)


def after(messages: list[Message], text: str) -> list[Message]:
    """With `text` as its last paragraph."""
    return joined(messages, lambda said: f"{said}\n\n{text}" if said else text)


def joined(messages: list[Message], change: Callable[[str], str]) -> list[Message]:
    first = messages[0]
    if first.role in ("system", "developer"):
        return [Message(first.role, change(first.text)), *messages[1:]]
    return [Message("system", change("")), *messages]
