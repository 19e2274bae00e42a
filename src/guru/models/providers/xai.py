"""xAI's Grok. Reference: https://docs.x.ai/docs/api-reference.

Its usage counts reasoning beside the completion; here it is a part of it, as everywhere else. Citations of its search
stand in the answer as `citations`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from guru.models.providers.base import CHAT, Ability, Support, refused, table
from guru.models.providers.compatible import FOLLOWS, UNSENT, Compatible
from guru.models.wire.openai_upstream import Dialect


class XAI(Compatible):
    BASE_URL: ClassVar[str | None] = "https://api.x.ai/v1"
    NEEDS_KEY: ClassVar[bool] = True
    ABILITIES: ClassVar[frozenset[Ability]] = CHAT | {"images_out"}
    PARAMETERS: ClassVar[Mapping[str, Support]] = table(
        {
            **FOLLOWS,
            "top_k": refused("Use top_p."),
            "min_p": refused("Use top_p."),
            "typical_p": refused("Use top_p."),
            "repeat_penalty": refused("Use frequency_penalty, for models that do not reason."),
            "logit_bias": refused(),
            "metadata": UNSENT,
        }
    )
    DIALECT: ClassVar[Dialect] = Dialect(who="xAI", developer=False, unsent=frozenset({"metadata"}))
