"""Groq. Reference: https://console.groq.com/docs/api-reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from guru.models.providers.base import CHAT, Ability, BatchApi, Support, refused, table
from guru.models.providers.compatible import FOLLOWS, Compatible
from guru.models.wire.openai_upstream import Dialect


class Groq(Compatible):
    BASE_URL: ClassVar[str | None] = "https://api.groq.com/openai/v1"
    NEEDS_KEY: ClassVar[bool] = True
    ABILITIES: ClassVar[frozenset[Ability]] = CHAT | {"speech", "transcription", "batch"}
    PARAMETERS: ClassVar[Mapping[str, Support]] = table(
        {
            **FOLLOWS,
            "top_k": refused("Use top_p."),
            "min_p": refused("Use top_p."),
            "typical_p": refused("Use top_p."),
            "repeat_penalty": refused(),
            "logit_bias": refused("None of its models takes it."),
            "logprobs": refused("None of its models gives them."),
            "top_logprobs": refused("None of its models gives them."),
            "n": refused("Send several requests."),
        }
    )
    DIALECT: ClassVar[Dialect] = Dialect(who="Groq", reasoning="reasoning")

    def batches(self) -> BatchApi | None:
        from guru.models.providers.openai_batches import GroqBatches

        return GroqBatches(self)
