"""A chat model behind an address: asks, and turns what comes back into events, whole or as a stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol

import msgspec

from guru.models.wire.sse import SentEvent

if TYPE_CHECKING:
    from guru.errors import GuruError
    from guru.models.providers.base import JSON, Provider
    from guru.types import Event

encode = msgspec.json.Encoder().encode


class Parser(Protocol):
    """Bytes in any split to the pieces of a stream."""

    def feed(self, data: bytes) -> list[SentEvent]: ...

    def end(self) -> list[SentEvent]: ...


class Decoder(Protocol):
    """The pieces of an answer to events."""

    def feed(self, data: bytes) -> list[Event]: ...

    def whole(self, body: bytes) -> list[Event]: ...

    def end(self) -> list[Event]:
        """After the last byte of a stream. Raises `StreamCut` when the answer has no end."""
        ...


async def events_of(
    provider: Provider,
    url: str,
    body: Callable[[], JSON],
    decoder: Decoder,
    parser: Callable[[], Parser] | None,
    *,
    headers: Mapping[str, str] | None = None,
) -> AsyncGenerator[Event]:
    """Ask for an answer; without `parser` it comes whole. Raises what `body` raises, and the provider's errors.

    `headers` in place of the provider's own.
    """
    response = await provider.send("POST", url, encode(body()), headers)
    try:
        if parser is None:
            for event in decoder.whole(await response.read()):
                yield event
            return
        pieces = parser()
        async with aclosing(response.iter()) as chunks:
            async for chunk in chunks:
                for piece in pieces.feed(chunk):
                    for event in decoder.feed(piece.data):
                        yield event
        for piece in pieces.end():
            for event in decoder.feed(piece.data):
                yield event
        for event in decoder.end():
            yield event
    finally:
        await response.aclose()


async def failing(error: GuruError) -> AsyncGenerator[Event]:
    """The answer of a model that cannot do what it is asked."""
    events: tuple[Event, ...] = ()
    for event in events:  # what makes this a generator
        yield event
    raise error
