"""What a request costs: the configuration's price, else the published one, else unknown.

A price that is not known is None and never 0: whoever shows it says "unknown", and a warning names the model once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Final

from guru.config import PriceSettings, ProviderSettings, Settings
from guru.errors import ConfigurationError
from guru.gateway.cost.rates import Dated, Rates, configured, day, published
from guru.gateway.cost.table import PriceTable
from guru.types import JSON, Usage

log = logging.getLogger(__name__)

FREE: Final = frozenset({"local", "ollama", "vllm", "tgi", "sagemaker"})
"""Kinds of providers that do not bill by the token: machines of one's own, or rented by the hour."""
PUBLISHED: Final = {
    "bedrock": "aws",
    "gemini": "google",
    "xai": "x-ai",
    "vertex": "google",
}
"""Our kind of provider to the table's, where the names differ."""
NOTHING: Final = Rates()
TIERS: Final = {
    "batch": {"processing": "batch"},
    "priority": {"service_tier": "priority"},
    "flex": {"service_tier": "flex"},
    "fast": {"service_tier": "fast", "speed": "fast"},
}
"""What is said of a request to the published prices."""
REMEMBERED: Final = 4096
"""Models whose price is kept at hand: names may come from callers."""


class Known:
    """The price of one model: the configured one from its day on, before that the published one."""

    __slots__ = ("configured", "published", "since")

    def __init__(self, configured: Rates | None, since: float, published: Dated | None) -> None:
        self.configured = configured
        self.since = since
        self.published = published

    def at(self, time: float, tier: str | None) -> Rates | None:
        if self.configured is not None and time >= self.since:
            return self.configured
        if self.published is None:
            return None
        when = TIERS.get(tier or "")
        return self.published.variant_at(time, when) if when else self.published.at(time)


class Prices:
    """Prices by `provider/model`. `open` reads the published ones; until then only the configured are known."""

    def __init__(self, settings: Settings | None = None, table: PriceTable | None = None) -> None:
        """Raises `ConfigurationError` for a `since` that is no date."""
        self._table = table
        self._known: dict[str, Known] = {}
        self._warned: set[str] = set()
        self._overrides: dict[str, tuple[Rates, float]] = {}
        self._providers: Mapping[str, ProviderSettings] = {}
        self._aliases: Mapping[str, list[str]] = {}
        self.reload(settings or Settings())

    async def open(self) -> None:
        """Read the published prices, off the event loop."""
        if self._table is None:
            self._table = await asyncio.to_thread(PriceTable.load)
            self._known.clear()

    def reload(self, settings: Settings) -> None:
        """Take the prices and providers of a new configuration. Raises `ConfigurationError`."""
        self._overrides = {name: override(name, price) for name, price in settings.prices.items()}
        self._providers = settings.providers
        self._aliases = {
            name: [deployment.model for deployment in alias.deployments] for name, alias in settings.models.items()
        }
        self._known = {}
        self._warned = set()

    def cost(self, model: str, usage: Usage, at: float | None = None, tier: str | None = None) -> float | None:
        """US dollars for `usage` of `provider/model`; None when its price is not known.

        `at` is seconds since 1970, now when None. `tier` is batch, priority, flex or fast.
        """
        rates = self.rates(model, at, tier)
        return None if rates is None else rates.cost(usage)

    def estimate(self, model: str, prompt_tokens: int, completion_tokens: int) -> float | None:
        """The same before the request, for budgets; of an alias, what the dearest of its deployments would cost."""
        names = self._aliases.get(model)
        if names is None:
            return self.cost(model, Usage(prompt_tokens, completion_tokens)) if "/" in model else None
        costs = [self.cost(name, Usage(prompt_tokens, completion_tokens)) for name in names]
        return max((cost for cost in costs if cost is not None), default=None)

    def rates(self, model: str, at: float | None = None, tier: str | None = None) -> Rates | None:
        """The price of each kind of token; None when it is not known."""
        known = self._known.get(model)
        if known is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
                self._warned.clear()
            known = self._known[model] = self._find(model)
        rates = known.at(time.time() if at is None else at, tier)
        if rates is None and model not in self._warned and self._table is not None:
            self._warned.add(model)
            log.warning(
                'The price of %s is not known: its cost shows as unknown. Set it under [prices."%s"].', model, model
            )
        return rates

    def context_length(self, model: str) -> int | None:
        """Tokens of prompt that the model takes, as published; None when that is not known."""
        provider, _, name = model.partition("/")
        if self._table is None:
            return None
        source = self._source(provider, name)
        row = self._table.find(*source) if source else None
        return row.context_length if row else None

    def _find(self, model: str) -> Known:
        rates, since = self._overrides.get(model, (None, 0.0))
        provider, _, name = model.partition("/")
        settings = self._providers.get(provider)
        kind = (settings.kind if settings else None) or provider
        if kind in FREE:
            return Known(rates or NOTHING, since if rates else 0.0, None)
        source = self._source(provider, name)
        row = self._table.find(*source) if self._table and source else None
        return Known(rates, since, published(row) if row else None)

    def _source(self, provider: str, model: str) -> tuple[str, str] | None:
        """Provider and model as the table names them."""
        settings = self._providers.get(provider)
        kind = (settings.kind if settings else None) or provider
        if kind == "openai-compatible" and settings and settings.base_url and self._table:
            at = self._table.provider_at(settings.base_url)
            return (at, model) if at else None
        if kind == "huggingface":
            # `model:partner` is how its router names who serves the model; without it the router chooses.
            model, _, partner = model.partition(":")
            return (f"huggingface_{partner}", model) if partner else None
        if kind == "bedrock":
            model = model.rpartition("/")[2]  # the end of an ARN
        return PUBLISHED.get(kind, kind), model


def tier_of(extra: JSON) -> str | None:
    """How the provider says that it has served an answer, from its `Completed.extra`: as OpenAI names it in
    `service_tier`, as Anthropic does in its usage (`speed` is fast, or a `service_tier` of batch)."""
    if "service_tier" not in extra and "anthropic" not in extra:
        return None
    usage = extra.get("anthropic", {}).get("usage", {})
    for said in (extra.get("service_tier"), usage.get("speed"), usage.get("service_tier")):
        if isinstance(said, str) and said in TIERS:
            return said
    return None


def override(name: str, price: PriceSettings) -> tuple[Rates, float]:
    """A configured price, and the time from which it holds."""
    try:
        return configured(price), day(price.since) if price.since else 0.0
    except ValueError:
        raise ConfigurationError(
            f'[prices."{name}"] since = {price.since!r} is not a day.', hint="Write it as YYYY-MM-DD."
        ) from None
