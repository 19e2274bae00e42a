"""DeepSeek. Reference: https://api-docs.deepseek.com/api/create-chat-completion.

An assistant's message may carry `prefix`, with `base_url = "https://api.deepseek.com/beta"`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from guru.errors import InvalidParameter
from guru.models.providers.base import Ability, Support, mapped, refused, table
from guru.models.providers.compatible import FOLLOWS, UNSENT, Compatible
from guru.models.wire.openai_upstream import Dialect
from guru.types import ChatRequest

JSON = dict[str, Any]

OFF = ("none", "minimal")


class DeepSeek(Compatible):
    BASE_URL: ClassVar[str | None] = "https://api.deepseek.com"
    NEEDS_KEY: ClassVar[bool] = True
    ABILITIES: ClassVar[frozenset[Ability]] = frozenset({"chat", "stream", "tools"})
    PARAMETERS: ClassVar[Mapping[str, Support]] = table(
        {
            **FOLLOWS,
            "top_k": refused("Use top_p."),
            "min_p": refused("Use top_p."),
            "typical_p": refused("Use top_p."),
            "repeat_penalty": refused("Use frequency_penalty."),
            "logit_bias": refused(),
            "seed": refused(),
            "n": refused("Send several requests."),
            "parallel_tool_calls": refused(),
            "response_format": mapped("`json_object` and `text` are carried; `json_schema` is refused"),
            "reasoning_effort": mapped("`thinking`: disabled for none and minimal, enabled for the others"),
            "thinking": mapped("`thinking` without its budget"),
            "user": UNSENT,
            "metadata": UNSENT,
        }
    )
    DIALECT: ClassVar[Dialect] = Dialect(
        who="DeepSeek", developer=False, reasoning="reasoning_content", unsent=frozenset({"user", "metadata"})
    )

    def chat_body(self, request: ChatRequest, model: str) -> JSON:
        if (request.response_format or {}).get("type") == "json_schema":
            raise InvalidParameter(
                f"{self.name} does not take `response_format.type` json_schema.",
                param="response_format.type",
                hint="Use json_object, and describe the schema in the prompt.",
            )
        body = super().chat_body(request, model)
        body.pop("reasoning_effort", None)
        if request.reasoning_effort is not None:
            body["thinking"] = {"type": "disabled" if request.reasoning_effort in OFF else "enabled"}
        elif request.thinking is not None:
            body["thinking"] = {"type": "disabled" if request.thinking.get("type") == "disabled" else "enabled"}
        return body
