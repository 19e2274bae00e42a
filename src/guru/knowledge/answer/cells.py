"""Which cell of which row answers: the row by its label, the column by its name or by the period that is asked for.

Measured for rows alone; of anything else these features are 0. They have weights of their own (`weights.json`), so that
what is chosen among sentences does not change.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct

from guru.knowledge.answer.about import about
from guru.knowledge.answer.periods import Period, period_of, without_periods
from guru.knowledge.answer.tables import Row
from guru.knowledge.answer.words import content, numbers, question_kind
from guru.knowledge.chunk.tables import is_figure
from guru.knowledge.terms import terms
from guru.types import Hit

FEATURES: Final = ("row_said", "row_around", "row_only", "row_period", "row_column", "row_whole", "row_phrase", "row_of_other", "row_unnamed", "row_exact")
NOTHING: Final = dict.fromkeys(FEATURES, 0.0)
_MEASURES: Final = "value amount number figure size worth million billion thousand spend"
"""Words that ask for a figure, and that tables seldom repeat."""
_WHAT: Final = re.compile(r"(?:what|by how|how)\b", re.IGNORECASE)
_YEAR: Final = re.compile(r"(?:19|20)\d\d")
_NOTE: Final = re.compile(r"\((?:\d|[a-z])\)")
_HALF: Final = 0.5
_RIGHT: Final = 1.0
_WRONG: Final = -1.0


class Asked(Struct, frozen=True):
    """What a question asks of tables."""

    terms: frozenset[str]
    """The words that tell, without those of the period."""
    stems: tuple[str, ...]
    """Of all its words, in order."""
    period: Period
    language: str
    figure: bool
    """Whether it asks for a number."""
    numbers: frozenset[str]

    @classmethod
    def of(cls, question: str, language: str) -> Asked:
        terms = frozenset(_content(question, language)) - _measures(language)
        period = period_of(question)
        figure = question_kind(question) == "number" or (period.said and _WHAT.match(question) is not None)
        stems = tuple(_stems(question, language))
        return cls(terms, stems, period, language, figure, frozenset(numbers(question)))


class Match(Struct, frozen=True):
    """How a row fits a question."""

    features: dict[str, float]
    column: int | None = None
    """The cell that answers, where one fits best."""

    @property
    def quality(self) -> float:
        """How far the row is of what is asked, from 0 to 4; 0 where half of it is missing, or the period is another."""
        told = self.features
        if told["row_around"] < _HALF or not told["row_said"] or told["row_period"] < 0:
            return 0.0
        return told["row_phrase"] + told["row_said"] + told["row_around"] + told["row_only"] + told["row_period"]


def figureless(asked: Asked, said: str) -> float:
    """1 for a text without a number beside years and days, where the question asks for one."""
    if not asked.figure:
        return 0.0
    found = {number for number in numbers(without_periods(said)) if not _YEAR.fullmatch(number)}
    return float(not found - asked.numbers)


def match(asked: Asked, row: Row, hit: Hit, elsewhere: float = 0.0) -> Match:
    """Measure a row of the passage `hit` and choose its cell. A row counts the less the further the question names
    other documents, from 0 to 1, and not the row's own."""
    label = frozenset(_content(_NOTE.sub("", row.cells[0]), asked.language))
    over = frozenset(_content(" ".join(row.labels), asked.language))
    corner = row.names[0] if row.names else ""
    values = [place for place, cell in enumerate(row.cells) if (place or is_figure(cell)) and cell]
    if asked.figure:
        values = [place for place in values if is_figure(row.cells[place])]
    best: tuple[float, float, int] | None = None
    for place in values:
        name = row.names[place] if row.names else ""
        fit = _fit(asked.period, name, row, hit)
        said = _share(asked.terms - label, frozenset(_content(name, asked.language)))
        if best is None or (fit + said, said) > (best[0] + best[1], best[1]):
            best = (fit, said, place)
    if best is None:
        return Match(NOTHING)
    fit, named, place = best
    column = frozenset(_content(row.names[place], asked.language)) if row.names else frozenset()
    others = [cell for at, cell in enumerate(row.cells) if at and not is_figure(cell)]
    own = label | column | over | frozenset(_content(" ".join(others), asked.language))
    document = about(hit, asked.language)
    around = own | document | _around(row, hit, asked.language) | frozenset(_content(corner, asked.language))
    features = {
        "row_said": _share(asked.terms - document or asked.terms, own),
        "row_around": _share(asked.terms, around),
        "row_only": _share(label, asked.terms) if label else float(fit > 0),
        "row_of_other": 1 - _share(over, asked.terms | document) if over else 0.0,
        "row_unnamed": float(not row.names and len(values) > 1),
        "row_phrase": _phrase(asked, row.cells[0]),
        "row_period": fit,
        "row_column": named,
    }
    told = [features["row_around"], features["row_only"], *([fit] if asked.period.said else [])]
    features["row_whole"] = max(0.0, math.prod(told)) if features["row_said"] else 0.0
    features["row_exact"] = float(features["row_whole"] == 1.0)
    certain = fit > 0 or named > 0 or len(values) == 1
    share = 1 - elsewhere
    return Match({name: value * share for name, value in features.items()}, place if certain else None)


