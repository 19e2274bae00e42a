"""Quantities and dates that a sentence states, in forms that can be compared: "2 weeks" and "14 days" are one."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

Bound = Literal["", "about", "least", "most"]

_SMALL_WORDS: Final = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen
"""
_TEN_WORDS: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
_MONTH_WORDS: Final = "january february march april may june july august september october november december"
_WEEKDAY_WORDS: Final = "monday tuesday wednesday thursday friday saturday sunday"
_SMALL: Final = _SMALL_WORDS.split()
_TENS: Final = _TEN_WORDS.split()
_WORDS: Final = (
    {word: float(value) for value, word in enumerate(_SMALL)}
    | {word: 10.0 * value for value, word in enumerate(_TENS, 2)}
    | {f"{ten}-{one}": 10.0 * t + o for t, ten in enumerate(_TENS, 2) for o, one in enumerate(_SMALL[1:10], 1)}
    | {"hundred": 100.0, "dozen": 12.0, "half": 0.5}
)
_SCALES: Final = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "bn": 1e9, "trillion": 1e12}
_CURRENCIES: Final = {
    "€": "EUR", "euro": "EUR", "eur": "EUR", "$": "USD", "usd": "USD", "dollar": "USD", "£": "GBP", "gbp": "GBP",
    "pound sterling": "GBP", "chf": "CHF", "franc": "CHF", "¥": "JPY", "yen": "JPY", "jpy": "JPY", "sek": "SEK",
}  # fmt: skip
_DAY: Final = 86_400.0
_UNITS: Final[dict[str, tuple[str, float]]] = {
    **dict.fromkeys(("second", "sec"), ("time", 1.0)),
    **dict.fromkeys(("minute", "min"), ("time", 60.0)),
    **dict.fromkeys(("hour", "hr"), ("time", 3600.0)),
    "day": ("time", _DAY), "week": ("time", 7 * _DAY), "month": ("time", 365.25 / 12 * _DAY),
    "year": ("time", 365.25 * _DAY), "working day": ("working day", 1.0), "business day": ("working day", 1.0),
    "mm": ("length", 1e-3), "cm": ("length", 1e-2), "metre": ("length", 1.0), "meter": ("length", 1.0),
    "m": ("length", 1.0), "km": ("length", 1e3), "kilometre": ("length", 1e3), "kilometer": ("length", 1e3),
    "inch": ("length", 0.0254), "foot": ("length", 0.3048), "feet": ("length", 0.3048), "mile": ("length", 1609.344),
    "mg": ("mass", 1e-6), "g": ("mass", 1e-3), "gram": ("mass", 1e-3), "kg": ("mass", 1.0), "kilogram": ("mass", 1.0),
    "tonne": ("mass", 1e3), "ton": ("mass", 1e3), "lb": ("mass", 0.45359237), "ounce": ("mass", 0.0283495),
    "ml": ("volume", 1e-3), "litre": ("volume", 1.0), "liter": ("volume", 1.0), "l": ("volume", 1.0),
    "kb": ("bytes", 1e3), "mb": ("bytes", 1e6), "gb": ("bytes", 1e9), "tb": ("bytes", 1e12),
    "w": ("power", 1.0), "watt": ("power", 1.0), "kw": ("power", 1e3), "mw": ("power", 1e6), "volt": ("voltage", 1.0),
    "v": ("voltage", 1.0), "bar": ("pressure", 1.0), "km/h": ("speed", 1.0), "mph": ("speed", 1.609344),
    "%": ("percent", 1.0), "percent": ("percent", 1.0), "per cent": ("percent", 1.0),
    "°c": ("degrees", 1.0), "° c": ("degrees", 1.0), "degree": ("degrees", 1.0), "°f": ("fahrenheit", 1.0),
}  # fmt: skip
_MONTHS: Final = {name[:3]: number for number, name in enumerate(_MONTH_WORDS.split(), 1)}
_MONTH: Final = (
    r"(?P<{}>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_NUMBER: Final = r"\d{{1,3}}(?:[,'’\u202f]\d{{3}})+(?:\.\d+)?|\d+(?:[.,]\d+)?|{words}"
_WORD_NUMBERS: Final = "|".join(sorted(_WORDS, key=len, reverse=True))
_UNIT: Final = "|".join(re.escape(unit) for unit in sorted([*_UNITS, *_CURRENCIES], key=len, reverse=True))
_HEDGES: Final[dict[str, Bound]] = {
    "about": "about", "around": "about", "roughly": "about", "approximately": "about", "nearly": "about",
    "almost": "about", "some": "about", "circa": "about", "ca.": "about", "~": "about", "≈": "about",
    "over": "least", "more than": "least", "at least": "least", "minimum of": "least", "above": "least",
    "up to": "most", "less than": "most", "at most": "most", "under": "most", "no more than": "most",
    "maximum of": "most", "fewer than": "most", "below": "most",
}  # fmt: skip
_HEDGE: Final = "|".join(re.escape(word) for word in sorted(_HEDGES, key=len, reverse=True))
_QUANTITY: Final = re.compile(
    rf"(?:(?P<hedge>{_HEDGE})\s*)?(?P<before>[€$£¥]|\b(?:eur|usd|gbp|chf|jpy|sek)\b)?\s?"
    rf"(?<![\w.,-])(?P<minus>[-−])?(?P<low>{_NUMBER.format(words=_WORD_NUMBERS)})(?![\w]*\d)"
    rf"(?:\s?(?:-|–|to\b)\s?(?P<high>\d+(?:\.\d+)?))?"
    rf"(?:\s?(?P<scale>{'|'.join(_SCALES)})\b)?"
    rf"(?:[\s-]?(?P<unit>{_UNIT})(?:e?s)?(?![\w]))?(?![\w])",
    re.IGNORECASE,
)
_VERSION: Final = re.compile(
    r"(?<![\w.])v?(\d+(?:\.\d+){2,})(?![\w.]*\d)|\b(?:versions?|release|v)\.? ?(\d+(?:\.\d+)*)\b", re.IGNORECASE
)
_DATES: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<![\d-])(?P<year>\d{4})-(?P<month>\d{2})(?:-(?P<day>\d{2}))?(?![\d-])",
        r"(?<![\d.])(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})(?![\d.])",
        r"\b(?P<day>\d{1,2})(?:st|nd|rd|th)?(?: of)? " + _MONTH.format("name") + r"(?:,? (?P<year>\d{4}))?\b",
        r"\b" + _MONTH.format("name") + r" (?P<day>\d{1,2})(?:st|nd|rd|th)?(?:,? (?P<year>\d{4}))?\b(?! ?%)",
        r"\b" + _MONTH.format("name") + r",? (?P<year>\d{4})\b",
        r"\b(?P<century>\d{1,2})(?:st|nd|rd|th)[ -]century\b",
        r"\b(?P<decade>1\d{2}0|20\d0)s\b",
        r"(?<![\w.,€$£¥-])(?P<year>1[0-9]\d{2}|20\d{2})(?![\w.,-]*\d)(?! ?(?:%|€|euros?|dollars?|eur|usd|chf))",
    )
)
_CLOCK: Final = re.compile(
    r"(?<![\d:])(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?\s?(?P<half>a\.?m\b\.?|p\.?m\b\.?)|"
    r"(?<![\d:])(?P<hour24>\d{1,2}):(?P<minute24>\d{2})(?![\d:])|\b(?P<name>noon|midnight)\b",
    re.IGNORECASE,
)
_WEEKDAYS: Final = _WEEKDAY_WORDS.split()
_WEEKDAY: Final = re.compile(rf"\b({'|'.join(_WEEKDAYS)})s?\b", re.IGNORECASE)
_COUNTED: Final = re.compile(
    r"(?:section|article|page|chapter|table|figure|step|part|item|clause|paragraph|level|annex|form|room|line|phase|"
    r"no\.|#|§|[A-Z]\w*-)\s*$",
    re.IGNORECASE,
)
"""What stands before a number that is a name and no quantity."""


