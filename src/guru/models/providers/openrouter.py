"""OpenRouter. Reference: https://openrouter.ai/docs/api-reference.

What it charged stands in the usage as `cost`. Its own options, such as `provider`, `models` or `plugins`, are sent on,
and `reasoning_details` of an answer go back with the history as they came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from guru.models.providers.base import CHAT, Ability, Support, mapped, refused, table
from guru.models.providers.compatible import FOLLOWS, Compatible
from guru.models.wire.openai_upstream import Dialect
from guru.types import ChatRequest

JSON = dict[str, Any]


class OpenRouter(Compatible):
    BASE_URL: ClassVar[str | None] = "https://openrouter.ai/api/v1"
    NEEDS_KEY: ClassVar[bool] = True
    ABILITIES: ClassVar[frozenset[Ability]] = CHAT | {"text", "embeddings", "rerank", "speech"}
    PARAMETERS: ClassVar[Mapping[str, Support]] = table(
        {
            **FOLLOWS,
            "repeat_penalty": mapped("`repetition_penalty`"),
            "thinking": mapped("`reasoning`: its budget as `max_tokens`, or `enabled`"),
            "typical_p": refused("Use top_p, top_k or min_p."),
            "n": refused("Send several requests."),
        }
    )
    DIALECT: ClassVar[Dialect] = Dialect(
        who="OpenRouter",
        names={"repeat_penalty": "repetition_penalty"},
        reasoning="reasoning",
        cache_control=True,
        file_url=True,
    )

    def chat_body(self, request: ChatRequest, model: str) -> JSON:
        body = super().chat_body(request, model)
        if request.thinking is not None and request.reasoning_effort is None and "reasoning" not in request.extra:
            body.pop("reasoning_effort", None)
            budget = request.thinking.get("budget_tokens")
            wanted = request.thinking.get("type") != "disabled"
            body["reasoning"] = {"max_tokens": budget} if budget and wanted else {"enabled": wanted}
        return body
