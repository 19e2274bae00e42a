"""Prices: the published ones, the configuration's, and none."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guru.config import AliasSettings, Deployment, PriceSettings, ProviderSettings, Settings
from guru.errors import ConfigurationError
from guru.gateway.cost import Prices, Rates
from guru.gateway.cost.prices import tier_of
from guru.gateway.cost.rates import day, overlaid, to_rates
from guru.gateway.cost.table import ModelRow, PriceFile, PriceRow, PriceTable, ProviderRow, Tiered
from guru.types import Usage

TABLE = PriceTable.load()


def prices(**settings: object) -> Prices:
    return Prices(Settings(**settings), TABLE)  # type: ignore[arg-type]


def test_every_kind_of_token_has_its_price() -> None:
    rates = Rates(
        input=1, output=10, cached=0.1, cache_write=2, cache_write_1h=3, audio_input=5, audio_output=50, reasoning=20,
        search=100, request=1000,
    )  # fmt: skip
    usage = Usage(
        prompt_tokens=100, completion_tokens=50, cached_tokens=10, cache_write_tokens=20, cache_write_1h_tokens=5,
        audio_prompt_tokens=30, audio_completion_tokens=7, reasoning_tokens=3, searches=2,
    )  # fmt: skip
    prompt = 40 * 1 + 10 * 0.1 + 15 * 2 + 5 * 3 + 30 * 5
    completion = 40 * 10 + 7 * 50 + 3 * 20
    assert rates.cost(usage) == pytest.approx(prompt + completion + 2 * 100 + 1000)


def test_what_has_no_price_of_its_own_costs_what_is_around_it() -> None:
    usage = Usage(100, 10, cached_tokens=50, cache_write_tokens=20, reasoning_tokens=5)
    assert Rates(input=1, output=10).cost(usage) == 200


@given(st.builds(Usage, *[st.integers(0, 1000)] * 9))
def test_a_cost_is_never_negative(usage: Usage) -> None:
    usage.cache_write_1h_tokens = min(usage.cache_write_1h_tokens, usage.cache_write_tokens)
    assert Rates(input=1, output=2, cached=0.1, cache_write=1.25, audio_input=3).cost(usage) >= 0


@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        ("openai/gpt-4o", 2.5),
        ("openai/gpt-4o-mini-2024-07-18", 0.15),
        ("azure/gpt-4o", 2.5),
        ("anthropic/claude-sonnet-4-5", 3.0),
        ("anthropic/claude-sonnet-4-5-20250929", 3.0),
        ("bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0", 3.0),
        ("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", 3.3),
        ("bedrock/arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0", 3.3),
        ("gemini/gemini-2.5-flash", 0.3),
        ("groq/llama-3.3-70b-versatile", 0.59),
        ("local/smollm2-135m", 0.0),
        ("ollama/llama3", 0.0),
        ("openai/no-such-model", None),
        ("elsewhere/gpt-4o", None),
    ],
)
def test_a_million_tokens_of_prompt_at_the_published_price(model: str, dollars: float | None) -> None:
    per_token = prices().cost(model, Usage(1000, 0), at=day("2026-01-01"))
    assert per_token == (None if dollars is None else pytest.approx(dollars / 1000))


def test_cached_and_written_tokens_of_a_provider() -> None:
    # Anthropic: reading 0.1, writing 1.25 for five minutes and 2.0 for an hour, of the price of the prompt.
    usage = Usage(4000, 0, cached_tokens=1000, cache_write_tokens=2000, cache_write_1h_tokens=1000)
    cost = prices().cost("anthropic/claude-sonnet-4-5", usage)
    assert cost == pytest.approx(3e-6 * (1000 + 100 + 1250 + 2000))


def test_a_long_prompt_costs_more_for_all_of_its_tokens() -> None:
    at = day("2026-01-01")
    short = prices().cost("gemini/gemini-2.5-pro", Usage(200_000, 0), at)
    long = prices().cost("gemini/gemini-2.5-pro", Usage(200_001, 0), at)
    assert short == pytest.approx(0.25)
    assert long == pytest.approx(2.5e-6 * 200_001)


def test_batches_cost_half() -> None:
    usage = Usage(1000, 1000)
    full = prices().cost("openai/gpt-4o", usage)
    half = prices().cost("openai/gpt-4o", usage, tier="batch")
    assert full and half == pytest.approx(full / 2)


@pytest.mark.parametrize(
    ("extra", "tier"),
    [
        ({}, None),
        ({"service_tier": "default"}, None),
        ({"service_tier": "priority"}, "priority"),
        ({"service_tier": "flex", "system_fingerprint": "fp"}, "flex"),
        ({"service_tier": {"not": "a name"}}, None),
        ({"anthropic": {"id": "msg_1", "usage": {"service_tier": "standard", "speed": "fast"}}}, "fast"),
        ({"anthropic": {"usage": {"service_tier": "batch"}}}, "batch"),
        ({"anthropic": {"usage": {"service_tier": "standard", "speed": "standard"}}}, None),
    ],
)
def test_how_an_answer_was_served_is_read_where_its_provider_says_it(
    extra: dict[str, object], tier: str | None
) -> None:
    assert tier_of(extra) == tier


def test_faster_and_slower_service_have_their_own_prices() -> None:
    usage, at = Usage(1_000_000, 0), day("2026-11-01")
    for model, tier, dollars in [
        ("openai/gpt-4o", "priority", 4.25), ("openai/o3", "flex", 1.0), ("openai/gpt-4o", None, 2.5),
        ("anthropic/claude-opus-4-8", "fast", 10.0), ("anthropic/claude-opus-4-8", None, 5.0),
    ]:  # fmt: skip
        assert prices().cost(model, usage, at, tier) == pytest.approx(dollars), (model, tier)


def test_sound_costs_what_the_provider_charges_for_it() -> None:
    """The published table had no price for it, and it counted as text, a sixteenth of the truth."""
    usage = Usage(1_000_000, 1_000_000, audio_prompt_tokens=1_000_000, audio_completion_tokens=1_000_000)
    assert prices().cost("openai/gpt-4o-audio-preview", usage) == pytest.approx(40 + 80)
    assert prices().cost("openai/gpt-4o-mini-audio-preview-2024-12-17", usage) == pytest.approx(10 + 20)


@pytest.mark.parametrize(
    ("model", "dollars"),
    [("gemini/gemini-2.5-flash-image", 0.30 + 30.0), ("openai/gpt-image-1", 10.0 + 40.0)],
)
def test_images_cost_what_the_provider_charges_for_them(model: str, dollars: float) -> None:
    usage = Usage(1_000_000, 1_000_000, image_prompt_tokens=1_000_000, image_completion_tokens=1_000_000)
    assert prices().cost(model, usage) == pytest.approx(dollars)


def test_every_rate_can_be_configured() -> None:
    price = PriceSettings(
        input=1, output=10, cached=0.1, cache_write=2, cache_write_1h=3, audio_input=5, audio_output=50,
        image_input=7, image_output=70, reasoning=20, search=0.25, request=0.5,
    )  # fmt: skip
    usage = Usage(
        prompt_tokens=100, completion_tokens=50, cached_tokens=10, cache_write_tokens=20, cache_write_1h_tokens=5,
        audio_prompt_tokens=30, audio_completion_tokens=7, image_prompt_tokens=11, image_completion_tokens=13,
        reasoning_tokens=3, searches=2,
    )  # fmt: skip
    prompt = 29 * 1 + 10 * 0.1 + 15 * 2 + 5 * 3 + 30 * 5 + 11 * 7
    completion = 27 * 10 + 7 * 50 + 13 * 70 + 3 * 20
    own = prices(prices={"openai/gpt-4o": price})
    assert own.cost("openai/gpt-4o", usage) == pytest.approx((prompt + completion) / 1e6 + 2 * 0.25 + 0.5)


def test_prices_change_with_the_day_and_the_hour() -> None:
    rows = [
        PriceRow(input=4.0),
        PriceRow(input=2.0, since="2026-02-01"),
        PriceRow(input=1.0, since="2026-03-01", start="22:00", end="06:00"),
    ]
    model = ModelRow(id="m", match=["equals", "m"], prices=rows)
    table = PriceTable(PriceFile("test", [ProviderRow(id="p", api="x", models=[model])]))
    at = Prices(table=table)
    usage = Usage(1_000_000, 0)
    hour = 3600
    assert at.cost("p/m", usage, day("2026-01-31") + 23 * hour) == 4.0
    assert at.cost("p/m", usage, day("2026-02-01")) == 2.0
    assert at.cost("p/m", usage, day("2026-03-01") + 21 * hour) == 2.0
    assert at.cost("p/m", usage, day("2026-03-01") + 22 * hour) == 1.0
    assert at.cost("p/m", usage, day("2026-03-02") + 5 * hour) == 1.0
    assert at.cost("p/m", usage, day("2026-03-02") + 6 * hour) == 2.0


def test_of_two_variants_the_first_counts() -> None:
    price = overlaid(PriceRow(input=4.0, output=8.0), [PriceRow(input=2.0), PriceRow(input=1.0, output=5.0)])
    assert (price.input, price.output) == (2.0, 5.0)


def test_tiers_of_one_kind_leave_the_others_alone() -> None:
    rates = to_rates(PriceRow(input=Tiered(1.0, [(100, 2.0), (1000, 3.0)]), output=10.0))
    assert rates.cost(Usage(100, 1)) == pytest.approx(1e-6 * (100 + 10))
    assert rates.cost(Usage(101, 1)) == pytest.approx(1e-6 * (202 + 10))
    assert rates.cost(Usage(1001, 1)) == pytest.approx(1e-6 * (3003 + 10))


def test_the_configuration_overrides_from_its_day_on() -> None:
    own = prices(prices={"openai/gpt-4o": PriceSettings(input=1.0, output=2.0, request=0.5, since="2026-06-01")})
    usage = Usage(1_000_000, 1_000_000)
    assert own.cost("openai/gpt-4o", usage, day("2026-05-31")) == pytest.approx(12.5)
    assert own.cost("openai/gpt-4o", usage, day("2026-06-01")) == pytest.approx(3.5)


def test_a_local_model_can_be_given_a_price() -> None:
    own = prices(prices={"local/big": PriceSettings(input=1.0, output=1.0)})
    assert own.cost("local/big", Usage(1000, 0)) == pytest.approx(0.001)
    assert own.cost("local/small", Usage(1000, 0)) == 0.0


def test_a_day_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="YYYY-MM-DD"):
        prices(prices={"a/b": PriceSettings(input=1.0, output=1.0, since="June")})


def test_an_address_says_whose_prices_hold() -> None:
    groq = ProviderSettings(kind="openai-compatible", base_url="https://api.groq.com/openai/v1")
    mine = ProviderSettings(kind="openai-compatible", base_url="http://10.0.0.7:8000/v1")
    found = prices(providers={"fast": groq, "mine": mine, "east": ProviderSettings(kind="azure")})
    assert found.cost("fast/llama-3.3-70b-versatile", Usage(1000, 0)) == pytest.approx(0.00059)
    assert found.cost("mine/llama-3.3-70b-versatile", Usage(1000, 0)) is None
    assert found.cost("east/gpt-4o", Usage(1000, 0)) == pytest.approx(0.0025)


def test_an_unknown_price_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    found = prices()
    with caplog.at_level(logging.WARNING):
        assert found.cost("openai/no-such-model", Usage(1, 1)) is None
        assert found.cost("openai/no-such-model", Usage(1, 1)) is None
    assert [record.getMessage().count("no-such-model") for record in caplog.records] == [2]


def test_what_is_priced_by_the_page_or_the_hour_is_unknown() -> None:
    assert prices().cost("openai/whisper-1", Usage(1000, 10)) is None


async def test_only_configured_prices_are_known_before_it_is_open() -> None:
    own = Prices(Settings(prices={"a/b": PriceSettings(input=1.0, output=1.0)}))
    assert own.cost("a/b", Usage(1000, 0)) == pytest.approx(0.001)
    assert own.cost("openai/gpt-4o", Usage(1000, 0)) is None
    await own.open()
    assert own.cost("openai/gpt-4o", Usage(1000, 0)) == pytest.approx(0.0025)


def test_an_estimate_for_an_alias_is_that_of_its_dearest_deployment(caplog: pytest.LogCaptureFixture) -> None:
    deployments = [Deployment(model="openai/gpt-4o-mini"), Deployment(model="openai/gpt-4o")]
    found = prices(models={"smart": AliasSettings(deployments=deployments)})
    assert found.estimate("smart", 1000, 1000) == found.estimate("openai/gpt-4o", 1000, 1000) == pytest.approx(0.0125)
    assert found.estimate("default", 1000, 1000) is None
    assert not caplog.records


def test_context_lengths_are_published_too() -> None:
    assert prices().context_length("openai/gpt-4o") == 128_000
    assert prices().context_length("openai/no-such-model") is None
