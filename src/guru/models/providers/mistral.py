"""Mistral. Reference: https://docs.mistral.ai/api.

An assistant's message may carry `prefix`, and a request `safe_prompt`: both are sent on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from guru.models.providers.base import CHAT, Ability, BatchApi, Support, mapped, refused, table
from guru.models.providers.compatible import FOLLOWS, UNSENT, Compatible
from guru.models.wire.openai_upstream import Dialect
from guru.tasks import EmbeddingRequest
from guru.types import ChatRequest

JSON = dict[str, Any]


class Mistral(Compatible):
    BASE_URL: ClassVar[str | None] = "https://api.mistral.ai/v1"
    NEEDS_KEY: ClassVar[bool] = True
    ABILITIES: ClassVar[frozenset[Ability]] = CHAT | {"embeddings", "moderations", "transcription", "batch"}
    PARAMETERS: ClassVar[Mapping[str, Support]] = table(
        {
            **FOLLOWS,
            "seed": mapped("`random_seed`"),
            "top_k": refused("Use top_p."),
            "repeat_penalty": refused("Use frequency_penalty."),
            "logprobs": refused(),
            "top_logprobs": refused(),
            "tool_choice": mapped("`required` is called `any`"),
            "min_p": refused("Use top_p."),
            "typical_p": refused("Use top_p."),
            "logit_bias": refused(),
            "user": UNSENT,
        }
    )
    INPUT_TYPE: ClassVar[bool] = False
    DIALECT: ClassVar[Dialect] = Dialect(
        who="Mistral",
        names={"seed": "random_seed"},
        unsent=frozenset({"user"}),
        developer=False,
        stream_usage=False,  # it is always there, and unknown fields are errors
    )

    def chat_body(self, request: ChatRequest, model: str) -> JSON:
        body = super().chat_body(request, model)
        if body.get("tool_choice") == "required":
            body["tool_choice"] = "any"
        return body

    def batches(self) -> BatchApi | None:
        from guru.models.providers.mistral_batches import MistralBatches

        return MistralBatches(self)

    def embedding_body(self, request: EmbeddingRequest, model: str) -> JSON:
        body = super().embedding_body(request, model)
        if "dimensions" in body:
            body["output_dimension"] = body.pop("dimensions")
        body.pop("user", None)
        return body
