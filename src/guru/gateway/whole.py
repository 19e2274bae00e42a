"""Answers that nobody watches grow.

A stream passes every step of the road event by event. A caller who does not stream needs them all at the end, so a
model may offer `whole(request)`, a coroutine that gives the list of them; a step around such a model offers it too.
What is counted, kept and traced is the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from guru.protocols import ChatModel
from guru.types import ChatRequest, Event, TextRequest

Request = ChatRequest | TextRequest
Whole = Callable[[Any], Awaitable[list[Event]]]


def whole_of(model: ChatModel) -> Whole | None:
    """How the model gives a whole answer at once; None where it can only stream."""
    return getattr(model, "whole", None)


def answer(model: ChatModel, request: Request) -> Awaitable[list[Event]]:
    """All events of an answer, one way or the other. Raises what the model raises."""
    at_once = whole_of(model)
    if at_once is not None:
        return at_once(request)
    return collect(stream_of(model, request))


def stream_of(model: ChatModel, request: Request) -> AsyncIterator[Event]:
    """The answer as a stream: of a chat or of a prompt."""
    return model.complete(request) if isinstance(request, TextRequest) else model.chat(request)


async def collect(events: AsyncIterator[Event]) -> list[Event]:
    """The events of a stream."""
    async with aclosing(events):  # type: ignore[type-var]
        return [event async for event in events]
