"""What is worth keeping of a message, chosen by a model: it says the numbers of sentences, and writes none itself.

So nothing is remembered that the person did not say, whatever the model makes up or was told by a document.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from guru.agents.memory.base import Said, Writer
from guru.agents.memory.extract import SECRET, Found, candidates
from guru.types import JSON

PERSONAL: Final = re.compile(r"\b(?:i|i'm|my|me|mine|we|our|remember|note|forget|keep in mind)\b", re.IGNORECASE)
"""Without any of these the model is not asked."""
INSTRUCTION: Final = (
    "Below are numbered sentences that a user wrote to an assistant. Choose those that state a lasting fact about the "
    "user (name, home, work, family, preferences, habits) or that the user asks to be remembered. Leave out questions, "
    "tasks, small talk and what holds only today. `kind` is `user` for facts about the user and `fact` for others; "
    "`importance` is from 1 (trivial) to 10 (vital). Choose none where nothing is worth it."
)
TOKENS: Final = 400
SCHEMA: Final[JSON] = {
    "type": "object", "additionalProperties": False, "required": ["facts"],
    "properties": {
        "facts": {
            "type": "array", "maxItems": 20,
            "items": {
                "type": "object", "additionalProperties": False, "required": ["sentence", "kind", "importance"],
                "properties": {
                    "sentence": {"type": "integer", "minimum": 1},
                    "kind": {"type": "string", "enum": ["user", "fact"]},
                    "importance": {"type": "integer", "minimum": 1, "maximum": 10},
                },
            },
        }
    },
}  # fmt: skip


class Choice(Struct):
    sentence: int
    kind: Literal["user", "fact"]
    importance: Annotated[float, Meta(ge=0, le=10)]


class Choices(Struct):
    facts: list[Choice]


async def choose_facts(said: Said, writer: Writer) -> list[Found] | None:
    """What the model chose; None where it answered something else than was asked. Raises what the model raises."""
    spans = [span for span in candidates(said.text) if not SECRET.search(said.text[slice(*span)])]
    if not spans or not PERSONAL.search(" ".join(said.text[start:end] for start, end in spans)):
        return []
    listed = "\n".join(f"{number}. {said.text[start:end]}" for number, (start, end) in enumerate(spans, 1))
    answer = await writer.write(INSTRUCTION, listed, TOKENS, SCHEMA)
    try:
        chosen = msgspec.json.decode(bare(answer), type=Choices).facts
    except msgspec.MsgspecError:
        return None
    unique = {choice.sentence: choice for choice in chosen if 1 <= choice.sentence <= len(spans)}
    return [
        Found(
            text=said.text[slice(*spans[number - 1])], start=spans[number - 1][0], end=spans[number - 1][1],
            kind=choice.kind, importance=choice.importance / 10,
        )
        for number, choice in sorted(unique.items())
    ]  # fmt: skip


def bare(answer: str) -> str:
    """The JSON without the fence that some models put around it."""
    return re.sub(r"^\s*```(?:json)?\s*|\s*```\s*$", "", answer)
