"""Marks for the prompt caches of providers that charge less for a prefix that they have seen.

Anthropic and Bedrock read a marked prefix at a tenth of its price, and write it at a quarter more, so a mark pays from
the second request with the same prefix on. OpenAI, Gemini and others cache by themselves and take no marks.
https://platform.claude.com/docs/en/build-with-claude/prompt-caching
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from guru.config import Settings
from guru.gateway.cost.tokens import estimate_text
from guru.gateway.whole import Whole, answer, whole_of
from guru.gateway.wrapped import WrappedModel
from guru.protocols import ChatModel
from guru.types import ChatRequest, Event, Message, Part, TextPart, TextRequest

MARK: Final = {"type": "ephemeral"}
KINDS: Final = frozenset({"anthropic", "bedrock"})
MOST: Final = 4
"""Marks that a request may have."""
MINIMUMS: Final = (
    (re.compile(r"haiku-4-5|opus-4-[56]|haiku-4\.5"), 4096),
    (re.compile(r"haiku|nova"), 2048),
)
MINIMUM: Final = 1024
"""Tokens under which a prefix is not kept."""
MARGIN: Final = 1.25
"""The tokens are estimated here; a mark on too short a prefix does nothing, so doubt costs nothing either."""


class PromptMarks:
    """Puts marks where a prefix is stable."""

    def __init__(self, settings: Settings) -> None:
        self.reload(settings)

    def reload(self, settings: Settings) -> None:
        self._on = settings.cache.provider_prompts
        self._kinds = {name: provider.kind or name for name, provider in settings.providers.items()}

    def model(self, inner: ChatModel) -> ChatModel:
        """`inner`, which is sent marks if its provider charges less for them."""
        provider, _, name = inner.name.partition("/")
        kind = self._kinds.get(provider, provider)
        if not self._on or kind not in KINDS or (kind == "bedrock" and not re.search("claude|nova", name)):
            return inner
        return MarkedModel(inner, minimum_of(name))


class MarkedModel(WrappedModel):
    """A `ChatModel` that marks stable prefixes."""

    def __init__(self, inner: ChatModel, minimum: int) -> None:
        super().__init__(inner)
        self._minimum = minimum

    def chat(self, request: ChatRequest) -> AsyncIterator[Event]:
        return self._inner.chat(mark(request, self._minimum))

    @property
    def whole(self) -> Whole | None:
        """See `guru.gateway.whole`."""
        return self._whole if whole_of(self._inner) is not None else None

    async def _whole(self, request: ChatRequest | TextRequest) -> list[Event]:
        return await answer(self._inner, request if isinstance(request, TextRequest) else mark(request, self._minimum))


def mark(request: ChatRequest, minimum: int) -> ChatRequest:
    """The request with marks after its tools, its instructions, and the turns before the last one.

    What is stable comes first: a provider keeps tools, instructions and messages in this order. A request with a mark
    of its caller's own is left as it is: whoever marks knows what changes. The request given is not changed.
    """
    if has_marks(request):
        return request
    changes: dict[str, object] = {}
    prefix = sum(estimate_text(msgspec.json.encode(tool).decode()) for tool in (*request.tools, *request.native_tools))
    if request.tools and not request.native_tools and prefix >= minimum * MARGIN:
        *tools, last = request.tools
        changes["tools"] = [*tools, msgspec.structs.replace(last, cache_control=MARK)]
    messages = list(request.messages)
    places = stable_places(messages)
    before = 0
    marked = 0
    for place in places:
        prefix += sum(estimate_text(message.text) for message in messages[before : place + 1])
        before = place + 1
        if prefix >= minimum * MARGIN and (message := marked_message(messages[place])) is not None:
            messages[place] = message
            marked += 1
    if marked:
        changes["messages"] = messages
    return msgspec.structs.replace(request, **changes) if changes else request


def stable_places(messages: list[Message]) -> list[int]:
    """Where the next request of the same kind is likely to agree: the instructions, and, of a conversation, the
    newest question (the next turn has it in front) and the one before (this turn finds there what that one kept)."""
    places = []
    system = [place for place, message in enumerate(messages) if message.role in {"system", "developer"}]
    if system and system == list(range(len(system))):
        places.append(system[-1])
    users = [place for place, message in enumerate(messages) if message.role in {"user", "tool"}]
    if len(users) >= 2:
        places += users[-2:]
    elif users and isinstance(messages[users[0]].content, list):
        places.append(users[0])  # a long document in front of the question, in parts
    return places[: MOST - 1]


def marked_message(message: Message) -> Message | None:
    """The message with a mark at the end of what is stable in it; None where there is nothing that can carry one."""
    content = message.content
    if isinstance(content, str):
        return msgspec.structs.replace(message, content=[TextPart(content, cache_control=MARK)]) if content else None
    parts: list[Part] = list(content or ())
    for place in range(len(parts) - 1, -1, -1):
        part = parts[place]
        # The last part of several is the question; what is before it is what stays.
        if isinstance(part, TextPart) and part.text and (place < len(parts) - 1 or len(parts) == 1):
            parts[place] = msgspec.structs.replace(part, cache_control=MARK)
            return msgspec.structs.replace(message, content=parts)
    return None


def has_marks(request: ChatRequest) -> bool:
    """Whether the caller has marked anything."""
    if any(tool.cache_control for tool in request.tools) or "cache_control" in request.extra:
        return True
    if any("cache_control" in tool.tool for tool in request.native_tools):
        return True
    for message in request.messages:
        if getattr(message, "cache_control", None) is not None:
            return True
        if isinstance(message.content, list):
            for part in message.content:
                if getattr(part, "cache_control", None) is not None:
                    return True
        if any(getattr(call, "cache_control", None) is not None for call in message.tool_calls or ()):
            return True
    return False


def minimum_of(model: str) -> int:
    """Tokens under which a provider keeps no prefix of this model."""
    return next((tokens for rule, tokens in MINIMUMS if rule.search(model)), MINIMUM)
