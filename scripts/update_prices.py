"""Write src/guru/gateway/cost/data/prices.json from the package genai-prices, and check every price against it.

    python scripts/update_prices.py        needs `genai-prices` (the dependency group `tools`), and no network

The package knows more than Guru can count (pages, characters, hours of sound); what is left out is listed at the end.
"""

from __future__ import annotations

import datetime as dt
import random
import sys
from collections import Counter
from decimal import Decimal
from importlib.metadata import version
from typing import Any

import genai_prices as theirs
import msgspec
from genai_prices import types as their
from genai_prices.data import providers

from guru.gateway.cost.rates import Dated, published
from guru.gateway.cost.table import FILE, ModelRow, PriceFile, PriceRow, PriceTable, ProviderRow, Rate, Tiered
from guru.types import Usage

KINDS = {
    "input_mtok": "input", "output_mtok": "output", "cache_read_mtok": "cached", "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h", "input_audio_mtok": "audio_input", "output_audio_mtok": "audio_output",
    "input_image_mtok": "image_input", "output_image_mtok": "image_output",
    "output_reasoning_mtok": "reasoning", "web_searches_kcount": "search", "requests_kcount": "request",
}  # fmt: skip
# What the package lacks, from the provider's own pages; it goes when the package has it. (provider, model): rates
ADDED: dict[tuple[str, str], dict[str, float]] = {
    # https://developers.openai.com/api/docs/models/gpt-4o-audio-preview, and the same of the mini
    ("openai", "gpt-4o-audio-preview"): {"audio_input": 40.0, "audio_output": 80.0},
    ("openai", "gpt-4o-mini-audio-preview"): {"audio_input": 10.0, "audio_output": 20.0},
}
left_out: Counter[str] = Counter()


def main() -> int:
    rows = [provider_row(provider) for provider in providers]
    file = PriceFile(f"genai-prices {version('genai-prices')}", rows)
    for row in rows:
        for model in row.models:
            if (dated := published(model)) is not None:
                check(row.id, model, dated)
    for row in rows:
        for model in row.models:
            for price in model.prices:
                add(price, ADDED.get((row.id, model.id), {}))
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_bytes(msgspec.json.encode(file).replace(b'{"id":', b'\n{"id":') + b"\n")
    PriceTable.load()
    print(f"{FILE}: {sum(len(row.models) for row in rows)} models, {FILE.stat().st_size:,} bytes", file=sys.stderr)
    print("left out:", dict(left_out), file=sys.stderr)
    return 0


def add(price: PriceRow, rates: dict[str, float]) -> None:
    """Put in what is missing. Fails where the package has it by now: then it is to be taken out here."""
    for kind, dollars in rates.items():
        assert getattr(price, kind) is None, f"{kind} is known now"
        setattr(price, kind, dollars)


def provider_row(provider: their.Provider) -> ProviderRow:
    models = [model_row(model) for model in provider.models]
    return ProviderRow(
        id=provider.id, api=provider.api_pattern, models=models, fallback=provider.fallback_model_providers or []
    )


def model_row(model: their.ModelInfo) -> ModelRow:
    prices = model.prices if isinstance(model.prices, list) else [their.ConditionalPrice(prices=model.prices)]
    return ModelRow(
        id=model.id,
        match=rule(model.match),
        prices=[price_row(price.prices, price.constraint) for price in prices],
        variants=[price_row(item.prices, item.constraint, item.when) for item in model.price_variants or []],
        context_length=model.context_window,
    )


def rule(clause: Any) -> list[Any]:
    match clause:
        case their.ClauseEquals():
            return ["equals", clause.equals.lower()]
        case their.ClauseStartsWith():
            return ["starts", clause.starts_with.lower()]
        case their.ClauseEndsWith():
            return ["ends", clause.ends_with.lower()]
        case their.ClauseContains():
            return ["contains", clause.contains.lower()]
        case their.ClauseRegex():
            return ["regex", clause.regex]
        case their.ClauseOr():
            return ["or", *map(rule, clause.or_)]
        case their.ClauseAnd():
            return ["and", *map(rule, clause.and_)]
    raise ValueError(f"unknown clause {clause!r}")


def price_row(prices: their.ModelPrice, constraint: Any, when: dict[str, str] | None = None) -> PriceRow:
    values: dict[str, Any] = {}
    for key, price in vars(prices).items():
        if price is None or key.startswith("_"):
            continue
        if key in KINDS:
            values[KINDS[key]] = rate(price)
        else:
            left_out[key] += 1
    match constraint:
        case their.StartDateConstraint():
            values["since"] = constraint.start_date.isoformat()
        case their.TimeOfDateConstraint():
            values |= {"start": hour(constraint.start_time), "end": hour(constraint.end_time)}
        case None:
            pass
        case _:
            raise ValueError(f"unknown constraint {constraint!r}")
    return PriceRow(**values, when=when or {})


def hour(time: dt.time) -> str:
    assert time.utcoffset() in {None, dt.timedelta()}, time
    return f"{time:%H:%M}"


def rate(price: Decimal | their.TieredPrices) -> Rate:
    if isinstance(price, Decimal):
        return float(price)
    return Tiered(float(price.base), [(tier.start, float(tier.price)) for tier in price.tiers])


def check(provider: str, model: ModelRow, dated: Dated) -> None:
    """Compare with the package's own arithmetic, for random usages and times."""
    source = next(item for item in providers if item.id == provider)
    info = next(item for item in source.models if item.id == model.id)
    for _ in range(6):
        at = random.uniform(1.7e9, 1.85e9)
        prompt, completion = int(10 ** random.uniform(0, 6)), int(10 ** random.uniform(0, 5))
        cached, hour, written = (random.randint(0, prompt // 4) for _ in range(3))
        reasoning, searches = random.randint(0, completion), random.randint(0, 3)
        usage = Usage(
            prompt, completion, cached_tokens=cached, reasoning_tokens=reasoning, cache_write_1h_tokens=hour,
            cache_write_tokens=hour + written, searches=searches,
        )  # fmt: skip
        same = theirs.Usage(
            input_tokens=prompt, output_tokens=completion, cache_read_tokens=cached, output_reasoning_tokens=reasoning,
            cache_write_tokens=hour + written, cache_write_1h_tokens=hour, web_searches=searches,
        )  # fmt: skip
        when = random.choice([{}, *(variant.when for variant in model.variants)])
        moment = dt.datetime.fromtimestamp(at, dt.UTC)
        expected = float(info.calc_price(same, source, genai_request_timestamp=moment, price_context=when).total_price)
        found = dated.variant_at(at, when).cost(usage)
        assert abs(found - expected) <= 1e-9 + 1e-9 * expected, (provider, model.id, usage, when, found, expected)


if __name__ == "__main__":
    sys.exit(main())
