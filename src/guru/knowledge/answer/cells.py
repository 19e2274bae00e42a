"""Which cell of which row answers: the row by its label, the column by its name or by the period that is asked for.

Measured for rows alone; of anything else these features are 0. They have weights of their own (`weights.json`), so that
what is chosen among sentences does not change.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from msgspec import Struct

from guru.knowledge.answer.about import about
from guru.knowledge.answer.column import fit
from guru.knowledge.answer.periods import Period, period_of, without_periods
from guru.knowledge.answer.tables import Row
from guru.knowledge.answer.words import content, numbers, question_kind
from guru.knowledge.chunk.tables import is_figure
from guru.knowledge.terms import terms
from guru.types import Hit

FEATURES: Final = (
    "row_said", "row_around", "row_period", "row_whole", "row_exact", "row_phrase", "row_of_other", "row_unnamed"
)  # fmt: skip
NOTHING: Final = dict.fromkeys(FEATURES, 0.0)
_MEASURES: Final = "value amount number figure size worth million billion thousand spend"
"""Words that ask for a figure, and that tables seldom repeat."""
_WHAT: Final = re.compile(r"(?:what|by how|how)\b", re.IGNORECASE)
_YEAR: Final = re.compile(r"(?:19|20)\d\d")
_NOTE: Final = re.compile(r"\((?:\d|[a-z])\)")
_HALF: Final = 0.5
"""Share of what is asked that a row must have to be read for it."""


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
        terms = _content(question, language) - _measures(language)
        period = period_of(question)
        figure = question_kind(question) == "number" or (period.said and _WHAT.match(question) is not None)
        stems = tuple(_stems(question, language))
        return cls(terms, stems, period, language, figure, frozenset(numbers(question)))


class Match(Struct, frozen=True):
    """How a row fits a question."""

    features: dict[str, float]
    cell: int | None = None
    """Which of its cells answers, where one fits best."""
    label: float = 0.0
    """Share of the words of its label that the question has."""

    @property
    def quality(self) -> float:
        """How far the row is of what is asked, from 0 to 5; 0 where half of it is missing, or the period is another."""
        told = self.features
        if told["row_around"] < _HALF or not told["row_said"] or told["row_period"] < 0:
            return 0.0
        return told["row_phrase"] + told["row_said"] + told["row_around"] + told["row_period"] + self.label


def figureless(asked: Asked, said: str) -> float:
    """1 for a text without a number beside years and days, where the question asks for one."""
    if not asked.figure:
        return 0.0
    found = {number for number in numbers(without_periods(said)) if not _YEAR.fullmatch(number)}
    return float(not found - asked.numbers)


def match(asked: Asked, row: Row, hit: Hit, elsewhere: float = 0.0) -> Match:
    """Measure a row of the passage `hit` and choose its cell. A row counts the less the further the question names
    other documents, from 0 to 1, and not the row's own."""
    label = _words(_NOTE.sub("", row.cells[0]), asked)
    chosen = _choose(asked, row, hit, label)
    if chosen is None:
        return Match(NOTHING)
    column, period, certain = chosen
    over, document = _words(" ".join(row.labels), asked), about(hit, asked.language)
    texts = [cell for at, cell in enumerate(row.cells) if at and not is_figure(cell)]
    own = label | over | _words(" ".join([row.names[column] if row.names else "", *texts]), asked)
    title = [row.names[0] if row.names else "", row.caption, hit.title or "", *hit.heading_path]
    around = own | document | _words(" ".join(title), asked)
    said, told = _share(asked.terms - document or asked.terms, own), _share(asked.terms, around)
    only = _share(label, asked.terms) if label else float(period > 0)
    whole = told * only * (max(0.0, period) if asked.period.said else 1.0) if said else 0.0
    features = {
        "row_said": said,
        "row_around": told,
        "row_period": period,
        "row_whole": whole,
        "row_exact": float(whole == 1.0),
        "row_phrase": _phrase(asked, row.cells[0]) * told,
        "row_of_other": 1 - _share(over, asked.terms | document) if over else 0.0,
        "row_unnamed": float(not row.names and len(row.cells) > 2),
    }
    return Match({name: value * (1 - elsewhere) for name, value in features.items()}, column if certain else None, only)


def _choose(asked: Asked, row: Row, hit: Hit, label: frozenset[str]) -> tuple[int, float, bool] | None:
    """The cell that fits best, how it fits the period, and whether no other fits as well. None for a row without any
    that may answer."""
    places = [at for at, cell in enumerate(row.cells) if at and cell and (not asked.figure or is_figure(cell))]
    found = []
    for at in places or [at for at in (0,) if is_figure(row.cells[0])]:
        name = row.names[at] if row.names else ""
        period = fit(asked.period, name, row, hit)
        found.append((period + _share(asked.terms - label, _words(name, asked)), period, at))
    if not found:
        return None
    best = max(found, key=lambda one: one[0])
    alone = sum(one[0] == best[0] for one in found) == 1
    return best[2], best[1], alone and (best[0] > 0 or len(found) == 1)


def _words(text: str, asked: Asked) -> frozenset[str]:
    return _content(text, asked.language)


@lru_cache(maxsize=8192)
def _content(text: str, language: str) -> frozenset[str]:
    return frozenset(content(without_periods(text).casefold(), language))


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
