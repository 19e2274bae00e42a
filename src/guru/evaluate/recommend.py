"""Which setting to use: a change is recommended only where the questions prove that it is worth it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from guru.evaluate.intervals import Interval, simultaneous
from guru.evaluate.settings import Setting
from guru.types import JSON

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST: Final = 20
"""Questions under which nothing is recommended: an interval of so few is a guess itself."""


class Recommendation(Struct, kw_only=True):
    setting: Setting
    change: bool
    """Whether it is another one than the current."""
    reason: str
    gain: Interval | None
    """Of quality over the current setting, paired question by question; holds for all settings at once."""
    configuration: JSON = {}
    """What is to be changed in `[knowledge]`, by its keys there."""


def recommend(
    settings: Sequence[Setting], values: NDArray[Any], seconds: NDArray[Any], *, current: int, margin: float, seed: int
) -> Recommendation:
    """The setting that is proven to be best for its price.

    `values` and `seconds` have shape (questions, settings): quality and latency of each. From the current setting on, a
    better one is taken while one is proven to be better: by more than `margin` where it costs more. Then one that costs
    less and is proven to lose no more than `margin`. Intervals hold for all settings together, so that trying many does
    not find a lucky one; what is not proven changes nothing.
    """
    if len(values) < FEWEST:
        reason = f"{len(values)} questions with an answer are too few to tell: at least {FEWEST} are needed."
        return Recommendation(setting=settings[current], change=False, reason=reason, gain=None)
    comparison = Comparison(settings, values, seconds, margin=margin, seed=seed)
    chosen = comparison.save(comparison.climb(current))
    if chosen == current:
        reason = (
            f"No other setting is proven better, or cheaper without losing more than {margin:g}. "
            "More questions would tell smaller differences."
        )
        return Recommendation(setting=settings[current], change=False, reason=reason, gain=None)
    gain = against(values, current, seed)[chosen]
    reason = explain(settings, seconds, gain, current, chosen)
    return Recommendation(setting=settings[chosen], change=True, reason=reason, gain=gain)


class Comparison:
    """Settings, with what each came to on every question."""

    def __init__(
        self, settings: Sequence[Setting], values: NDArray[Any], seconds: NDArray[Any], *, margin: float, seed: int
    ) -> None:
        self._settings = settings
        self._values = values
        self._seconds = seconds
        self._margin = margin
        self._seed = seed

    def climb(self, chosen: int) -> int:
        """From a setting to better ones, always to the cheapest of those that are proven better."""
        for _ in self._settings:
            gains, times = self._against(chosen)
            better = [
                number
                for number, gain in enumerate(gains)
                if gain.low > (self._margin if self._is_dearer(number, chosen, times[number]) else 0.0)
            ]
            if not better:
                break
            chosen = self._cheapest(better)
        return chosen

    def save(self, chosen: int) -> int:
        """To the cheapest setting that is proven to be as good, but for the margin."""
        gains, times = self._against(chosen)
        cheaper = [
            number
            for number, gain in enumerate(gains)
            if gain.low >= -self._margin and self._is_dearer(chosen, number, reverse(times[number]))
        ]
        return self._cheapest(cheaper) if cheaper else chosen

    def _against(self, base: int) -> tuple[list[Interval], list[Interval]]:
        return against(self._values, base, self._seed), against(self._seconds, base, self._seed)

    def _is_dearer(self, one: int, other: int, time: Interval) -> bool:
        """Whether one setting has more for the model to read than another, or as much and is proven slower.

        `time` is by how much one is slower.
        """
        mine, others = self._settings[one].context, self._settings[other].context
        return mine > others or (mine == others and time.low > 0)

    def _cheapest(self, numbers: Sequence[int]) -> int:
        import numpy as np

        medians = np.median(self._seconds, axis=0)
        return min(numbers, key=lambda number: (self._settings[number].context, float(medians[number])))


def against(values: NDArray[Any], base: int, seed: int) -> list[Interval]:
    """Each setting's difference to one of them."""
    return simultaneous(values - values[:, [base]], seed=seed)


def reverse(difference: Interval) -> Interval:
    """Of the other to the one."""
    return Interval(-difference.mean, -difference.high, -difference.low, difference.n)


def explain(settings: Sequence[Setting], seconds: NDArray[Any], gain: Interval, current: int, chosen: int) -> str:
    import numpy as np

    before, after = settings[current], settings[chosen]
    now, then = (1000 * float(np.median(seconds[:, number])) for number in (current, chosen))
    between = f"{gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}) on {gain.n} questions"
    if after.context < before.context:
        price = f"it gives the model {1 - after.context / before.context:.0%} less to read"
    elif after.context > before.context:
        price = f"it gives the model {after.context / before.context:.1f} times as much to read"
    else:
        price = "it gives the model as much to read"
    verdict = "It is proven better" if gain.low > 0 else "It is proven to be as good, but for the margin"
    return f"{verdict}: {between}; {price}. A search takes {then:.0f} ms in place of {now:.0f} ms."


def front(quality: Sequence[float], cost: Sequence[float]) -> list[int]:
    """The numbers of the settings that no other one beats in both, the cheapest first (Pareto)."""
    order = sorted(range(len(cost)), key=lambda number: (cost[number], -quality[number]))
    kept: list[int] = []
    for number in order:
        if not kept or quality[number] > quality[kept[-1]]:
            kept.append(number)
    return kept
