"""Fireworks. Reference: https://docs.fireworks.ai/api-reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from guru.models.providers.base import CARRIED, CHAT, Ability, Support, mapped, table
from guru.models.providers.compatible import FOLLOWS, Compatible
from guru.models.wire.openai_upstream import Dialect
from guru.types import ChatRequest

JSON = dict[str, Any]


class Fireworks(Compatible):
    BASE_URL: ClassVar[str | None] = "https://api.fireworks.ai/inference/v1"
    NEEDS_KEY: ClassVar[bool] = True
    ABILITIES: ClassVar[frozenset[Ability]] = CHAT | {"text", "embeddings", "rerank"}
    PARAMETERS: ClassVar[Mapping[str, Support]] = table(
        {
            **FOLLOWS,
            "repeat_penalty": mapped("`repetition_penalty`"),
            "thinking": CARRIED,
        }
    )
    INPUT_TYPE: ClassVar[bool] = False
    DIALECT: ClassVar[Dialect] = Dialect(
        who="Fireworks",
        names={"repeat_penalty": "repetition_penalty"},
        developer=False,
        reasoning="reasoning_content",
        stream_usage=False,  # the last chunk has it
    )

    def chat_body(self, request: ChatRequest, model: str) -> JSON:
        body = super().chat_body(request, model)
        if request.thinking is not None:
            if request.reasoning_effort is None:
                body.pop("reasoning_effort", None)
            body["thinking"] = request.thinking
        return body
