"""Where the answer begins in what a model writes that can call tools by itself.

What it writes may be said before a call as well as be the answer, and only its end tells. A model that says where its
answer begins can be listened to while it writes it. One that does not is understood all the same, at the end.
"""

from __future__ import annotations

import re
from typing import Final

from guru.agents.steps import Reply
from guru.types import Message

FORMAT: Final = 'Begin your answer with the line "=== ANSWER ===", once you need to call no more tools.'
MARK: Final = re.compile(r"^[ \t]*\**={3,}[ \t]*ANSWER[ \t]*={3,}\**", re.MULTILINE | re.IGNORECASE)


def describe(messages: list[Message]) -> list[Message]:
    """The prompt, with how to begin an answer."""
    return instructed(messages, FORMAT)


def read(reply: Reply) -> str:
    """The answer in what a model wrote; "" where it only called tools.

    What is marked is an answer even where calls stand beside it: whoever watches has been shown it. What comes of the
    calls is then the rest of the answer.
    """
    found = MARK.search(reply.text)
    if found is None:
        return "" if reply.calls else reply.text.strip()
    answer = reply.text[found.end() :].strip()
    if not answer and not reply.calls:  # the mark stands behind the answer
        return reply.text[: found.start()].strip()
    return answer


def joined(before: str, answer: str) -> str:
    """An answer that was begun, and what came of it."""
    return "\n\n".join(filter(None, (before, answer)))


def instructed(messages: list[Message], words: str) -> list[Message]:
    """The prompt, with more instructions at the end of those that it has."""
    if messages and messages[0].role == "system":
        return [Message("system", f"{messages[0].text}\n\n{words}"), *messages[1:]]
    return [Message("system", words), *messages]
