"""Whether the column of a cell is of the period that a question asks for: the year, the quarter, the day."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from guru.knowledge.answer.periods import Period, period_of
from guru.knowledge.answer.tables import Row
from guru.types import Hit

_RIGHT: Final = 1.0
_WRONG: Final = -1.0


def fit(asked: Period, name: str, row: Row, hit: Hit) -> float:
    """How a cell fits the period that is asked for, from -1 to 1: 0 where none is asked, or nothing is told of it.

    What is nearest to the cell counts: the name of its column, the row itself, the labels above it, the caption, the
    headings of the passage, then what its document is called.
    """
    if not asked.said:
        return 0.0
    over = [*reversed(row.labels), row.names[0] if row.names else "", row.caption]
    told = [period_of(text) for text in [name, row.cells[0], *over, *reversed(hit.heading_path), *_names(hit)]]
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


def _names(hit: Hit) -> list[str]:
    return [hit.title or "", PurePosixPath(hit.document).stem.replace("_", " ")]


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
