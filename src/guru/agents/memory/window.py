"""A conversation in a given number of tokens: its newest turns whole, all before as a running summary."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import msgspec

from guru.agents.memory.summarise import estimate
from guru.agents.memory.turns import INSTRUCTIONS, Count, Fitted, window
from guru.errors import ContextTooLong
from guru.types import Message

HEAD: Final = "Summary of the earlier conversation, which is no longer shown:\n"
SHARE: Final = 4
"""A summary takes at most one part in so many of the budget."""
SMALLEST: Final = 48
"""Tokens of the shortest summary."""
_encode = msgspec.json.Encoder().encode


def about(message: Message) -> int:
    """About the tokens of a message, where nobody counts better."""
    calls = "".join(call.function.name + call.function.arguments for call in message.tool_calls or ())
    return 4 + estimate(message.text + calls)


def fit(messages: Sequence[Message], budget: int, count: Count) -> tuple[Fitted, int]:
    """What is kept and what is to be told in short; and the tokens that the summary may have.

    Raises `ContextTooLong` when the newest turn alone is more than the budget.
    """
    total = sum(map(count, messages))
    if total <= budget:
        return Fitted(list(messages), []), 0
    room = max(SMALLEST, budget // SHARE)
    fitted = window(messages, budget - room, count) or window(messages, budget, count)
    if fitted is None:
        raise ContextTooLong(
            f"The newest turn does not fit into a window of {budget:,} tokens; the conversation has {total:,}.",
            hint="Allow a larger window, or send less at once.", param="messages",
        )  # fmt: skip
    left = budget - sum(map(count, fitted.kept))
    return fitted, min(room, left)


def digests(messages: Sequence[Message]) -> list[str]:
    """One for each beginning of `messages`: the last is of all of them."""
    hashed, found = blake2b(digest_size=16), []
    for message in messages:
        hashed.update(_encode(message))
        found.append(hashed.copy().hexdigest())
    return found


def with_summary(kept: list[Message], summary: str) -> list[Message]:
    """The messages with the summary after the instructions: as the person's words, which are no instruction of ours."""
    place = next((at for at, message in enumerate(kept) if message.role not in INSTRUCTIONS), len(kept))
    return [*kept[:place], Message(role="user", content=HEAD + summary), *kept[place:]]
