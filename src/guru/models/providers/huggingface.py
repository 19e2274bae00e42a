"""Hugging Face: its router to many providers, or a dedicated endpoint, whose address is the `base_url`.

Reference: https://huggingface.co/docs/inference-providers. A model is `owner/name`, with `:provider` if one is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final
from urllib.parse import quote

import msgspec

from guru.models.providers.base import CHAT, Ability, Support, refused, table
from guru.models.providers.compatible import FOLLOWS, Compatible
from guru.models.providers.compatible_tasks import CompatibleEmbedding
from guru.models.wire.openai_tasks import decode_vectors
from guru.models.wire.openai_upstream import Dialect
from guru.tasks import EmbeddingModel, EmbeddingRequest, Embeddings

ROUTER: Final = "https://router.huggingface.co"


class HuggingFace(Compatible):
    BASE_URL: ClassVar[str | None] = f"{ROUTER}/v1"
    NEEDS_KEY: ClassVar[bool] = True
    ABILITIES: ClassVar[frozenset[Ability]] = CHAT | {"embeddings"}
    PARAMETERS: ClassVar[Mapping[str, Support]] = table(
        {
            **FOLLOWS,
            "top_k": refused("Use top_p."),
            "min_p": refused("Use top_p."),
            "typical_p": refused("Use top_p."),
            "repeat_penalty": refused("Use frequency_penalty."),
        }
    )
    INPUT_TYPE: ClassVar[bool] = False
    DIALECT: ClassVar[Dialect] = Dialect(who="Hugging Face")

    def embedding_model(self, model: str) -> EmbeddingModel:
        """Through the router by the task's own address; a dedicated endpoint speaks OpenAI's."""
        return RoutedEmbedding(self, model) if self.settings.base_url is None else super().embedding_model(model)


class RoutedEmbedding(CompatibleEmbedding):
    async def embeddings(self, request: EmbeddingRequest) -> Embeddings:
        body = self.provider.embedding_body(request, self.model)
        sent = {"inputs": body["input"], **request.extra}
        url = f"{ROUTER}/hf-inference/models/{quote(self.model)}/pipeline/feature-extraction"
        response = await self.provider.send("POST", url, msgspec.json.encode(sent))
        return decode_vectors(self.name, await response.read(), len(request.input))
