"""Answers that were given before: the same request, or a question that means the same."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import msgspec

from guru.config import Settings
from guru.gateway.cache.guards import question_of, same_question
from guru.gateway.cache.key import digest, scope
from guru.gateway.cache.memory import MemoryStore
from guru.gateway.cache.semantic import SemanticIndex, size_of
from guru.gateway.cache.shared import SharedStore
from guru.gateway.cache.stored import keep, replay
from guru.gateway.identity import Caller
from guru.gateway.whole import answer, stream_of
from guru.gateway.wrapped import WrappedModel
from guru.protocols import ChatModel, Embedder
from guru.tasks import EmbeddingModel, EmbeddingRequest, Embeddings
from guru.types import ChatRequest, Event, TextRequest, Usage

if TYPE_CHECKING:
    from guru.gateway.cache.semantic import Vector

log = logging.getLogger(__name__)
MEBIBYTE: Final = 1 << 20
Request = ChatRequest | TextRequest
_embeddings_encode = msgspec.msgpack.Encoder().encode
_embeddings_decode = msgspec.msgpack.Decoder(Embeddings).decode


class Found(msgspec.Struct):
    """A question that looks for one that means the same."""

    scope: bytes
    question: str
    vector: Vector


class Cache:
    """One for the server. `model` puts it around the model that answers one request."""

    def __init__(
        self, settings: Settings, embedder: Embedder | None = None, *, store: MemoryStore | None = None
    ) -> None:
        """`embedder` is for the mode `semantic`. Raises `ConfigurationError` for a Redis that cannot be used."""
        self._settings = settings
        self._embedder = embedder
        self._store = MemoryStore(settings.cache.max_mb * MEBIBYTE) if store is None else store
        self._store.on_evict = self._forget
        self._index = SemanticIndex()
        self._shared = SharedStore(settings.redis.url) if settings.redis.url else None
        self._tasks: set[asyncio.Task[None]] = set()
        self.hits = {"exact": 0, "semantic": 0, "stale": 0}
        self.misses = 0

    @property
    def size(self) -> int:
        """Bytes of memory."""
        return self._store.bytes

    def __len__(self) -> int:
        return len(self._store)

    def reload(self, settings: Settings) -> None:
        """Answers stay, unless an alias means other models now."""
        if settings.aliases != self._settings.aliases:
            self.clear()
        self._settings = settings
        self._store.max_bytes = settings.cache.max_mb * MEBIBYTE

    def clear(self) -> None:
        """Forget every answer of this process."""
        self._store.clear()

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._shared is not None:
            await self._shared.aclose()

    def model(self, inner: ChatModel, caller: Caller, mode: str | None = None) -> ChatModel:
        """`inner`, behind answers that were given before. `mode` is the alias's; None is the configuration's."""
        return CachedModel(self, inner, caller, self._mode(mode))

    def embedding_model(self, inner: EmbeddingModel, caller: Caller, mode: str | None = None) -> EmbeddingModel:
        """The same for vectors; only for the very same request."""
        return inner if self._mode(mode) == "off" or caller.cache == "off" else CachedEmbeddings(self, inner, caller)

    def stale(self, request: Request, caller: Caller) -> AsyncIterator[Event] | None:
        """An answer to the same request, however old; for when nobody answers. None: there is none."""
        if caller.cache == "off":
            return None
        answer = self._store.get(digest(caller.tenant, self.resolve(request.model), request, caller.prompt), stale=True)
        if answer is None:
            return None
        self.hits["stale"] += 1
        return stream(replay(answer, "stale"))

    def resolve(self, name: str) -> str:
        """What an alias stands for, where it stands for one model."""
        alias = self._settings.models.get(name)
        return alias.deployments[0].model if alias and len(alias.deployments) == 1 else name

    def keeps_for_later(self, name: str) -> bool:
        """Whether the alias shows old answers when all else fails, and so must have some."""
        alias = self._settings.models.get(name)
        return alias is not None and alias.degrade

    async def get(self, key: bytes) -> bytes | None:
        answer = self._store.get(key)
        if answer is None and self._shared is not None:
            found = await self._shared.get(key)
            if found is not None:
                answer, left = found
                self._store.put(key, answer, left)
        return answer

    def put(self, key: bytes, answer: bytes, found: Found | None = None) -> None:
        """Keep an answer, without waiting for the other servers to have it."""
        ttl = self._settings.cache.ttl_seconds
        extra = size_of(found.question, found.vector) if found else 0
        if self._store.put(key, answer, ttl, extra) and found is not None:
            self._index.add(found.scope, key, found.question, found.vector)
        if self._shared is not None:
            task = asyncio.ensure_future(self._shared.put(key, answer, ttl))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def look_near(self, caller: Caller, request: ChatRequest) -> tuple[bytes | None, Found | None]:
        """The answer to a question that means the same, and what is needed to keep a new one. Both None: not shared."""
        asked = question_of(request) if self._embedder is not None else None
        if asked is None or self._embedder is None:
            return None, None
        question, before = asked
        (vector,) = await self._embedder.embed([question])
        key = scope(caller.tenant, self.resolve(request.model), request, before, caller.prompt)
        found = Found(key, question, vector)
        for _, key, other in self._index.near(found.scope, vector, self._settings.cache.threshold):
            if same_question(question, other) and (answer := self._store.get(key)) is not None:
                return answer, found
        return None, found

    def _mode(self, mode: str | None) -> str:
        return mode or self._settings.cache.mode

    def _forget(self, key: bytes) -> None:
        self._index.remove(key)


class CachedModel(WrappedModel):
    """A `ChatModel` that looks before it asks, for one request."""

    def __init__(self, cache: Cache, inner: ChatModel, caller: Caller, mode: str) -> None:
        super().__init__(inner)
        self._cache = cache
        self._caller = caller
        self._mode = mode

    def chat(self, request: ChatRequest) -> AsyncIterator[Event]:
        return self._answer(request) if self._used(request) else self._inner.chat(request)

    def complete(self, request: TextRequest) -> AsyncIterator[Event]:
        return self._answer(request) if self._used(request) else self._inner.complete(request)

    def _used(self, request: Request) -> bool:
        if self._caller.cache == "off":
            return False
        return self._mode != "off" or self._cache.keeps_for_later(request.model)

    async def whole(self, request: Request) -> list[Event]:
        """See `guru.gateway.whole`."""
        if not self._used(request):
            return await answer(self._inner, request)
        key, hit, found = await self._look(request)
        if hit is not None:
            return hit
        events = await answer(self._inner, request)
        self._keep(key, events, found)
        return events

    async def _answer(self, request: Request) -> AsyncGenerator[Event]:
        key, hit, found = await self._look(request)
        if hit is not None:
            for event in hit:
                yield event
            return
        noted: list[Event] = []
        note = noted.append
        async with aclosing(stream_of(self._inner, request)) as source:  # type: ignore[type-var]
            async for event in source:
                note(event)
                yield event
        self._keep(key, noted, found)

    async def _look(self, request: Request) -> tuple[bytes, list[Event] | None, Found | None]:
        """The request's key, its answer if there is one, and what is needed to keep a new one for similar questions."""
        cache, caller = self._cache, self._caller
        key = digest(caller.tenant, cache.resolve(request.model), request, caller.prompt)
        if self._mode == "off":
            return key, None, None
        looks = caller.cache != "refresh"
        found: Found | None = None
        kept, status = await cache.get(key) if looks else None, "exact"
        if kept is None and self._mode == "semantic" and isinstance(request, ChatRequest):
            near, found = await cache.look_near(caller, request)
            kept, status = (near, "semantic") if looks else (None, status)
        if kept is not None:
            cache.hits[status] += 1
            return key, replay(kept, "semantic" if status == "semantic" else "exact"), found
        cache.misses += 1
        return key, None, found

    def _keep(self, key: bytes, events: list[Event], found: Found | None) -> None:
        kept = keep(self.name, events)
        if kept is not None:
            self._cache.put(key, kept.answer, found if kept.plain else None)


class CachedEmbeddings:
    """An `EmbeddingModel` that looks before it asks."""

    def __init__(self, cache: Cache, inner: EmbeddingModel, caller: Caller) -> None:
        self._cache = cache
        self._inner = inner
        self._caller = caller
        self.name = inner.name

    async def embeddings(self, request: EmbeddingRequest) -> Embeddings:
        key = digest(self._caller.tenant, self._cache.resolve(request.model), request)
        if self._caller.cache != "refresh" and (kept := await self._cache.get(key)) is not None:
            self._cache.hits["exact"] += 1
            return _embeddings_decode(kept)
        self._cache.misses += 1
        result = await self._inner.embeddings(request)
        usage = Usage(prompt_tokens=result.usage.prompt_tokens)
        self._cache.put(key, _embeddings_encode(msgspec.structs.replace(result, cost=0.0, usage=usage)))
        return result


async def stream(events: list[Event]) -> AsyncGenerator[Event]:
    for event in events:
        yield event
