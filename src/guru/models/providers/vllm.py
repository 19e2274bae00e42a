"""vLLM. Reference: https://docs.vllm.ai/en/stable/serving/openai_compatible_server.html.

The `base_url` ends with `/v1`. Its own parameters, such as `guided_json`, `structured_outputs` or
`chat_template_kwargs`, are sent on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from guru.models.providers.base import CHAT, Ability, Support, mapped, refused, table
from guru.models.providers.compatible import FOLLOWS, UNSENT, Compatible
from guru.models.wire.openai_upstream import Dialect


class VLLM(Compatible):
    ABILITIES: ClassVar[frozenset[Ability]] = CHAT | {"text", "embeddings", "rerank", "transcription"}
    PARAMETERS: ClassVar[Mapping[str, Support]] = table(
        {
            **FOLLOWS,
            "repeat_penalty": mapped("`repetition_penalty`"),
            "typical_p": refused("Use top_p or min_p."),
            "metadata": UNSENT,
        }
    )
    INPUT_TYPE: ClassVar[bool] = False
    DIALECT: ClassVar[Dialect] = Dialect(
        who="vLLM",
        names={"repeat_penalty": "repetition_penalty"},
        unsent=frozenset({"metadata"}),
        reasoning="reasoning_content",
    )
