"""Models around models: the steps of the road that change what one asks or answers."""

from __future__ import annotations

from collections.abc import AsyncIterator

from guru.protocols import ChatModel
from guru.types import Event, TextRequest


class WrappedModel:
    """Most of a `ChatModel`: one that is called, and is as large, as the model in it. `chat` is for who wraps."""

    def __init__(self, inner: ChatModel) -> None:
        self._inner = inner
        self.name = inner.name

    @property
    def small(self) -> bool:
        return getattr(self._inner, "small", False)

    @property
    def context_length(self) -> int:
        return self._inner.context_length

    def complete(self, request: TextRequest) -> AsyncIterator[Event]:
        return self._inner.complete(request)
