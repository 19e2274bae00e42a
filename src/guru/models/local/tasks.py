"""The embedding model of this machine as one of the models for tasks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from guru.errors import InvalidParameter
from guru.tasks import EmbeddingRequest, Embeddings
from guru.types import Usage

if TYPE_CHECKING:
    from guru.protocols import Embedder


class LocalEmbedding:
    """Implements `EmbeddingModel`."""

    def __init__(self, embedder: Embedder) -> None:
        self.name = embedder.name
        self._embedder = embedder

    async def embeddings(self, request: EmbeddingRequest) -> Embeddings:
        """Unit vectors. Raises `InvalidParameter` for what the model cannot do."""
        texts = [text for text in request.input if isinstance(text, str)]
        if len(texts) < len(request.input):
            raise InvalidParameter(
                "`input` holds token numbers, which mean something else to this model's tokenizer.", param="input",
                hint="Send texts; in LangChain set check_embedding_ctx_length=False.",
            )  # fmt: skip
        if request.dimensions not in (None, self._embedder.dimension):
            raise InvalidParameter(
                f"{self.name} gives vectors of {self._embedder.dimension} dimensions, which cannot be shortened.",
                param="dimensions", hint="Leave `dimensions` out.",
            )  # fmt: skip
        _refuse(self.name, request.extra)
        vectors = await self._embedder.embed(texts)
        tokens = await asyncio.to_thread(_count, self._embedder, texts)
        return Embeddings(model=self.name, vectors=vectors.tolist(), usage=Usage(prompt_tokens=tokens))


def _count(embedder: Embedder, texts: list[str]) -> int:
    return sum(min(embedder.count_tokens(text), embedder.max_tokens) for text in texts)


def _refuse(name: str, extra: dict[str, Any]) -> None:
    for param in extra:
        raise InvalidParameter(f"{name} has no parameter `{param}`.", param=param, hint="Leave it out.")
