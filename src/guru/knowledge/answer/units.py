"""In which unit a question wants its figure, and whether a sentence or the row of a table states one in it.

"How many people" is not answered by a sum of money, nor "how much did it grow" by the size that it has. English only:
of other languages nothing is known here, and nothing is held against a sentence.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from guru.knowledge.answer.tables import Row
from guru.knowledge.answer.values import CURRENCIES, UNITS, values_of

MONEY: Final = "money"
_MONEYS: Final = frozenset(CURRENCIES.values())
_DATES: Final = frozenset({"date", "clock", "weekday", "version"})
_HOW_MANY: Final = re.compile(r"\bhow many (?:more |other |total |different |of the )?(?P<what>[\w%]+)", re.IGNORECASE)
_WANTED: Final[tuple[tuple[re.Pattern[str], frozenset[str]], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), frozenset(units.split()))
    for pattern, units in (
        (r"\b(?:what|which) (?:\w+ )?(?:percent(?:age)?|per cent|share|proportion)\b|\bhow much of\b", "percent"),
        (r"\bby how much\b", "percent money count"),
        (r"\bhow much (?:did|do|does|has|have|had)\b.*\b(?:grow|grown|increased?|rise|risen|decreased?|declined?|fall|"
         r"fallen|drop(?:ped)?|shrink|shrunk)\b", "percent"),
        (r"\bhow much money\b|\bhow much (?:\w+ )*?(?:costs?|pay|paid|spen[dt]|earn(?:ed)?|charged?|owed?|worth|"
         r"invest(?:ed)?|donated?|sold)\b|\b(?:what|which) (?:\w+ )*?(?:cost|price|fee|salary|budget)\b", "money"),
        (r"\bhow (?:tall|high|deep|wide|far)\b", "length"),
        (r"\bhow old\b", "time date"),
        (r"\bhow heavy\b|\bhow much (?:\w+ )*?weigh\b", "mass"),
    )
)  # fmt: skip
_SIGN: Final = re.compile("[$€£¥]")
_IN_MONEY: Final = re.compile(
    r"(?:^|\()\s*in (?:thousands|millions|billions)\b|\b(?:dollars|euros)\b|[$€£¥]", re.IGNORECASE
)
"""What stands over a table of sums; "(shares in millions)" is none."""


@lru_cache(maxsize=256)
def wanted_units(question: str) -> frozenset[str]:
    """The dimensions of `values`, all money as one, that an answer may have; none where the question leaves it open."""
    if found := _HOW_MANY.search(question):
        what = found["what"].lower()
        unit = _dimension(what) or _dimension(what.removesuffix("s")) or _dimension(what.removesuffix("es"))
        return frozenset({unit or "count"}) if what not in ("square", "cubic") else frozenset()
    return next((units for pattern, units in _WANTED if pattern.search(question)), frozenset())


def unit_fits(question: str, said: str, row: Row | None) -> float:
    """1 for a text with a figure in a unit that is asked for, -1 where its figures are all in others, otherwise 0."""
    wanted = wanted_units(question)
    if not wanted:
        return 0.0
    asked = {figure for figure, _ in _figures(question)}
    stated = {unit for figure, unit in _figures(said) if figure not in asked and (unit not in _DATES or unit in wanted)}
    if row is not None and "count" in stated and _is_of_money(row, said):
        stated = stated - {"count"} | {MONEY}
    return 0.0 if not stated else 1.0 if stated & wanted else -1.0


def _is_of_money(row: Row, said: str) -> bool:
    over = f"{row.names[0] if row.names else ''} {row.caption}"
    return _SIGN.search(said) is not None or _IN_MONEY.search(over) is not None


def _figures(text: str) -> list[tuple[str, str]]:
    """Every figure as it is written, with its unit."""
    return [(text[value.start : value.end].lower(), _unit(value.dimension)) for value in values_of(text)]


def _dimension(word: str) -> str | None:
    return MONEY if word in CURRENCIES else UNITS[word][0] if word in UNITS else None


def _unit(dimension: str) -> str:
    return MONEY if dimension in _MONEYS else dimension
