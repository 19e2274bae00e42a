"""Perplexity's Sonar, which searches the web. Reference: https://docs.perplexity.ai/api-reference.

Its `citations`, `search_results` and the like stand in the answer as they came; its own options, such as
`search_domain_filter`, are sent on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from guru.models.providers.base import Ability, Support, refused, table
from guru.models.providers.compatible import FOLLOWS, UNSENT, Compatible
from guru.models.wire.openai_upstream import Dialect

NO_TOOLS = refused("Sonar searches by itself and calls no tools.")


class Perplexity(Compatible):
    BASE_URL: ClassVar[str | None] = "https://api.perplexity.ai"
    NEEDS_KEY: ClassVar[bool] = True
    ABILITIES: ClassVar[frozenset[Ability]] = frozenset({"chat", "stream", "images", "json_schema"})
    PARAMETERS: ClassVar[Mapping[str, Support]] = table(
        {
            **FOLLOWS,
            "min_p": refused("Use top_p or top_k."),
            "typical_p": refused("Use top_p or top_k."),
            "repeat_penalty": refused("Use frequency_penalty."),
            "logit_bias": refused(),
            "seed": refused(),
            "tools": NO_TOOLS,
            "native_tools": NO_TOOLS,
            "tool_choice": NO_TOOLS,
            "parallel_tool_calls": NO_TOOLS,
            "user": UNSENT,
            "metadata": UNSENT,
        }
    )
    DIALECT: ClassVar[Dialect] = Dialect(
        who="Perplexity", developer=False, stream_usage=False, unsent=frozenset({"user", "metadata"})
    )

    async def list_models(self) -> list[str]:
        """Perplexity lists none: those of the configuration."""
        return list(self.settings.models)

    async def reach(self) -> None:
        """Its list of background requests is free to read and needs the key."""
        response = await self.send("GET", f"{self.base_url}/async/chat/completions")
        await response.aclose()
