"""Asking the model itself for something on the way to the answer."""

from __future__ import annotations

from contextlib import aclosing

from guru.gateway.cost.tokens import count_tokens
from guru.protocols import ChatModel
from guru.types import ChatRequest, Completed, Delta, Message, Usage

COUNTS = (
    "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens", "cache_write_tokens",
    "cache_write_1h_tokens", "audio_prompt_tokens", "audio_completion_tokens", "image_prompt_tokens",
    "image_completion_tokens", "searches",
)  # fmt: skip


class Asker:
    """Puts questions of our own to the model that answers `request`, and adds up what they take."""

    def __init__(self, model: ChatModel, request: ChatRequest) -> None:
        self.name = model.name
        self.used = Usage()
        self._model = model
        self._request = request

    async def ask(self, system: str, text: str, max_tokens: int) -> str:
        """The model's answer, as text. Raises what the model raises."""
        question = ChatRequest(
            model=self._request.model,
            messages=[Message(role="system", content=system), Message(role="user", content=text)],
            max_tokens=max_tokens,
            user=self._request.user,
        )
        texts: list[str] = []
        async with aclosing(self._model.chat(question)) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, Delta) and event.index == 0:
                    texts.append(event.text)
                elif isinstance(event, Completed):
                    add(self.used, event.usage)
        return "".join(texts).strip()


def add(total: Usage, more: Usage) -> None:
    for name in COUNTS:
        setattr(total, name, getattr(total, name) + getattr(more, name))
    total.estimated = total.estimated or more.estimated


def pieces(model: str, text: str, room: int) -> list[str]:
    """`text` in parts of at most `room` tokens, in order and whole, cut between paragraphs, lines, sentences or words
    where that is possible."""
    if room < 1:
        raise ValueError("there is no room for a piece")
    parts: list[str] = []
    rest = text
    while rest:
        size = len(rest)
        while size > 1 and (tokens := count_tokens(model, rest[:size])) > room:
            size = max(1, min(size - 1, int(size * room / tokens)))
        if size < len(rest):
            size = best_cut(rest, size)
        parts.append(rest[:size])
        rest = rest[size:]
    return parts


def best_cut(text: str, limit: int) -> int:
    """The last good place to cut in the second half of the first `limit` characters."""
    for mark in ("\n\n", "\n", ". ", " "):
        place = text.rfind(mark, limit // 2, limit)
        if place >= 0:
            return place + len(mark)
    return limit
