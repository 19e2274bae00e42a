"""What can be told of a Claude model by its name: how much it writes, how it thinks, what messages it takes.

Spec: https://platform.claude.com/docs/en/models/overview. The names are the same on Anthropic's API, on Bedrock
(`us.anthropic.claude-opus-4-6-v1`) and in the old order (`claude-3-5-sonnet-20241022`). A name that says nothing is
taken for the newest.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

NAME: Final = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
NEWEST: Final = (9, 9)
BUDGETS: Final = {"minimal": 1024, "low": 1024, "medium": 4096, "high": 16384, "xhigh": 32768, "max": 65536}
"""Tokens to think with, for models that are told a number and not an effort."""
EFFORTS: Final = {"minimal": "low"}
"""Words for an effort that Anthropic has not, and the nearest that it has."""
SMALLEST_BUDGET: Final = 1024


class Claude(Struct, frozen=True):
    """One model's limits and abilities."""

    version: tuple[int, int]
    opus: bool

    @property
    def max_output(self) -> int:
        """Tokens that one answer may have."""
        if self.version >= (4, 6):
            return 128_000
        if self.version >= (4, 5) or (self.version >= (3, 7) and not self.opus):
            return 64_000
        if self.version >= (4, 0):
            return 32_000
        return 8192 if self.version >= (3, 5) else 4096

    @property
    def context_length(self) -> int:
        """Tokens that prompt and answer may have."""
        return 1_000_000 if self.version >= (4, 6) else 200_000

    @property
    def adaptive(self) -> bool:
        """Whether it decides itself how long to think, and is told an effort; others are told a number of tokens."""
        return self.version >= (4, 6)

    @property
    def later_system(self) -> bool:
        """Whether a system message may stand between the others."""
        return self.version >= (4, 8)


def claude(model: str) -> Claude:
    """What is known of the model called `model`."""
    found = NAME.search(model)
    version = (int(found[1]), int(found[2] or 0)) if found else NEWEST
    return Claude(version, "opus" in model)


def thinking_fields(
    effort: str | None, thinking: dict[str, object] | None, model: Claude, max_tokens: int
) -> dict[str, object]:
    """`thinking` and the `effort` of `output_config` for a request; nothing where it asks for nothing."""
    if effort is None:
        return {} if thinking is None else {"thinking": thinking}
    if effort == "none":
        return {"thinking": {"type": "disabled"} if thinking is None else thinking}
    if thinking is not None or model.adaptive:
        return {"thinking": thinking or {"type": "adaptive"}, "effort": EFFORTS.get(effort, effort)}
    budget = min(BUDGETS.get(effort, BUDGETS["medium"]), max_tokens - 1)
    # An answer that is too short for any thinking is given without.
    return {"thinking": {"type": "enabled", "budget_tokens": budget}} if budget >= SMALLEST_BUDGET else {}
