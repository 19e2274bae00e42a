"""A model's price, ready to be multiplied."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Final

from guru.config import PriceSettings
from guru.gateway.cost.table import ModelRow, PriceRow, Rate, Tiered
from guru.types import Usage

MILLION: Final = 1e-6
THOUSAND: Final = 1e-3
DAY: Final = 86_400
KINDS: Final = (
    "input", "output", "cached", "cache_write", "cache_write_1h", "audio_input", "audio_output", "image_input",
    "image_output", "reasoning", "search", "request",
)  # fmt: skip


special = attrgetter(
    "cached_tokens", "cache_write_tokens", "audio_prompt_tokens", "audio_completion_tokens", "image_prompt_tokens",
    "image_completion_tokens", "reasoning_tokens", "searches",
)  # fmt: skip
NOTHING_SPECIAL: Final = (0, 0, 0, 0, 0, 0, 0, 0)


class Rates:
    """US dollars for one token of each kind, one search and one request, at one time."""

    __slots__ = (
        "audio_input", "audio_output", "cache_write", "cache_write_1h", "cached", "image_input", "image_output",
        "input", "output", "reasoning", "request", "search", "tiers",
    )  # fmt: skip

    def __init__(
        self,
        *,
        input: float = 0.0,
        output: float = 0.0,
        cached: float | None = None,
        cache_write: float | None = None,
        cache_write_1h: float | None = None,
        audio_input: float | None = None,
        audio_output: float | None = None,
        image_input: float | None = None,
        image_output: float | None = None,
        reasoning: float | None = None,
        search: float = 0.0,
        request: float = 0.0,
    ) -> None:
        """What is not given costs what the tokens around it cost: a cached token as any other of the prompt."""
        self.input = input
        self.output = output
        self.cached = input if cached is None else cached
        self.cache_write = input if cache_write is None else cache_write
        self.cache_write_1h = self.cache_write if cache_write_1h is None else cache_write_1h
        self.audio_input = input if audio_input is None else audio_input
        self.audio_output = output if audio_output is None else audio_output
        self.image_input = input if image_input is None else image_input
        self.image_output = output if image_output is None else image_output
        self.reasoning = output if reasoning is None else reasoning
        self.search = search
        self.request = request
        self.tiers: Sequence[tuple[int, Rates]] = ()
        """(prompt tokens that must be exceeded, the rates from there on), the longest first."""

    def cost(self, usage: Usage) -> float:
        """US dollars."""
        prompt, written = usage.prompt_tokens, usage.cache_write_tokens
        if special(usage) == NOTHING_SPECIAL and not self.tiers:
            return self.request + prompt * self.input + usage.completion_tokens * self.output
        for start, rates in self.tiers:
            if prompt > start:
                return rates.cost(usage)
        total = self.request
        if cached := usage.cached_tokens:
            total += cached * self.cached
            prompt -= cached
        if written:
            hour = usage.cache_write_1h_tokens
            total += (written - hour) * self.cache_write + hour * self.cache_write_1h
            prompt -= written
        if audio := usage.audio_prompt_tokens:
            total += audio * self.audio_input
            prompt -= audio
        if image := usage.image_prompt_tokens:
            total += image * self.image_input
            prompt -= image
        completion = usage.completion_tokens
        if audio := usage.audio_completion_tokens:
            total += audio * self.audio_output
            completion -= audio
        if image := usage.image_completion_tokens:
            total += image * self.image_output
            completion -= image
        if reasoning := usage.reasoning_tokens:
            total += reasoning * self.reasoning
            completion -= reasoning
        if usage.searches:
            total += usage.searches * self.search
        # A provider may count a token as two kinds (cached sound); none is paid back for that.
        return total + max(prompt, 0) * self.input + max(completion, 0) * self.output


class Moment:
    """When a price holds."""

    __slots__ = ("_end", "_since", "_start")

    def __init__(self, row: PriceRow) -> None:
        self._since = day(row.since) if row.since else None
        self._start = seconds(row.start) if row.start else None
        self._end = seconds(row.end) if row.end else 0

    def holds(self, time: float) -> bool:
        if self._since is not None and time < self._since:
            return False
        if self._start is None:
            return True
        now = time % DAY
        if self._end < self._start:
            return now >= self._start or now < self._end
        return self._start <= now < self._end


class Dated:
    """The published rates of a model over time."""

    __slots__ = ("_periods", "_single", "_variants")

    def __init__(self, row: ModelRow) -> None:
        self._periods = [(Moment(price), price, to_rates(price)) for price in row.prices]
        self._single = self._periods[0][2] if len(self._periods) == 1 else None
        self._variants = [(Moment(variant), variant) for variant in row.variants]

    def at(self, time: float) -> Rates:
        """The last that holds at `time` (seconds since 1970), else the first."""
        return self._single or self._period(time)[1]

    def variant_at(self, time: float, when: Mapping[str, str]) -> Rates:
        """The rates for a request of which `when` is said; the usual ones where there are no others for it."""
        variants = [
            variant
            for moment, variant in self._variants
            if moment.holds(time) and all(when.get(name) == value for name, value in variant.when.items())
        ]
        return to_rates(overlaid(self._period(time)[0], variants)) if variants else self.at(time)

    def _period(self, time: float) -> tuple[PriceRow, Rates]:
        for moment, price, rates in reversed(self._periods):
            if moment.holds(time):
                return price, rates
        return self._periods[0][1:]


def published(row: ModelRow) -> Dated | None:
    """The rates of a model. None where it is priced by something that Guru does not count, such as pages."""
    priced = any(price.input is not None or price.output is not None or price.request for price in row.prices)
    return Dated(row) if priced else None


def overlaid(price: PriceRow, variants: Sequence[PriceRow]) -> PriceRow:
    """`price` with what the variants say; of two that say the same, the first counts."""
    values = {kind: getattr(price, kind) for kind in KINDS}
    for variant in reversed(variants):
        values |= {kind: rate for kind in KINDS if (rate := getattr(variant, kind)) is not None}
    return PriceRow(**values)


def configured(settings: PriceSettings) -> Rates:
    """The rates of `[prices."provider/model"]`."""
    tokens = {
        kind: rate * MILLION
        for kind in KINDS
        if kind not in {"search", "request"} and (rate := getattr(settings, kind)) is not None
    }
    return Rates(**tokens, search=settings.search, request=settings.request)


def to_rates(price: PriceRow) -> Rates:
    """One row as rates, with one set for each length of prompt that has prices of its own."""
    starts = {start for kind in KINDS if isinstance(rate := getattr(price, kind), Tiered) for start, _ in rate.tiers}
    rates = Rates(**flat(price, -1))
    rates.tiers = [(start, Rates(**flat(price, start))) for start in sorted(starts, reverse=True)]
    return rates


def flat(price: PriceRow, above: int) -> dict[str, float]:
    """The prices per unit for prompts of more than `above` tokens."""
    found: dict[str, float] = {}
    for kind in KINDS:
        if (value := value_above(getattr(price, kind), above)) is not None:
            found[kind] = value * (THOUSAND if kind in {"search", "request"} else MILLION)
    return found


def value_above(rate: Rate | None, above: int) -> float | None:
    if not isinstance(rate, Tiered):
        return rate
    return next((price for start, price in reversed(rate.tiers) if above >= start), rate.base)


def day(text: str) -> float:
    """Midnight (UTC) of YYYY-MM-DD, in seconds since 1970. Raises `ValueError`."""
    return dt.datetime.combine(dt.date.fromisoformat(text), dt.time(), dt.UTC).timestamp()


def seconds(text: str) -> int:
    """HH:MM as seconds of the day."""
    hours, minutes = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60
