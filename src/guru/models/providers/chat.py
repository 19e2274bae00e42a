"""A chat model behind an address: asks, and turns what comes back into events, whole or as a stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import msgspec

from guru.errors import GuruError
from guru.models import context
from guru.models.wire.sse import EventStreamParser, SentEvent
from guru.types import ChatRequest, Completed, Event, TextRequest

if TYPE_CHECKING:
    from guru.models.http import Response
    from guru.models.providers.base import Provider

JSON = dict[str, Any]
Request = ChatRequest | TextRequest
P = TypeVar("P", bound="Provider")

encode = msgspec.json.Encoder().encode


class Parser(Protocol):
    """Bytes in any split to the pieces of a stream."""

    def feed(self, data: bytes) -> list[SentEvent]: ...

    def end(self) -> list[SentEvent]: ...


class Decoder(Protocol):
    """The pieces of an answer to events. Raises the provider's error, and `StreamCut` for garbage."""

    def feed(self, data: bytes) -> list[Event]: ...

    def whole(self, body: bytes) -> list[Event]:
        """All events of an answer that was not streamed."""
        ...

    def end(self) -> list[Event]:
        """After the last byte of a stream. Raises `StreamCut` when the answer has no end."""
        ...


class Streamed:
    """The events of a stream, to be read once, and what its provider has said of the bill so far: for answers that
    are interrupted. Only a decoder whose provider says something of it before the end has `so_far`."""

    __slots__ = ("_decoder", "_events")

    def __init__(self, events: AsyncGenerator[Event], decoder: Decoder) -> None:
        self._events = events
        self._decoder = decoder

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._events  # itself: nothing stands between for each event

    def __anext__(self) -> Awaitable[Event]:
        return self._events.__anext__()

    async def aclose(self) -> None:
        """Cancel what is under way."""
        await self._events.aclose()

    @property
    def so_far(self) -> Completed | None:
        """The last event, if the answer ended here; its usage has no `prompt_tokens` where none were said. None where
        nothing is known."""
        so_far: Callable[[], Completed] | None = getattr(self._decoder, "so_far", None)
        try:
            return so_far() if so_far is not None else None
        except Exception:  # the stream may have ended for this very piece of garbage, and its error is the one to show
            return None


class RemoteChat(ABC, Generic[P]):
    """What all have in common. A subclass says where and what to ask, and who reads the answer."""

    def __init__(self, provider: P, model: str) -> None:
        self._provider = provider
        self._model = model
        self.name = f"{provider.name}/{model}"
        self.context_length = context.length_of(self.name)

    # ------------------------------------------------------------------- to be written by each

    @abstractmethod
    def _chat(self, request: ChatRequest) -> tuple[str, JSON]:
        """The address and the body. Raises `InvalidParameter` for what the provider does not take."""

    def _text(self, request: TextRequest) -> tuple[str, JSON]:
        """The same for the continuation of a prompt."""
        raise self._provider.has_no("text completion", self._model)

    def _headers(self, request: Request) -> Mapping[str, str] | None:
        """In place of the provider's own."""
        return None

    @abstractmethod
    def _decoder(self) -> Decoder:
        """For one answer."""

    def _parser(self) -> Parser:
        return EventStreamParser()

    # ------------------------------------------------------------------- the same for all

    def chat(self, request: ChatRequest) -> AsyncIterator[Event]:
        """Stream the answer. Closing the iterator cancels the request. Raises the errors of `errors.py`."""
        return self._answer(request)

    def complete(self, request: TextRequest) -> AsyncIterator[Event]:
        """Stream the continuation of a prompt, as `chat` does."""
        return self._answer(request)

    async def whole(self, request: Request) -> list[Event]:
        """All events of an answer that is not streamed. Raises the errors of `errors.py`."""
        response = await self._send(request)
        try:
            return self._decoder().whole(await response.read())
        except GuruError as error:
            raise self._provider.without_secrets(error) from None
        finally:
            await response.aclose()

    def _send(self, request: Request) -> Awaitable[Response]:
        url, body = self._chat(request) if isinstance(request, ChatRequest) else self._text(request)
        return self._provider.send("POST", url, encode(body), self._headers(request))

    def _answer(self, request: Request) -> AsyncIterator[Event]:
        if not request.stream:
            return self._at_once(request)
        decoder = self._decoder()
        return Streamed(self._stream(request, decoder), decoder)

    async def _at_once(self, request: Request) -> AsyncGenerator[Event]:
        for event in await self.whole(request):
            yield event

    async def _stream(self, request: Request, decoder: Decoder) -> AsyncGenerator[Event]:
        response = await self._send(request)
        parser = self._parser()
        try:
            # Some ignore `stream` for models that cannot.
            if type(parser) is EventStreamParser and is_json(response.headers.get("content-type")):
                for event in decoder.whole(await response.read()):
                    yield event
                return
            async with aclosing(response.iter()) as pieces:
                async for data in pieces:
                    for sent in parser.feed(data):
                        for event in decoder.feed(sent.data):
                            yield event
            for sent in parser.end():
                for event in decoder.feed(sent.data):
                    yield event
            for event in decoder.end():
                yield event
        except GuruError as error:
            raise self._provider.without_secrets(error) from None
        finally:
            await response.aclose()


def is_json(content_type: str | None) -> bool:
    return content_type is not None and content_type.startswith("application/json")
