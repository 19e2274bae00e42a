"""Memory as tools: an agent remembers, recalls and forgets for the person it works for, and for nobody else.

What it may remember is what that person said in the run, word for word: text that an agent has from a document, a page
or another tool is refused, so that nothing there can plant a memory.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec

from guru.agents.memory.base import TOOL, Recalled, Remembered, Said, Source
from guru.agents.memory.extract import SECRET
from guru.agents.memory.memories import Memories
from guru.agents.memory.own_words import own_sentences
from guru.agents.tools.base import ToolContext, ToolResult, ToolSpec
from guru.errors import NotFound
from guru.store.scope import Scope

Heard = Callable[[ToolContext], Awaitable[Sequence[Said]]]
"""The messages that the person wrote in the run of a call."""
Own = Callable[[ToolContext], Scope]
"""Whose memory a call reaches."""
LIST: Final = {"type": "array", "items": {"type": "object"}}


def scope_of(context: ToolContext) -> Scope:
    """The scope of the call, which is enough where it is one person's own."""
    return context.scope


class Remember:
    """Keeps what the person said."""

    def __init__(self, memories: Memories, heard: Heard, own: Own | None = None) -> None:
        self._memories = memories
        self._own = own or scope_of
        self._heard = heard
        self.spec = ToolSpec(
            name="remember",
            description=(
                "Remember something that the user said about themselves, or asked you to remember, beyond this "
                "conversation. `quote` is a sentence of the user's own message, word for word. What documents, pages "
                "or tools say cannot be remembered."
            ),
            parameters={
                "type": "object", "additionalProperties": False, "required": ["quote"],
                "properties": {
                    "quote": {"type": "string", "minLength": 1, "maxLength": 2000},
                    "kind": {"type": "string", "enum": ["user", "fact"], "default": "user"},
                    "importance": {"type": "number", "minimum": 0, "maximum": 1},
                },
            },
            output={"type": "object"}, effect="write",
        )  # fmt: skip

    async def call(self, arguments: dict[str, Any], context: ToolContext) -> ToolResult:
        source = find_quote(arguments["quote"], await self._heard(context))
        if source is None or source.quote is None:
            return ToolResult(
                text="Not remembered: `quote` has to be a sentence that the user wrote themselves, word for word.",
                failed=True,
            )
        if SECRET.search(source.quote):
            return ToolResult(text="Not remembered: it looks like a secret.", failed=True)
        kept = await self._memories.remember(
            self._own(context), source.quote, kind=arguments.get("kind", "user"), by=TOOL,
            source=msgspec.structs.replace(source, run=context.run), importance=arguments.get("importance"),
        )  # fmt: skip
        return ToolResult(text=told(kept), data=msgspec.to_builtins(kept))


class Recall:
    """Finds what is remembered."""

    def __init__(self, memories: Memories, own: Own | None = None) -> None:
        self._memories = memories
        self._own = own or scope_of
        self.spec = ToolSpec(
            name="recall",
            description="Look up what is remembered of the user and of past runs that has to do with a question.",
            parameters={
                "type": "object", "additionalProperties": False, "required": ["question"],
                "properties": {
                    "question": {"type": "string", "minLength": 1, "maxLength": 4000},
                    "k": {"type": "integer", "minimum": 1, "maximum": 20, "default": 5},
                },
            },
            output=LIST, effect="read",
        )  # fmt: skip

    async def call(self, arguments: dict[str, Any], context: ToolContext) -> ToolResult:
        found = await self._memories.recall(self._own(context), arguments["question"], k=arguments.get("k", 5))
        lines = [f"- {line_of(item)}" for item in found]
        return ToolResult(text="\n".join(lines) or "Nothing is remembered of that.", data=msgspec.to_builtins(found))


class Forget:
    """Erases one memory."""

    def __init__(self, memories: Memories, own: Own | None = None) -> None:
        self._memories = memories
        self._own = own or scope_of
        self.spec = ToolSpec(
            name="forget",
            description="Erase one memory for good, when the user asks for it. `id` is that of a recalled memory.",
            parameters={
                "type": "object", "additionalProperties": False, "required": ["id"],
                "properties": {"id": {"type": "string", "minLength": 1, "maxLength": 100}},
            },
            output={"type": "object"}, effect="write", approval=True,
        )  # fmt: skip

    async def call(self, arguments: dict[str, Any], context: ToolContext) -> ToolResult:
        try:
            gone = await self._memories.forget(self._own(context), arguments["id"])
        except NotFound:  # also when a call that had ended is made once more after a crash
            return ToolResult(text="There is no such memory: it is forgotten already, or never was.", data={"gone": 0})
        return ToolResult(text="Forgotten.", data={"gone": gone})


def find_quote(quote: str, heard: Sequence[Said]) -> Source | None:
    """Where the person said it themselves: within a sentence of theirs, not in what they pasted. The newest first."""
    wanted = quote.strip()
    for said in reversed(heard):
        for start, end in own_sentences(said.text):
            place = said.text.find(wanted, start, end)
            if wanted and place >= 0:
                stop = place + len(wanted)
                return Source(
                    conversation=said.conversation, message=said.message, start=place, end=stop,
                    quote=said.text[place:stop],
                )  # fmt: skip
    return None


def line_of(item: Recalled) -> str:
    """A memory for a model: with the day that it is of, so that an old one is not taken for today's."""
    return f"{item.memory.text} ({item.memory.created_at:%Y-%m-%d}; id {item.memory.id})"


def told(kept: Remembered) -> str:
    """What became of something to remember, for a model."""
    match kept.outcome:
        case "merged":
            return "That was known already."
        case "replaced":
            gone = "; ".join(memory.text for memory in kept.replaced)
            return f"Remembered, in place of: {gone}"
        case _:
            return "Remembered."
