"""Embeddings on Bedrock: each family of models has a format of its own.

Spec: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html and
.../model-parameters-embed.html (Cohere).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from guru.errors import InvalidParameter, StreamCut
from guru.models.providers.parameters import refusal
from guru.models.wire.answers import count
from guru.tasks import EmbeddingRequest, Embeddings
from guru.types import JSON, Usage

if TYPE_CHECKING:
    from guru.models.providers.bedrock import Bedrock

encode = msgspec.json.Encoder().encode
AT_ONCE: Final = 8
"""Calls of one request that are under way together, for models that take one text a call."""
TOKENS: Final = "x-amzn-bedrock-input-token-count"


class Codec(Struct, frozen=True):
    """How one family is asked."""

    batch: int
    """Texts in one call."""
    body: Callable[[EmbeddingRequest, Sequence[str]], JSON]
    vectors: Callable[[Any], list[list[float]]]


def embedding_codec(provider: str, model: str) -> Codec:
    """By the model's name. Raises `InvalidParameter` for one that is not known to embed."""
    if "titan-embed" in model:
        return TITAN
    if "cohere.embed" in model:
        return COHERE
    message = f"{provider} has no embedding models like {model}."
    raise InvalidParameter(message, param="model", hint="Known: Titan Text Embeddings and Cohere Embed.")


def titan_body(request: EmbeddingRequest, texts: Sequence[str]) -> JSON:
    dimensions = {} if request.dimensions is None else {"dimensions": request.dimensions}
    return {"inputText": texts[0], **dimensions, **request.extra}


def cohere_body(request: EmbeddingRequest, texts: Sequence[str]) -> JSON:
    dimensions = {} if request.dimensions is None else {"output_dimension": request.dimensions}
    kind = "search_query" if request.input_type == "query" else "search_document"
    if request.input_type not in (None, "query", "document"):
        kind = request.input_type  # one of Cohere's own: classification, clustering
    return {"texts": list(texts), "input_type": kind, "embedding_types": ["float"], **dimensions, **request.extra}


def cohere_vectors(raw: Any) -> list[list[float]]:
    found = raw["embeddings"]
    return list(found["float"] if isinstance(found, dict) else found)


TITAN: Final = Codec(1, titan_body, lambda raw: [raw["embedding"]])
COHERE: Final = Codec(96, cohere_body, cohere_vectors)


class BedrockEmbedding:
    """An embedding model behind InvokeModel."""

    def __init__(self, provider: Bedrock, model: str, codec: Codec) -> None:
        self._provider = provider
        self._codec = codec
        self._url = provider.model_url(model, "invoke")
        self.name = f"{provider.name}/{model}"

    async def embeddings(self, request: EmbeddingRequest) -> Embeddings:
        """Raises `InvalidParameter` for token numbers, and the errors of the provider."""
        texts = [text for text in request.input if isinstance(text, str)]
        if len(texts) < len(request.input):
            message = f"{self._provider.name} embeds texts, and no token numbers."
            raise InvalidParameter(message, param="input", hint="Send texts.")
        drop = self._provider.settings.drop_params
        if request.input_type is not None and self._codec is TITAN and "input_type" not in drop:
            raise refusal(self._provider.name, "input_type", "It embeds queries and documents alike: leave it out.")
        if request.user is not None and "user" not in drop:
            raise refusal(self._provider.name, "user", "Leave it out.")
        size, turn = self._codec.batch, asyncio.Semaphore(AT_ONCE)
        batches = [texts[start : start + size] for start in range(0, len(texts), size)]

        async def ask(batch: list[str]) -> tuple[list[list[float]], int]:
            async with turn:
                return await self._ask(request, batch)

        tasks = [asyncio.create_task(ask(batch)) for batch in batches]
        try:
            found = await asyncio.gather(*tasks)
        finally:  # the first error, or the caller's leaving, ends the others
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return Embeddings(
            model=self.name,
            vectors=[vector for vectors, _ in found for vector in vectors],
            usage=Usage(sum(tokens for _, tokens in found)),
        )

    async def _ask(self, request: EmbeddingRequest, texts: list[str]) -> tuple[list[list[float]], int]:
        """The vectors of one call, and the tokens that it is billed for."""
        response = await self._provider.send("POST", self._url, encode(self._codec.body(request, texts)))
        counted = response.headers.get(TOKENS)
        body = await response.read()
        try:
            raw = msgspec.json.decode(body)
            vectors = msgspec.convert(self._codec.vectors(raw), list[list[float]])
            tokens = count(int(counted) if counted is not None else raw.get("inputTextTokenCount"))
        except Exception:  # whatever shape the garbage has
            vectors, tokens = [], 0
        if len(vectors) != len(texts):
            raise StreamCut(f"{self._provider.name} sent what are no vectors of {len(texts)} texts.", hint="Try again.")
        return vectors, tokens