class Value(Struct, frozen=True):
    """`text[start:end]` is a quantity, a date, a time of day or a version."""

    dimension: str
    """What it can be compared with: `time`, `EUR`, `percent`, `date`, `count` ..."""
    low: float
    high: float
    start: int
    end: int
    bound: Bound = ""
    slack: float = 0.0
    """How far another may be off and mean the same: half of the last digit that is written."""
    unit: str = ""
    parts: tuple[int | None, int | None] = (None, None)
    """Of a date: month and day, where they are said. `low` and `high` are years."""


def values_of(text: str) -> list[Value]:
    """All values of a sentence, in order, none of which overlap."""
    found: list[Value] = []
    for read in (_dates, _clocks, _weekdays, _versions, _quantities):
        for value in read(text):
            if not any(value.start < other.end and other.start < value.end for other in found):
                found.append(value)
    return sorted(found, key=lambda value: value.start)


def agree(one: Value, other: Value) -> bool:
    """Whether both can be true of the same thing."""
    if one.dimension != other.dimension:
        return False
    if one.dimension == "date":
        years = math.isinf(one.low) or math.isinf(other.low) or (one.low <= other.high and other.low <= one.high)
        parts = all(a is None or b is None or a == b for a, b in zip(one.parts, other.parts, strict=True))
        return years and parts
    slack = max(one.slack, other.slack)
    if one.unit != other.unit and one.dimension in ("time", "bytes", "length", "mass"):
        slack = max(slack, 0.04 * max(abs(one.low), abs(other.low)))  # a month has 30 days, a mile 1.6 km
    if "about" in (one.bound, other.bound):
        slack = max(slack, 0.1 * max(abs(one.low), abs(other.low)))
    if one.bound == other.bound or not {one.bound, other.bound} & {"least", "most"}:
        return one.low <= other.high + slack and other.low <= one.high + slack
    first, second = _reach(one), _reach(other)
    return first[0] <= second[1] + slack and second[0] <= first[1] + slack


