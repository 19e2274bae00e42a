"""Summaries that a model writes: part by part, and parts of parts, until one text is left.

Every step fits the model's context. What a document says to the model that reads it is shown as data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from guru.errors import InvalidParameter
from guru.knowledge.answer.orders import neutralise

SENTENCE_TOKENS: Final = 60
OVERHEAD: Final = 300
"""Tokens of the instruction, the title and what frames a message."""
LARGEST: Final = 6_000
"""Tokens of a part, also where the context has room for more: models overlook what is in the middle."""
USUAL_CONTEXT: Final = 4_096
"""Where it is not known."""
SMALLEST: Final = 256
AT_ONCE: Final = 4
INSTRUCTION: Final = (
    "You summarise {what}. Write at most {count} sentences that say what is most important, in the language of the "
    "text. Each sentence stands by itself, names what it is about, and says only what the text says. No introduction, "
    "no headings, no list, no comment."
)

Tell = Callable[[], None]
Step = Callable[[str, str, int], Awaitable[str]]
"""As `Writer.write`."""


class Writer(Protocol):
    """A chat model that writes, as whoever asked for the summary."""

    @property
    def name(self) -> str:
        """`provider/model`."""
        ...

    @property
    def context_length(self) -> int:
        """Tokens; 0: not known."""
        ...

    @property
    def small(self) -> bool:
        """Whether it is too weak to write one."""
        ...

    def count_tokens(self, text: str) -> int: ...

    async def write(self, instruction: str, text: str, max_tokens: int) -> str:
        """What the model answers to `text`. Raises what the model raises."""
        ...


def room_of(writer: Writer, sentences: int) -> int:
    """Tokens of text for one step. Raises `InvalidParameter` where the context is too small."""
    room = (writer.context_length or USUAL_CONTEXT) - OVERHEAD - sentences * SENTENCE_TOKENS
    if room < max(SMALLEST, 2 * sentences * SENTENCE_TOKENS):
        raise InvalidParameter(
            f"The context of {writer.name}, {writer.context_length} tokens, is too small for {sentences} sentences.",
            hint="Ask for fewer, choose another model, or the method `extractive`.", param="sentences",
        )  # fmt: skip
    return min(room, LARGEST)


async def summarise(title: str, parts: Sequence[str], writer: Writer, step: Step, *, sentences: int, tell: Tell) -> str:
    """A summary of the texts in at most about so many sentences. `tell` is called after every step."""
    room = room_of(writer, sentences)
    texts = pack(parts, room, writer)
    what = f'a part of the document "{title}"' if len(texts) > 1 else f'the document "{title}"'
    while True:
        notes = await take(texts, what, step, sentences, tell)
        if len(notes) == 1:
            return notes[0]
        what = f'notes on the parts of "{title}", in their order,'
        fewer = pack(notes, room, writer)
        # A model that writes more than it was asked for: two notes are one text whatever they count.
        pairs = ["\n\n".join(notes[at : at + 2]) for at in range(0, len(notes), 2)]
        texts = fewer if len(fewer) < len(notes) else pairs


async def take(texts: Sequence[str], what: str, step: Step, sentences: int, tell: Tell) -> list[str]:
    """A note on each text, in order. The first failure ends the others."""
    gate = asyncio.Semaphore(AT_ONCE)
    instruction = INSTRUCTION.format(what=what, count=sentences)

    async def one(text: str) -> str:
        async with gate:
            note = await step(instruction, f"Text:\n{neutralise(text)}", sentences * SENTENCE_TOKENS)
            tell()
            return note.strip()

    tasks = [asyncio.ensure_future(one(text)) for text in texts]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()


def pack(parts: Sequence[str], room: int, writer: Writer) -> list[str]:
    """Texts of at most `room` tokens, each as many whole parts as fit; a part that is too long is cut."""
    texts: list[str] = []
    taken, size = list[str](), 0
    for part in parts:
        for piece in cut(part, room, writer):
            tokens = writer.count_tokens(piece) + 2
            if taken and size + tokens > room:
                texts.append("\n\n".join(taken))
                taken, size = [], 0
            taken.append(piece)
            size += tokens
    return [*texts, "\n\n".join(taken)] if taken else texts


def cut(text: str, room: int, writer: Writer) -> list[str]:
    tokens = writer.count_tokens(text)
    if tokens <= room:
        return [text] if text.strip() else []
    half = text.rfind(" ", 1, len(text) // 2) if " " in text[1 : len(text) // 2] else len(text) // 2
    return [*cut(text[:half], room, writer), *cut(text[half:], room, writer)]
