"""Together. Reference: https://docs.together.ai/reference."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from guru.errors import InvalidParameter
from guru.models.providers.base import CHAT, Ability, BatchApi, Support, mapped, refused, table
from guru.models.providers.compatible import FOLLOWS, UNSENT, Compatible
from guru.models.providers.parameters import refusal
from guru.models.wire.openai_upstream import Dialect
from guru.tasks import ImageRequest
from guru.types import ChatRequest

JSON = dict[str, Any]


class Together(Compatible):
    BASE_URL: ClassVar[str | None] = "https://api.together.xyz/v1"
    NEEDS_KEY: ClassVar[bool] = True
    ABILITIES: ClassVar[frozenset[Ability]] = CHAT | {
        "text", "embeddings", "rerank", "images_out", "speech", "transcription", "batch",
    }  # fmt: skip
    PARAMETERS: ClassVar[Mapping[str, Support]] = table(
        {
            **FOLLOWS,
            "repeat_penalty": mapped("`repetition_penalty`"),
            "logprobs": mapped("their number, as `logprobs`"),
            "top_logprobs": mapped("`logprobs`"),
            "typical_p": refused("Use top_p, top_k or min_p."),
            "parallel_tool_calls": refused(),
            "user": UNSENT,
            "metadata": UNSENT,
        }
    )
    INPUT_TYPE: ClassVar[bool] = False
    DIALECT: ClassVar[Dialect] = Dialect(
        who="Together",
        names={"repeat_penalty": "repetition_penalty"},
        developer=False,
        stream_usage=False,  # the last chunk has it
        unsent=frozenset({"user", "metadata"}),
    )

    def chat_body(self, request: ChatRequest, model: str) -> JSON:
        body = super().chat_body(request, model)
        if body.pop("logprobs", False):
            body["logprobs"] = body.pop("top_logprobs", None) or 1
        return body

    def batches(self) -> BatchApi | None:
        from guru.models.providers.openai_batches import TogetherBatches

        return TogetherBatches(self)

    def image_body(self, request: ImageRequest, model: str) -> JSON:
        """A size is two numbers here, and `b64_json` is called base64."""
        body = super().image_body(request, model)
        for name in ("quality", "style"):
            if name in body:
                if name not in self.settings.drop_params:
                    raise refusal(self.name, name, "Leave it out.")
                del body[name]
        body.pop("user", None)
        if size := body.pop("size", None):
            if not (sides := re.fullmatch(r"(\d+)x(\d+)", size)):
                raise InvalidParameter(f"`size` is {size!r}.", param="size", hint="Write it as 1024x768.")
            body |= {"width": int(sides[1]), "height": int(sides[2])}
        if body.get("response_format") == "b64_json":
            body["response_format"] = "base64"
        return body
