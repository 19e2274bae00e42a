"""The published prices of providers: `data/prices.json`, and how a model is found in it.

The file is made by `scripts/update_prices.py` from the package genai-prices (Pydantic, MIT), which is not installed
with Guru: with pydantic it would take half a second and 60 MB of memory at every start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

FILE: Final = Path(__file__).with_name("data") / "prices.json"
COMPACT_DATE = re.compile(r"-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")


class Tiered(Struct):
    """A price that depends on the length of the prompt; a tier holds for all tokens once it is passed."""

    base: float
    tiers: list[tuple[int, float]]
    """(prompt tokens that must be exceeded, price), ascending."""


Rate = float | Tiered


class PriceRow(Struct, omit_defaults=True, kw_only=True):
    """US dollars per million tokens; `search` and `request` per thousand. None is: not said."""

    input: Rate | None = None
    output: Rate | None = None
    cached: Rate | None = None
    cache_write: Rate | None = None
    cache_write_1h: Rate | None = None
    audio_input: Rate | None = None
    audio_output: Rate | None = None
    image_input: Rate | None = None
    image_output: Rate | None = None
    reasoning: Rate | None = None
    search: Rate | None = None
    request: Rate | None = None
    since: str | None = None
    """The first day (YYYY-MM-DD, UTC)."""
    start: str | None = None
    """The hours of the day (HH:MM, UTC) that it holds from and to; both or none."""
    end: str | None = None
    when: dict[str, str] = {}
    """Of a variant: what must be said of the request, such as `{"processing": "batch"}`."""


class ModelRow(Struct, omit_defaults=True, kw_only=True):
    id: str
    match: list[Any]
    """`["equals", text]`, `["starts", text]`, `["ends", text]`, `["contains", text]`, `["regex", text]`,
    `["or", match, ...]` or `["and", match, ...]`."""
    prices: list[PriceRow]
    """The last that holds counts, else the first."""
    variants: list[PriceRow] = []
    """For each single price the first that holds counts."""
    context_length: int | None = None


class ProviderRow(Struct, omit_defaults=True, kw_only=True):
    id: str
    api: str
    """A regular expression of its addresses."""
    models: list[ModelRow]
    fallback: list[str] = []
    """Providers whose prices it takes where it has none of its own."""


class PriceFile(Struct):
    source: str
    """The package and version that it was made from."""
    providers: list[ProviderRow]


class PriceTable:
    """Finds a model's row. Loading takes some 20 ms: do it off the event loop."""

    def __init__(self, file: PriceFile) -> None:
        self.source = file.source
        self._providers = {provider.id: provider for provider in file.providers}

    @classmethod
    def load(cls, path: Path = FILE) -> PriceTable:
        return cls(msgspec.json.decode(path.read_bytes(), type=PriceFile))

    def provider_at(self, url: str) -> str | None:
        """The provider whose address it is."""
        return next((row.id for row in self._providers.values() if re.match(row.api, url)), None)

    def find(self, provider: str, model: str) -> ModelRow | None:
        """The row of `model` as `provider` names it; a date as 20260131 is also tried as 2026-01-31."""
        row = self._providers.get(provider)
        if row is None:
            return None
        name = model.lower()
        for spelling in dict.fromkeys((name, COMPACT_DATE.sub(r"-\1-\2-\3", name))):
            for candidate in self._candidates(row):
                if matches(candidate.match, spelling):
                    return candidate
        return None

    def _candidates(self, row: ProviderRow) -> Iterator[ModelRow]:
        yield from row.models
        for name in row.fallback:
            if other := self._providers.get(name):
                yield from other.models


def matches(rule: list[Any], name: str) -> bool:
    """Whether a rule of `ModelRow.match` holds for a name in lower case."""
    kind, *rest = rule
    match kind:
        case "equals":
            return bool(name == rest[0])
        case "starts":
            return name.startswith(rest[0])
        case "ends":
            return name.endswith(rest[0])
        case "contains":
            return rest[0] in name
        case "regex":
            return re.search(rest[0], name) is not None
        case "or":
            return any(matches(item, name) for item in rest)
        case "and":
            return all(matches(item, name) for item in rest)
    raise ValueError(f"unknown rule {kind!r}")
