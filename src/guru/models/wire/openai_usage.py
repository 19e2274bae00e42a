"""Usage as OpenAI writes it, both ways, with what the providers that follow OpenAI add."""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from guru.models.wire.answers import MOST, count
from guru.types import JSON, Usage

PROMPT: Final = {
    "cached_tokens": "cached_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "audio_tokens": "audio_prompt_tokens",
    "image_tokens": "image_prompt_tokens",
}
COMPLETION: Final = {
    "reasoning_tokens": "reasoning_tokens",
    "audio_tokens": "audio_completion_tokens",
    "image_tokens": "image_completion_tokens",
}
"""Members of `prompt_tokens_details` and `completion_tokens_details`, and ours."""

SEARCHES: Final = ("num_search_queries", "num_sources_used")
"""Perplexity's and xAI's count of what they searched, which they bill."""

WITHOUT_NEWS: Final = frozenset({"accepted_prediction_tokens", "rejected_prediction_tokens"})
"""Members of the details that OpenAI always sends: a nought in them is left out."""


ORDINARY: Final = (
    b'{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,'
    b'"prompt_tokens_details":{"cached_tokens":%d},"completion_tokens_details":{"reasoning_tokens":%d}}'
)


RARE: Final = attrgetter(
    "cache_write_tokens", "audio_prompt_tokens", "audio_completion_tokens", "image_prompt_tokens",
    "image_completion_tokens",
)  # fmt: skip
NONE: Final = (0, 0, 0, 0, 0)
Count = Annotated[int, Meta(ge=0, le=MOST)]


class _Prompt(Struct, forbid_unknown_fields=True):
    cached_tokens: Count = 0
    audio_tokens: Count = 0
    image_tokens: Count = 0
    cache_write_tokens: Count = 0


class _Completion(Struct, forbid_unknown_fields=True):
    reasoning_tokens: Count = 0
    audio_tokens: Count = 0
    image_tokens: Count = 0
    accepted_prediction_tokens: Literal[0] = 0
    rejected_prediction_tokens: Literal[0] = 0


class OrdinaryUsage(Struct, forbid_unknown_fields=True):
    """Usage of which nothing is unknown, as most providers send it: read together with the answer around it."""

    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count
    prompt_tokens_details: _Prompt | None = None
    completion_tokens_details: _Completion | None = None

    def read(self) -> Usage:
        """As `read_usage`."""
        usage = Usage(self.prompt_tokens, self.completion_tokens)
        if (prompt := self.prompt_tokens_details) is not None:
            usage.cached_tokens = prompt.cached_tokens
            usage.audio_prompt_tokens = prompt.audio_tokens
            usage.image_prompt_tokens = prompt.image_tokens
            usage.cache_write_tokens = prompt.cache_write_tokens
        if (completion := self.completion_tokens_details) is not None:
            usage.reasoning_tokens = completion.reasoning_tokens
            usage.audio_completion_tokens = completion.audio_tokens
            usage.image_completion_tokens = completion.image_tokens
        if usage.reasoning_tokens:
            _count_reasoning(usage, self.total_tokens)
        return usage


def read_usage(raw: JSON) -> tuple[Usage, JSON]:
    """Our counts, and those that have no place in them: a door of the same format shows them again."""
    usage = Usage(count(raw.get("prompt_tokens")), count(raw.get("completion_tokens")))
    known = {"prompt_tokens", "completion_tokens", "total_tokens"}
    rest: JSON = {}
    for name, places in (("prompt_tokens_details", PROMPT), ("completion_tokens_details", COMPLETION)):
        if isinstance(details := raw.get(name), dict):
            known.add(name)
            for member, ours in places.items():
                setattr(usage, ours, count(details.get(member)))
            others = {
                key: value for key, value in details.items()
                if key not in places and value is not None and (value or key not in WITHOUT_NEWS)
            }  # fmt: skip
            if others:
                rest[name] = others
    # DeepSeek counts the cache beside the rest, Moonshot and vLLM's older versions at the top.
    cached = raw.get("prompt_cache_hit_tokens") or raw.get("cached_tokens")
    usage.cached_tokens = usage.cached_tokens or count(cached)
    if "reasoning_tokens" in raw:
        known.add("reasoning_tokens")
        usage.reasoning_tokens = usage.reasoning_tokens or count(raw["reasoning_tokens"])
    known |= {"cached_tokens"}
    for name in SEARCHES:
        if type(raw.get(name)) is int:
            usage.searches = count(raw[name])
    if usage.reasoning_tokens:
        _count_reasoning(usage, raw.get("total_tokens"))
    rest |= {name: value for name, value in raw.items() if name not in known and value is not None}
    return usage, rest


def _count_reasoning(usage: Usage, total: int | None) -> None:
    """xAI and Perplexity count reasoning beside the completion, everybody else as a part of it."""
    reasoning = usage.reasoning_tokens
    if total == usage.prompt_tokens + usage.completion_tokens + reasoning or reasoning > usage.completion_tokens:
        usage.completion_tokens += reasoning


def usage_json(usage: Usage, more: JSON | None = None) -> JSON:
    """OpenAI's usage object; `more` is what `read_usage` had left over."""
    prompt: JSON = {"cached_tokens": usage.cached_tokens}
    completion: JSON = {"reasoning_tokens": usage.reasoning_tokens}
    if usage.cache_write_tokens:
        prompt["cache_write_tokens"] = usage.cache_write_tokens
    if usage.audio_prompt_tokens:
        prompt["audio_tokens"] = usage.audio_prompt_tokens
    if usage.image_prompt_tokens:
        prompt["image_tokens"] = usage.image_prompt_tokens
    if usage.audio_completion_tokens:
        completion["audio_tokens"] = usage.audio_completion_tokens
    if usage.image_completion_tokens:
        completion["image_tokens"] = usage.image_completion_tokens
    raw = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": completion,
    }
    return raw if not more else merge(raw, more)


def usage_bytes(usage: Usage, more: JSON | None = None) -> bytes:
    """The same as JSON text; quick where there is nothing but the ordinary numbers."""
    if more or RARE(usage) != NONE:
        return msgspec.json.encode(usage_json(usage, more))
    return ORDINARY % (
        usage.prompt_tokens, usage.completion_tokens, usage.prompt_tokens + usage.completion_tokens,
        usage.cached_tokens, usage.reasoning_tokens,
    )  # fmt: skip


def merge(raw: JSON, more: JSON) -> JSON:
    """`raw` with the members of `more`; objects are merged, and what `raw` says already stays."""
    merged = dict(raw)
    for name, value in more.items():
        old: Any = merged.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[name] = merge(old, value)
        elif old is None:
            merged[name] = value
    return merged
