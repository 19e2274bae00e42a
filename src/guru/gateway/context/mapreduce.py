"""One text that is longer than the model: read in parts, then answered from notes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from guru.gateway.context.asking import Asker, pieces
from guru.gateway.cost.tokens import count_tokens
from guru.types import Message, Part, TextPart

AT_ONCE: Final = 4
"""Parts that are read at the same time."""
ROUNDS: Final = 4
"""Times that notes are made of notes before it is given up."""
QUESTION: Final = 2000
"""Characters; a first or last paragraph that is no longer is taken for the question about the rest."""
SYSTEM: Final = (
    "You read one part of a long text for somebody who cannot see it, and note down everything in this part that "
    "matters for the request. Keep facts, names and numbers exact. If nothing matters, write: nothing."
)


def longest_text(message: Message) -> tuple[str, str] | None:
    """(the request, the text that it is about). None when the message has no text that could be read in parts."""
    if isinstance(message.content, str):
        return split_question(message.content)
    texts = [part.text for part in message.content or () if isinstance(part, TextPart)]
    if not texts:
        return None
    if len(texts) == 1:
        return split_question(texts[0])
    longest = max(range(len(texts)), key=lambda place: len(texts[place]))
    return "\n\n".join(text for place, text in enumerate(texts) if place != longest), texts[longest]


def split_question(text: str) -> tuple[str, str]:
    """The first and the last paragraph, as far as they are short, are the request; what is between is the text."""
    paragraphs = text.strip().split("\n\n")
    if len(paragraphs) == 1:
        return "", text
    first = paragraphs[0] if len(paragraphs[0]) <= QUESTION else ""
    last = paragraphs[-1] if len(paragraphs[-1]) <= QUESTION else ""
    if len(paragraphs) == 2 and first and last:  # both short: such a message is not what is too long
        return first, paragraphs[1]
    middle = paragraphs[1 if first else 0 : -1 if last else None]
    return "\n\n".join(part for part in (first, last) if part), "\n\n".join(middle)


def replaced(message: Message, text: str, notes: str) -> Message:
    """The message with notes in place of the text."""
    if isinstance(message.content, str):
        return msgspec.structs.replace(message, content=message.content.replace(text, notes, 1))
    parts: list[Part] = []
    for part in message.content or ():
        same = isinstance(part, TextPart) and text in part.text
        parts.append(TextPart(part.text.replace(text, notes, 1)) if same and isinstance(part, TextPart) else part)
    return msgspec.structs.replace(message, content=parts)


async def take_notes(question: str, text: str, asker: Asker, *, room: int, target: int) -> tuple[str, int] | None:
    """Notes on `text` of at most `target` tokens, and the number of parts that were read.

    One question to the model may have `room` tokens, answer included. None when the notes do not get short enough.
    """
    read = 0
    for _ in range(ROUNDS):
        overhead = count_tokens(asker.name, SYSTEM + question) + 64
        size = max(32, min(target // 2, (room - overhead) // 4))
        part_room = room - overhead - size
        if part_room < 64:
            return None
        parts = pieces(asker.name, text, part_room)
        read += len(parts)
        size = max(32, min(size, target // len(parts)))
        notes = await read_parts(question, parts, asker, size)
        text = "\n\n".join(f"[Notes on part {n} of {len(parts)}]\n{note}" for n, note in enumerate(notes, start=1))
        if count_tokens(asker.name, text) <= target:
            return text, read
    return None


async def read_parts(question: str, parts: Sequence[str], asker: Asker, size: int) -> list[str]:
    """A note on each part, in order. The first failure ends the others."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def read(number: int, part: str) -> str:
        async with gate:
            text = f"Request: {question or 'Summarise the text.'}\n\nPart {number} of {len(parts)}:\n{part}"
            return await asker.ask(SYSTEM, text, size)

    tasks = [asyncio.ensure_future(read(number, part)) for number, part in enumerate(parts, start=1)]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
