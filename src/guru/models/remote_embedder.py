"""An embedding model of a provider as an `Embedder`: in requests of a size that every provider takes, some at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from guru.errors import InvalidParameter, ModelError
from guru.models.context import length_of
from guru.protocols import Embedder
from guru.tasks import EmbeddingRequest, Embeddings

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")
BATCH: Final = 64
"""Texts in a request: OpenAI takes 2048, Gemini 100, Cohere 96."""
AT_ONCE: Final = 4
"""Requests under way."""
ASSUMED_TOKENS: Final = 512
"""What a model reads that the table of contexts does not know: the least that is usual."""


async def gather(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of all, in order. The first failure ends the others, and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


class RemoteEmbedder:
    """Implements `guru.protocols.Embedder`. Belongs to one event loop.

    Providers do not tell how they count tokens, so those of the model on this machine stand in for theirs: a chunk has
    the same words whichever model embeds it. A quarter of what the model reads is left free for the difference.
    """

    revision: str = ""

    def __init__(self, name: str, ask: Callable[[EmbeddingRequest], Awaitable[Embeddings]], counter: Embedder) -> None:
        """`ask` sends a request to the model; `counter` is whose tokens are counted."""
        self.name = name
        self.dimension = 0
        self.max_tokens = (length_of(name) or ASSUMED_TOKENS) * 3 // 4
        self._ask = ask
        self._counter = counter
        self._takes_type = True

    async def embed(self, texts: Sequence[str]) -> NDArray[Any]:
        """Unit vectors, float32, shape (len(texts), dimension). A text over `max_tokens` is cut.

        Raises what the model raises, and `ModelError` for an answer that is no list of vectors.
        """
        return await self._embed(texts, "document")

    async def embed_queries(self, texts: Sequence[str]) -> NDArray[Any]:
        """As `embed`, for what is searched for: models that embed questions differently do so."""
        return await self._embed(texts, "query")

    def count_tokens(self, text: str) -> int:
        return self._counter.count_tokens(text)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        return self._counter.token_offsets(text)

    async def _embed(self, texts: Sequence[str], kind: str) -> NDArray[Any]:
        import numpy as np

        if any(len(text) > self.max_tokens for text in texts):  # a token has a character at least
            texts = await asyncio.to_thread(lambda: [self._cut(text) for text in texts])
        pieces = [list(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        found: list[list[float]] = []
        for start in range(0, len(pieces), AT_ONCE):
            answers = await gather([self._request(piece, kind) for piece in pieces[start : start + AT_ONCE]])
            found += [vector for answer in answers for vector in answer]
        if not found:
            return np.zeros((0, self.dimension), np.float32)
        return self._checked(found)

    async def _request(self, texts: list[str], kind: str) -> list[list[float]]:
        if self._takes_type:
            try:
                request = EmbeddingRequest(model=self.name, input=texts, input_type=kind)
                return (await self._ask(request)).vectors
            except InvalidParameter as error:
                if error.param != "input_type":
                    raise
                self._takes_type = False
        return (await self._ask(EmbeddingRequest(model=self.name, input=texts))).vectors

    def _checked(self, found: list[list[float]]) -> NDArray[Any]:
        import numpy as np

        lengths = set(map(len, found))
        vectors = np.array(found, np.float32) if len(lengths) == 1 else np.zeros((0, 0), np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not vectors.size or not np.isfinite(norms).all() or not norms.all():
            raise ModelError(f"{self.name} did not answer with vectors.", hint="Is it an embedding model?")
        self.dimension = vectors.shape[1]
        return np.asarray(vectors / norms)

    def _cut(self, text: str) -> str:
        spans = self._counter.token_offsets(text) if len(text) > self.max_tokens else []
        return text[: spans[self.max_tokens - 1][1]] if len(spans) > self.max_tokens else text
