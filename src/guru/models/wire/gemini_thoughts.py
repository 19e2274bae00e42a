"""Gemini's thought signatures, kept so that every client brings them back.

A signature belongs to one part of an answer: a call, or the text. It travels as a block of thinking that nobody but its
maker can read, in the one form that all doors pass on and that clients return unchanged: `redacted_thinking`. Gemini 3
refuses calls that come back without theirs: https://ai.google.dev/gemini-api/docs/thought-signatures.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from guru.types import JSON, Message

PREFIX: Final = "gemini:"
"""Real signatures are base64, which has no colon."""

UNSIGNED: Final = "skip_thought_signature_validator"
"""What Google documents for calls that another model made, or whose signature a client has lost."""


def seal(signature: str, call_id: str = "") -> JSON:
    """The block for the signature of a call, or of the text."""
    return {"type": "redacted_thinking", "data": f"{PREFIX}{call_id}:{signature}"}


def is_sealed(block: JSON) -> bool:
    """Whether a block is Gemini's: others are not shown it."""
    return block.get("type") == "redacted_thinking" and str(block.get("data")).startswith(PREFIX)


def signatures(messages: Iterable[Message]) -> dict[str, str]:
    """Of calls, by their ids. Clients may bring a signature back in another message than its call."""
    found = {}
    for message in messages:
        for block in message.thinking_blocks or ():
            if is_sealed(block):
                call_id, _, signature = block["data"].removeprefix(PREFIX).rpartition(":")
                if call_id:
                    found[call_id] = signature
    return found


def text_signature(message: Message) -> str | None:
    """Of the text in a message, the last one."""
    sealed = [block["data"].removeprefix(PREFIX) for block in message.thinking_blocks or () if is_sealed(block)]
    return next((data[1:] for data in reversed(sealed) if data.startswith(":")), None)
