"""Years, quarters and days that a question asks about, or that the columns and labels of a table are of."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal

from msgspec import Struct

Length = Literal["", "quarter", "year"]

_ORDINALS: Final = {"first": 1, "second": 2, "third": 3, "fourth": 4, "1st": 1, "2nd": 2, "3rd": 3, "4th": 4}
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH: Final = (
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)"
)
_YEAR: Final = re.compile(r"(?<![\w.,$€£-])(?:FY ?)?((?:19|20)\d\d)(?:[/–-]\d\d)?(?![\d%]|[.,]\d)|\bFY ?(\d\d)\b")
_QUARTER: Final = re.compile(
    rf"\b({'|'.join(_ORDINALS)})(?: fiscal)?[ -]quarters?\b|\bq([1-4])\b|\b([1-4])q(?:\d\d)?\b", re.IGNORECASE
)
_DAY: Final = re.compile(
    rf"\b{_MONTH}\.? (\d\d?)\b(?!\d| ?%)|\b(\d\d?)(?:st|nd|rd|th)?(?: of)? {_MONTH}\b", re.IGNORECASE
)
_OF_QUARTER: Final = re.compile(r"\bquarter(?:s|ly)?\b|\bthree months\b|\bq[1-4]\b", re.IGNORECASE)
_OF_YEAR: Final = re.compile(r"\byears? end|\b(?:fiscal|calendar) (?:years?\b|\d{4})|\btwelve months\b", re.IGNORECASE)
_AROUND_WORDS: Final = "quarter quarters year years month months fiscal calendar financial ended ending of in the fy"
_AROUND: Final = frozenset(_AROUND_WORDS.split())
"""The words that a period stands in: `in the quarter ended`."""


class Period(Struct, frozen=True):
    years: frozenset[int] = frozenset()
    quarters: frozenset[int] = frozenset()
    days: frozenset[tuple[int, int]] = frozenset()
    """Month and day."""
    length: Length = ""
    """Of what is told to be a quarter or a year."""

    @property
    def said(self) -> bool:
        return bool(self.years or self.quarters or self.days)


@lru_cache(maxsize=8192)
def period_of(text: str) -> Period:
    """All periods that a text names."""
    length: Length = "quarter" if _OF_QUARTER.search(text) else "year" if _OF_YEAR.search(text) else ""
    return Period(
        years=frozenset(int(m[1] or f"20{m[2]}") for m in _YEAR.finditer(text)),
        quarters=frozenset(_ORDINALS[m[1].lower()] if m[1] else int(m[2] or m[3]) for m in _QUARTER.finditer(text)),
        days=frozenset((_MONTHS.index((m[1] or m[4])[:3].lower()) + 1, int(m[2] or m[3])) for m in _DAY.finditer(text)),
        length=length,
    )


def without_periods(text: str) -> str:
    """A question without the words that say which period it is about: what is left says what is asked."""
    for pattern in (_QUARTER, _DAY, _YEAR):
        text = pattern.sub("\0", text)
    kept: list[str] = []
    for word in text.split():
        if "\0" in word:
            while kept and kept[-1].casefold() in _AROUND:
                kept.pop()
            word = word.replace("\0", "").strip(",")
        if word:
            kept.append(word)
    return " ".join(kept)
