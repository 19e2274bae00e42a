"""How many tokens the models of providers hold, where that is published: data in `context.toml`."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_name("context.toml")
UNKNOWN: Final = 0


@functools.cache
def lengths() -> dict[str, int]:
    """Tokens by the beginning of a model's name, the longest beginning first."""
    raw: dict[str, int] = tomllib.loads(FILE.read_text(encoding="utf-8"))["tokens"]
    return dict(sorted(raw.items(), key=lambda entry: len(entry[0]), reverse=True))


@functools.lru_cache(maxsize=1024)
def length_of(name: str) -> int:
    """The context of `provider/model` in tokens; 0 where it is not known.

    Providers that sell other people's models name the maker too, `openrouter/anthropic/claude-sonnet-4.5`: what
    counts is the last part.
    """
    model = name.rpartition("/")[2].lower()
    for beginning, tokens in lengths().items():
        if model.startswith(beginning):
            return tokens
    return UNKNOWN
