"""Chain of thought: the model is asked to think before it answers (Wei et al. 2022, arXiv:2201.11903; Kojima et al.
2022, arXiv:2205.11916).

In an answer of a schema there is no room beside the answer, so the schema gets a member `reasoning`, which comes first:
models write members in the order of the schema.
"""

from __future__ import annotations

from typing import Final

from guru.errors import InvalidParameter
from guru.prompts.techniques import system
from guru.types import JSON, Message

REASONING: Final = "reasoning"
WORDS: Final = "Think step by step. When you are done, write the answer alone on a last line that begins with {marker}"
WORDS_JSON: Final = f"Think step by step: write your reasoning into `{REASONING}` before you fill in the rest."


def apply(messages: list[Message], words: str | bool, *, marker: str, schema: bool) -> list[Message]:
    """`words` ask for it; True: the usual ones. `marker` stands before the answer, unless it has a schema."""
    if isinstance(words, bool):
        words = WORDS_JSON if schema else WORDS.format(marker=marker)
    return system.after(messages, words)


def with_reasoning(schema: JSON) -> JSON:
    """The schema, with a text for the reasoning as its first member. Raises `InvalidParameter` where that cannot be."""
    members = schema.get("properties")
    if not isinstance(members, dict):
        raise InvalidParameter(
            "`chain_of_thought` needs an output schema with `properties`, to which it adds `reasoning`.",
            hint="Make the answer an object, or leave `chain_of_thought` out.",
            param="output_schema",
        )
    if REASONING in members:
        return schema
    required = schema.get("required")
    return schema | {
        "properties": {REASONING: {"type": "string"}, **members},
        "required": [REASONING, *(required if isinstance(required, list) else [])],
    }
