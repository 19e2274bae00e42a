"""OpenAI. Reference: https://platform.openai.com/docs/api-reference."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from guru.models.providers.base import Ability, BatchApi, Support, mapped, refused, table
from guru.models.providers.compatible import ALL, FOLLOWS, Compatible
from guru.models.wire.openai_upstream import Dialect, encode_chat
from guru.types import ChatRequest

JSON = dict[str, Any]

REASONING: Final = re.compile(r"(ft:)?(o\d|gpt-[5-9]|gpt-oss|codex|computer-use)")
"""Models that take `max_completion_tokens` and refuse `max_tokens`."""

OPENAI: Final[Mapping[str, Support]] = {
    **FOLLOWS,
    "top_k": refused("Use top_p."),
    "min_p": refused("Use top_p."),
    "typical_p": refused("Use top_p."),
    "repeat_penalty": refused("Use frequency_penalty."),
    "max_tokens": mapped("`max_completion_tokens` for models that reason"),
}


class OpenAI(Compatible):
    BASE_URL: ClassVar[str | None] = "https://api.openai.com/v1"
    NEEDS_KEY: ClassVar[bool] = True
    ABILITIES: ClassVar[frozenset[Ability]] = ALL - {"rerank"} | {"batch"}
    PARAMETERS: ClassVar[Mapping[str, Support]] = table(OPENAI)
    INPUT_TYPE: ClassVar[bool] = False
    DIALECT: ClassVar[Dialect] = Dialect(who="OpenAI")

    def make_headers(self) -> dict[str, str]:
        headers = super().make_headers()
        if self.settings.organization:
            headers["openai-organization"] = self.settings.organization
        if self.settings.project:
            headers["openai-project"] = self.settings.project
        return headers

    def chat_body(self, request: ChatRequest, model: str) -> JSON:
        return longer_name(encode_chat(request, model, self.DIALECT), model)

    def batches(self) -> BatchApi | None:
        from guru.models.providers.openai_batches import OpenAIBatches

        return OpenAIBatches(self)


def longer_name(body: JSON, model: str) -> JSON:
    """`max_tokens` under the name that models that reason know it by."""
    if "max_tokens" in body and REASONING.match(model):
        body["max_completion_tokens"] = body.pop("max_tokens")
    return body
