"""The sentences that answer a question best, chosen over all retrieved passages before any model is asked.

Each sentence gets a linear score over the features of `features.py`; a softmax over the scores is the probability that
it is the one that answers. The weights are data (`weights.json`), fitted by `benchmarks/answers.py --fit`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from guru.knowledge.answer.features import Candidate, Idf, Passage, Question, candidates, coverage, language, rarity
from guru.knowledge.answer.reading import best_span
from guru.knowledge.answer.tables import CURRENCY_BEHIND, Row
from guru.knowledge.answer.words import content
from guru.knowledge.chunk.tables import cell_spans, cells_of, named_cells
from guru.protocols import AnswerSpan

_CONTINUES: Final = re.compile(r"(?:He|She|It|They|This|These|Those|His|Her|Its|Their|Such|Here|There)\b")
_JOIN_CHARACTERS: Final = 320
"""A predecessor is joined to a sentence that leans on it when both together are at most so long."""


class Linear(Struct, frozen=True):
    """A linear model over named features."""

    weights: dict[str, float]
    bias: float = 0.0

    def score(self, features: dict[str, float]) -> float:
        return self.bias + sum(weight * features[name] for name, weight in self.weights.items())


class Weights(Struct, frozen=True):
    """Two linear models: which sentence answers, and whether any does."""

    sentence: Linear
    confidence: Linear


class Fitted(Struct, frozen=True):
    """The models for what search alone tells of passages, and for what the reader tells too."""

    fitted_by: str
    search: Weights
    reader: Weights


@lru_cache(maxsize=1)
def fitted() -> Fitted:
    """The fitted models that come with the package."""
    return msgspec.convert(json.loads(Path(__file__).with_name("weights.json").read_text("utf-8")), Fitted)


def weights(passages: Sequence[Passage]) -> Weights:
    """The models for these passages, all of which were read or none."""
    return fitted().reader if passages and passages[0].reading is not None else fitted().search


class Quote(Struct, frozen=True):
    """A verbatim span of a passage: `text` stands at `[start, end)` in the stored text of its document."""

    passage: int
    """Index in `Evidence.passages`."""
    start: int
    end: int
    text: str
    score: float
    """Probability that this sentence is the one that answers."""
    answer: AnswerSpan | None = None
    """The words in it that answer: of the row of a table its cell, else what the reader takes for the answer."""
    cell: int | None = None
    """Of the row of a table, the cell that answers, where one is told apart."""


class Evidence(Struct, frozen=True):
    question: Question
    passages: list[Passage]
    """Those that hold the quotes first, in the order of the quotes; then the others by rank."""
    quotes: list[Quote]
    """The best first. Empty only when nothing was retrieved."""
    ranked: list[tuple[float, Candidate]]
    """Every sentence with its probability, the best first."""
    idf: Idf

    def cell_at(self, passage: int, start: int) -> AnswerSpan | None:
        """Where the cell stands that answers, if that is a row whose cell is told apart."""
        for _, candidate in self.ranked:
            sentence = self.passages[passage].sentences[candidate.index] if candidate.passage == passage else None
            if sentence is not None and sentence.start == start and candidate.cell is not None:
                return cell_span(sentence.text, candidate.cell, start)
        return None

    def said(self, quote: Quote) -> str:
        """What a quote states: its text, or the row of a table in words, of its figures the one that answers."""
        row = self.row(quote)
        if row is None:
            return quote.text
        # A label may be of the first rows below it alone: it is told where it is asked for.
        language = self.question.language
        asked = self.question.terms - set(content(row.cells[0], language))
        over = set(content(" ".join(row.labels[-1:]), language))
        return row.words(quote.cell, label=bool(asked & over))

    def row(self, quote: Quote) -> Row | None:
        """The row that a quote is, if its columns have names or one of its cells answers."""
        tables = self.passages[quote.passage].tables
        return tables.rows.get(quote.start) or (tables.bare.get(quote.start) if quote.cell is not None else None)


def cell_span(line: str, cell: int, start: int) -> AnswerSpan:
    """Where a cell stands in its document, whose row begins at `start`."""
    first, last = cell_spans(line)[cell]
    last = first + len(CURRENCY_BEHIND.sub("", line[first:last]))
    if (own := named_cells(cells_of(line))) is not None:
        first = last - len(CURRENCY_BEHIND.sub("", own[1][cell]))
    return AnswerSpan(start + first, start + last, 1.0)


def gather(question: str, passages: Sequence[Passage], *, limit: int = 3) -> Evidence:
    """Choose 1 to `limit` quotes: the best sentence, and others while they are nearly as likely and say more."""
    spoken = language(passages)
    asked = Question.of(question, spoken)
    idf = rarity(passages, spoken)
    ranked = rank(asked, passages, idf)
    chosen = _choose(asked, ranked, idf, limit)
    order = list(dict.fromkeys(candidate.passage for _, candidate in chosen))
    order += [index for index in range(len(passages)) if index not in order]
    place = {index: position for position, index in enumerate(order)}
    ranked = [(p, msgspec.structs.replace(c, passage=place[c.passage])) for p, c in ranked]
    ordered = [passages[index] for index in order]
    quotes = [
        _quote(asked, probability, passages, candidate, place[candidate.passage]) for probability, candidate in chosen
    ]
    return Evidence(asked, ordered, _without_overlaps(quotes), ranked, idf)


def rank(question: Question, passages: Sequence[Passage], idf: Idf) -> list[tuple[float, Candidate]]:
    """Every sentence of the passages with the probability that it answers, the best first."""
    model = weights(passages).sentence
    scored = [(model.score(candidate.features), candidate) for candidate in candidates(question, passages, idf)]
    if not scored:
        return []
    highest = max(score for score, _ in scored)
    mass = sum(math.exp(score - highest) for score, _ in scored)
    return sorted(((math.exp(score - highest) / mass, c) for score, c in scored), key=lambda pair: -pair[0])


_NEARLY: Final = 0.2
"""A further sentence is quoted when it is at least this likely, relative to the best one ..."""
_AS_GOOD: Final = 0.6
_COVERS: Final = 0.15
"""... and it is nearly as likely, or has this share of the question (by weight) that is not yet covered."""
_SAME: Final = 0.75
"""Share of content words from which a sentence repeats one already chosen."""


def _choose(
    question: Question, ranked: list[tuple[float, Candidate]], idf: Idf, limit: int
) -> list[tuple[float, Candidate]]:
    chosen: list[tuple[float, Candidate]] = []
    open_terms = question.terms
    for probability, candidate in ranked:
        if len(chosen) == limit or (chosen and probability < _NEARLY * chosen[0][0]):
            break
        if any(_repeats(candidate, earlier) for _, earlier in chosen):
            continue
        covers = coverage(question.terms, open_terms & candidate.terms, idf)
        if not chosen or covers >= _COVERS or probability >= _AS_GOOD * chosen[0][0]:
            chosen.append((probability, candidate))
            open_terms = open_terms - candidate.terms
    return chosen


def _repeats(one: Candidate, other: Candidate) -> bool:
    smaller = min(len(one.terms), len(other.terms))
    return smaller > 0 and len(one.terms & other.terms) >= _SAME * smaller


def _quote(
    question: Question, probability: float, passages: Sequence[Passage], candidate: Candidate, place: int
) -> Quote:
    passage = passages[candidate.passage]
    sentence = passage.sentences[candidate.index]
    start = sentence.start
    if candidate.cell is None and candidate.index and _CONTINUES.match(sentence.text):
        before = passage.sentences[candidate.index - 1]
        adds = (question.terms - candidate.terms) & set(content(before.text, question.language))
        if adds and sentence.end - before.start <= _JOIN_CHARACTERS:
            start = before.start
    text = passage.slice(start, sentence.end)
    answer = best_span(passage, start, sentence.end)
    cell = candidate.cell
    if cell is not None:
        answer = cell_span(text, cell, start)
    return Quote(place, start, sentence.end, text, probability, answer, cell)


def _without_overlaps(quotes: list[Quote]) -> list[Quote]:
    kept: list[Quote] = []
    for quote in quotes:
        if not any(q.passage == quote.passage and q.start < quote.end and quote.start < q.end for q in kept):
            kept.append(quote)
    return kept
