"""An embedder of this machine, asked as any provider's is."""

from __future__ import annotations

import asyncio

from guru.errors import InvalidParameter
from guru.tasks import EmbeddingRequest, Embeddings
from guru.types import Embedder, Usage


class LocalEmbeddings:
    """A `guru.tasks.EmbeddingModel` over a `guru.types.Embedder`."""

    def __init__(self, embedder: Embedder) -> None:
        self.name = embedder.name
        self._embedder = embedder

    async def embeddings(self, request: EmbeddingRequest) -> Embeddings:
        """Raises `InvalidParameter` for what this embedder cannot do."""
        embedder = self._embedder
        if request.dimensions not in (None, embedder.dimension):
            raise InvalidParameter(
                f"{self.name} gives vectors of {embedder.dimension} dimensions, which cannot be shortened.",
                param="dimensions", hint="Leave `dimensions` out.",
            )  # fmt: skip
        for name in request.extra:
            raise InvalidParameter(f"{self.name} does not know `{name}`.", param=name, hint="Leave it out.")
        texts = [text for text in request.input if isinstance(text, str)]
        if len(texts) < len(request.input):
            raise InvalidParameter(
                "`input` holds token numbers, which mean something else to this model's tokenizer.", param="input",
                hint="Send texts; in LangChain set check_embedding_ctx_length=False.",
            )  # fmt: skip
        tokens = await asyncio.to_thread(lambda: sum(map(embedder.count_tokens, texts)))
        vectors = await embedder.embed(texts)
        return Embeddings(model=self.name, vectors=vectors.tolist(), usage=Usage(prompt_tokens=tokens))
