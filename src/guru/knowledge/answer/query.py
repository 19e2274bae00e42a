"""What to search for in a conversation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from guru.errors import InvalidParameter
from guru.knowledge.answer.words import content
from guru.types import Message

_LEANS: Final = re.compile(
    r"\b(?:he|she|it|they|him|her|them|his|hers|its|their|this|that|these|those|there|one|ones|former|latter|same)\b"
    r"|^(?:and|but|or|so|also|what about|how about|why|when|where|who|how)\b[^?]{0,12}\??$",
    re.IGNORECASE,
)
_SHORT: Final = 2
"""A question with at most so many telling words says too little to search for."""


def last_question(messages: Sequence[Message]) -> str:
    """The last user message. Raises `InvalidParameter` when there is none."""
    for message in reversed(messages):
        if message.role == "user" and message.text.strip():
            return message.text.strip()
    raise InvalidParameter(
        "A grounded request needs a user message with text.", param="messages", hint="Ask a question."
    )


def retrieval_query(messages: Sequence[Message]) -> str:
    """The last question; joined to the one before it when it is short or points back ("And when was it built?")."""
    question = last_question(messages)
    asked = [message.text.strip() for message in messages if message.role == "user" and message.text.strip()]
    if len(asked) < 2:
        return question
    if len(content(question)) <= _SHORT or _LEANS.search(question):
        return f"{asked[-2]} {question}"
    return question


def is_follow_up(messages: Sequence[Message]) -> bool:
    """Whether anything was asked before the last question."""
    return sum(message.role == "user" and bool(message.text.strip()) for message in messages) > 1