@lru_cache(maxsize=4096)
def _content(text: str, language: str) -> tuple[str, ...]:
    return tuple(content(without_periods(text).casefold(), language))


def _around(row: Row, hit: Hit, language: str) -> frozenset[str]:
    """The words of what stands over the table."""
    return frozenset(_content(" ".join([row.caption, hit.title or "", *hit.heading_path]), language))


def _share(wanted: frozenset[str], present: frozenset[str]) -> float:
    return len(wanted & present) / len(wanted) if wanted else 0.0


def _phrase(asked: Asked, label: str) -> float:
    """Whether the question has the whole label, word by word."""
    stems = tuple(_stems(_NOTE.sub("", label), asked.language))
    size = len(stems)
    return float(size > 0 and any(asked.stems[at : at + size] == stems for at in range(len(asked.stems) - size + 1)))


@lru_cache(maxsize=4096)
def _stems(text: str, language: str) -> tuple[str, ...]:
    return tuple(terms(text.casefold(), language))


@lru_cache(maxsize=32)
def _measures(language: str) -> frozenset[str]:
    return frozenset(content(_MEASURES, language)) if language == "en" else frozenset()


def _fit(asked: Period, name: str, row: Row, hit: Hit) -> float:
    """How a cell fits the period that is asked for, from -1 to 1: 0 where none is asked, or nothing is told of it.

    What is nearest to the cell counts: the name of its column, the row itself, the labels above it, the caption, then
    the headings of the passage.
    """
    if not asked.said:
        return 0.0
    texts = [name, row.cells[0], *reversed(row.labels), row.names[0] if row.names else "", row.caption, *hit.heading_path]
    told = [period_of(text) for text in texts]
    marks = [
        _mark(asked.years, [_years(asked, period, row, told[0]) for period in told]),
        _mark(asked.quarters, [_quarters(place, period, name, row) for place, period in enumerate(told)]),
        _mark(asked.days, [period.days for period in told]),
        _length(asked, told),
    ]
    given = [mark for mark in marks if mark is not None]
    if _WRONG in given:
        return _WRONG
    return sum(given) / len(given) if given else 0.0


def _mark(asked: frozenset[Any], told: Sequence[frozenset[Any]]) -> float | None:
    """Right, wrong, 0 where nothing is told, None where nothing is asked."""
    if not asked:
        return None
    nearest = next((found for found in told if found), None)
    if nearest is None:
        return 0.0
    return _RIGHT if asked & nearest else _WRONG


def _years(asked: Period, period: Period, row: Row, column: Period) -> frozenset[int]:
    """The years that a text names. Where columns are the days on which the quarters of a fiscal year end, those later
    in the calendar than its last are of the year before."""
    if not asked.days or not column.days or column.years:
        return period.years
    ends = [day for name in row.names for day in period_of(name).days]
    return frozenset(year - (min(column.days) > ends[-1]) for year in period.years)


def _quarters(place: int, period: Period, name: str, row: Row) -> frozenset[int]:
    """The quarters that a text names; of a column named by the day on which a quarter ends, its place among four."""
    if period.quarters or place or not period.days:
        return period.quarters
    ends = [other for other in row.names if period_of(other).days]
    return frozenset({ends.index(name) + 1}) if len(ends) == 4 else frozenset()


def _length(asked: Period, told: Sequence[Period]) -> float | None:
    """Whether the figure is of a quarter or of a year, as is asked: quarters of a year are said to be of both."""
    wanted = asked.length or ("quarter" if asked.quarters else "year" if asked.years and not asked.days else "")
    lengths = {period.length for period in told}
    found = "quarter" if "quarter" in lengths else "year" if "year" in lengths else ""
    if not wanted or not found:
        return None
    return _RIGHT if wanted == found else _WRONG