def _reach(value: Value) -> tuple[float, float]:
    if value.bound == "least":
        return value.low, math.inf
    return (-math.inf, value.high) if value.bound == "most" else (value.low, value.high)


def _dates(text: str) -> Iterator[Value]:
    for pattern in _DATES:
        for match in pattern.finditer(text):
            said = match.groupdict()
            month = _MONTHS[said["name"][:3].lower()] if said.get("name") else int(said.get("month") or 0) or None
            day = int(said.get("day") or 0) or None
            low, high = -math.inf, math.inf
            if said.get("year"):
                low = high = float(said["year"])
            elif said.get("century"):
                low, high = 100.0 * int(said["century"]) - 100, 100.0 * int(said["century"])
            elif said.get("decade"):
                low, high = float(said["decade"]), float(said["decade"]) + 9
            yield Value("date", low, high, match.start(), match.end(), parts=(month, day))


def _clocks(text: str) -> Iterator[Value]:
    for match in _CLOCK.finditer(text):
        said = match.groupdict()
        if said["name"]:
            minutes = 720 if said["name"].lower() == "noon" else 0
        elif said["hour"]:
            late = said["half"].lower().startswith("p")
            minutes = (int(said["hour"]) % 12 + 12 * late) * 60 + int(said["minute"] or 0)
        else:
            minutes = int(said["hour24"]) * 60 + int(said["minute24"])
        yield Value("clock", minutes, minutes, match.start(), match.end())


def _weekdays(text: str) -> Iterator[Value]:
    for match in _WEEKDAY.finditer(text):
        day = _WEEKDAYS.index(match[1].lower())
        yield Value("weekday", day, day, match.start(), match.end())


def _versions(text: str) -> Iterator[Value]:
    for match in _VERSION.finditer(text):
        numbers = [int(number) for number in (match[1] or match[2]).split(".")]
        place = sum(number / 1000.0**depth for depth, number in enumerate(numbers[:4]))
        group = 1 if match[1] else 2
        yield Value("version", place, place, match.start(group), match.end(group))


def _quantities(text: str) -> Iterator[Value]:
    for match in _QUANTITY.finditer(text):
        low, digit = _number(match["low"])
        low = -low if match["minus"] else low
        unit = (match["before"] or match["unit"] or "").lower()
        if _COUNTED.search(text[: match.start("low")]) or (
            not unit and match["low"].lower() in ("one", "half", "zero")
        ):
            continue
        dimension, factor = _UNITS.get(unit, (_CURRENCIES.get(unit, "count"), 1.0))
        factor *= _SCALES.get((match["scale"] or "").lower(), 1.0)
        high = _number(match["high"])[0] if match["high"] else low
        if dimension == "fahrenheit":
            dimension, low, high = "degrees", (low - 32) / 1.8, (high - 32) / 1.8
        high = max(high, low)
        yield Value(
            dimension, low * factor, high * factor,
            match.end() - len(match.group().lstrip()), match.end(),
            bound=_HEDGES.get((match["hedge"] or "").lower(), ""),
            # A sum of money is exact as it is written.
            slack=0.0 if dimension in _CURRENCIES.values() and not match["scale"] else digit * factor / 2,
            unit=unit,
        )  # fmt: skip


def _number(written: str) -> tuple[float, float]:
    """The number, and what its last digit counts."""
    word = written.lower()
    if word in _WORDS:
        return _WORDS[word], 0.0
    plain = re.sub(r"[,'’\u202f](?=\d{3}(?!\d))", "", written).replace(",", ".")
    decimals = len(plain.partition(".")[2])
    zeros = len(plain) - len(plain.rstrip("0")) if not decimals else 0
    # 12,000 may be rounded; 30 and 400 are not.
    return float(plain), 10.0**-decimals if decimals else (10.0**zeros if zeros >= 3 else 0.0)
