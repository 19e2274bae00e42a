"""Text Generation Inference, by its Messages API.

Reference: https://huggingface.co/docs/text-generation-inference/messages_api. The `base_url` ends with `/v1`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from guru.models.providers.base import CHAT, Ability, Support, mapped, refused, table
from guru.models.providers.compatible import FOLLOWS, UNSENT, Compatible
from guru.models.wire.openai_upstream import Dialect
from guru.types import ChatRequest

JSON = dict[str, Any]


class TGI(Compatible):
    ABILITIES: ClassVar[frozenset[Ability]] = CHAT | {"text"}
    PARAMETERS: ClassVar[Mapping[str, Support]] = table(
        {
            **FOLLOWS,
            "top_k": refused("Use top_p."),
            "min_p": refused("Use top_p."),
            "typical_p": refused("Use top_p."),
            "repeat_penalty": refused("Use frequency_penalty."),
            "logit_bias": refused("It reads the field and does nothing with it."),
            "n": refused("Send several requests."),
            "parallel_tool_calls": refused(),
            "reasoning_effort": refused(),
            "thinking": refused(),
            "response_format": mapped("`{type: json, value: SCHEMA}`, its grammar"),
            "user": UNSENT,
            "metadata": UNSENT,
        }
    )
    DIALECT: ClassVar[Dialect] = Dialect(who="TGI", developer=False, unsent=frozenset({"user", "metadata"}))

    def chat_body(self, request: ChatRequest, model: str) -> JSON:
        body = super().chat_body(request, model)
        wanted = body.pop("response_format", None) or {}
        if wanted.get("type") == "json_schema":
            body["response_format"] = {"type": "json", "value": wanted["json_schema"]["schema"]}
        elif wanted.get("type") == "json_object":
            body["response_format"] = {"type": "json", "value": {"type": "object"}}
        return body
