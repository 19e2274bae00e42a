"""Memory on the road: what is remembered is shown to the model, and what a person says is kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from guru.agents.memory.base import PersonalMemory, Recalled, Remembered, Said, Writer
from guru.agents.memory.own_words import own_text
from guru.config import MemorySettings, Settings
from guru.errors import ContextTooLong, GuruError
from guru.gateway.identity import Caller
from guru.gateway.steps import Request
from guru.types import JSON, ChatRequest, Message

log = logging.getLogger(__name__)
SHOWN: Final = 2_400
"""Characters of memories in one prompt: some 600 tokens."""
HEAD: Final = "Here are notes about me from earlier conversations:\n"
THANKS: Final = "Thank you. I will use what fits."
"""A turn of its own before the newest message: models of every size use that best (benchmarks/memory.md)."""
CONVERSATIONS: Final = "conversations"
"""The door whose requests use memory where the configuration says so, and nothing else does."""
Writers = Callable[[Caller, str], Writer]
"""The model of a name, as it writes for a caller. Raises `ModelNotFound`."""


class RoadMemory:
    """Implements `guru.gateway.steps.Memory`."""

    room = SHOWN // 4 + 40

    def __init__(self, memories: PersonalMemory, settings: MemorySettings, writers: Writers) -> None:
        self._memories = memories
        self._settings = settings
        self._writers = writers
        self._tasks: set[asyncio.Task[None]] = set()

    def reload(self, settings: Settings) -> None:
        self._settings = self._memories.settings = settings.memory

    async def aclose(self) -> None:
        """What was still being learnt is given up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def wanted(self, request: Request, caller: Caller) -> bool:
        if not isinstance(request, ChatRequest) or caller.shared_only or not is_somebody(caller):
            return False
        if request.guru is not None:
            return bool(request.guru.memory) and not request.guru.collection
        return self._settings.enabled and caller.route == CONVERSATIONS

    async def prepare(self, request: ChatRequest, caller: Caller) -> tuple[ChatRequest, JSON]:
        """Rules are quick, so that what they find is kept before the model answers; a model chooses afterwards."""
        scope, writer = caller.private, self._writer(request, caller)
        said = said_in(request)
        kept = await self._memories.learn(scope, said) if said is not None and writer is None else []
        messages = await self._windowed(request, caller, writer)
        known = {item.memory.id for item in kept}
        question = next((message.text for message in reversed(messages) if message.role == "user"), "")
        found = [item for item in await self._memories.recall(scope, question) if item.memory.id not in known]
        shown = with_memories(messages, found, dated=writer is not None)
        return msgspec.structs.replace(request, messages=shown), note_of(found, kept)

    def answered(self, request: ChatRequest, caller: Caller) -> None:
        said, writer = said_in(request), self._writer(request, caller)
        if said is None or writer is None:
            return
        task = asyncio.create_task(self._learn(caller, said, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _learn(self, caller: Caller, said: Said, writer: Writer) -> None:
        try:
            await self._memories.learn(caller.private, said, writer=writer)
        except GuruError as error:
            log.warning("nothing was learnt of a message: %s", error)

    def _writer(self, request: ChatRequest, caller: Caller) -> Writer | None:
        """The model that finds and summarises; None where it is too small, or not there."""
        try:
            writer = self._writers(caller, self._settings.model or request.model)
        except GuruError as error:
            log.warning("memory does without a model: %s", error)
            return None
        return None if writer.small else writer

    async def _windowed(self, request: ChatRequest, caller: Caller, writer: Writer | None) -> list[Message]:
        budget = self._settings.window_tokens
        if budget is None:
            return request.messages
        conversation, _ = place_of(request)
        try:
            return await self._memories.window(
                caller.private, request.messages, budget, conversation=conversation, writer=writer
            )
        except ContextTooLong:
            return request.messages  # what is too long for the model is for its context policy to say


def is_somebody(caller: Caller) -> bool:
    """Whether a request is of a person: a shadow of a release, for one, is nobody's, and must not be the owner's."""
    return caller.owner or caller.key is not None or caller.user is not None


def said_in(request: ChatRequest) -> Said | None:
    """The newest message, where a person has just said it: not the middle of a turn with tools."""
    if not request.messages or (text := own_text(request.messages[-1])) is None or not text.strip():
        return None
    conversation, message = place_of(request)
    return Said(text=text, conversation=conversation, message=message)


def place_of(request: ChatRequest) -> tuple[str | None, str | None]:
    """The conversation and the message, as `gateway.turns` says them. Whether they are the person's is looked at when
    something is kept."""
    metadata = request.metadata or {}
    conversation, message = metadata.get("conversation"), metadata.get("message")
    return conversation if isinstance(conversation, str) else None, message if isinstance(message, str) else None


def with_memories(messages: Sequence[Message], found: Sequence[Recalled], *, dated: bool) -> list[Message]:
    """The messages, with a turn before the newest of the person's in which they tell what is remembered of them.

    In the person's voice, as what people said must not speak with that of the application; and answered, as some models
    refuse two messages of one role in a row. `dated` says when each was said, which distracts small models.
    """
    lines, room = [], SHOWN
    for item in found:
        text = " ".join(item.memory.text.split())
        line = f"- {text} ({item.memory.created_at:%Y-%m-%d})" if dated else text
        if len(line) <= room:
            lines.append(line)
            room -= len(line)
    place = next((at for at in range(len(messages) - 1, -1, -1) if messages[at].role == "user"), None)
    if not lines or place is None:
        return list(messages)
    told = [Message("user", HEAD + "\n".join(lines)), Message("assistant", THANKS)]
    return [*messages[:place], *told, *messages[place:]]


def note_of(found: Sequence[Recalled], kept: Sequence[Remembered]) -> JSON:
    """For the trace and the answer: no text, so that what is forgotten does not live on there."""
    return {
        "used": [{"id": item.memory.id, "kind": item.memory.kind, "score": item.scores.total} for item in found],
        "kept": [
            {"id": item.memory.id, "outcome": item.outcome, "replaced": [old.id for old in item.replaced]}
            for item in kept
        ],
    }
