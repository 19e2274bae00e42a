"""What makes two requests the same: a digest of everything that shapes the answer."""

from __future__ import annotations

from hashlib import blake2b
from operator import attrgetter
from typing import Final

import msgspec

from guru.tasks import EmbeddingRequest
from guru.types import ChatRequest, Message, TextRequest

Cacheable = ChatRequest | TextRequest | EmbeddingRequest
IGNORED: Final = {"model", "user", "stream", "metadata", "guru"}
"""Who asks, how it is sent, and notes for us: the answer is the same. The model is named by its caller's alias, so it
comes apart; a grounded request has its passages in its messages by the time that it comes here."""
SIZE: Final = 16
_encode = msgspec.msgpack.Encoder().encode
_fields: Final = {
    kind: attrgetter(*(name for name in kind.__struct_fields__ if name not in IGNORED))
    for kind in (ChatRequest, TextRequest, EmbeddingRequest)
}
_around: Final = attrgetter(*(name for name in ChatRequest.__struct_fields__ if name not in IGNORED | {"messages"}))


def digest(tenant: str, model: str, request: Cacheable, prompt: str | None = None) -> bytes:
    """The same for the same request of the same tenant; 16 bytes of BLAKE2b. `prompt` is the version of the library's
    that the request begins with: another one may ask in the same words, and yet mean something else by the answer."""
    kind = next(known for known in _fields if isinstance(request, known))  # a door may have a shape of its own
    return blake2b(_encode((tenant, model, prompt, kind.__name__, _fields[kind](request))), digest_size=SIZE).digest()


def scope(tenant: str, model: str, request: ChatRequest, before: list[Message], prompt: str | None = None) -> bytes:
    """The same for requests that differ in their question alone: `before` is what comes in front of it."""
    return blake2b(_encode((tenant, model, prompt, before, _around(request))), digest_size=SIZE).digest()
