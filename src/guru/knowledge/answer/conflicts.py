"""Passages of different documents that answer the question differently: "30 days" in one, "45 days" in the other.

A false alarm costs more than a conflict that is missed, so everything must agree but one thing: both sentences may
answer the question, speak of the same, and differ in one value of one kind, in the name that is asked for, or in a
"not". `benchmarks/contradictions.py` measures it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from guru.knowledge.answer.differing import Difference, Kind, Said, difference
from guru.knowledge.answer.evidence import Evidence
from guru.knowledge.answer.orders import gives_orders
from guru.knowledge.answer.subject import same
from guru.knowledge.answer.values import values_of
from guru.knowledge.dates import read_date
from guru.protocols import Embedder
from guru.types import Hit

HERE: Final = 0.5
"""What the reader must say at least of a passage: that the answer is here."""
CANDIDATES: Final = 12
"""Sentences that are looked at: the likeliest answers."""
_YEAR: Final = re.compile(r"(?<!\d)((?:19|20)\d{2}(?:-\d{2}(?:-\d{2})?)?)(?!\d)")
_DATED: Final = ("effective", "effective_date", "date", "published", "updated", "modified", "created")
"""Metadata that says of when a document is, the first that is there."""


class Side(Struct, frozen=True):
    """What one document says: its sentence, and the words in it by which it differs."""

    passage: int
    """Index in `Evidence.passages`."""
    start: int
    end: int
    text: str
    says: str
    date: str | None


class Disagreement(Struct, frozen=True):
    kind: Kind
    sides: list[Side]
    """Of different documents, the newest first; those without a date after them."""


async def find_conflicts(evidence: Evidence, embedder: Embedder | None) -> list[Disagreement]:
    """Where documents disagree on what was asked: at most one disagreement for each quote of the evidence."""
    found: list[Disagreement] = []
    seen: set[tuple[int, int]] = set()
    said = _likeliest(evidence)
    for anchor in (s for s in said if _is_quoted(evidence, s)):
        if (anchor.candidate.passage, anchor.start) in seen:
            continue
        sides: list[Said] = []
        kinds: list[Difference] = []
        for other in said:
            if other.passage.hit.document_id in {s.passage.hit.document_id for s in (anchor, *sides)}:
                continue
            differs = difference(evidence, anchor, other)
            if differs is None or (kinds and differs[0] != kinds[0][0]):
                continue
            if await same(evidence, anchor, other, differs, embedder):
                sides.append(other)
                kinds.append(differs)
        if sides:
            seen |= {(s.candidate.passage, s.start) for s in (anchor, *sides)}
            made = [_side(anchor, kinds[0][1]), *(_side(s, k[2]) for s, k in zip(sides, kinds, strict=True))]
            found.append(Disagreement(kinds[0][0], newest_first(made)))
    return found


def newest_first(sides: Sequence[Side]) -> list[Side]:
    dated = sorted((s for s in sides if s.date), key=lambda side: str(side.date), reverse=True)
    return [*dated, *(s for s in sides if not s.date)]


def date_of(hit: Hit) -> str | None:
    """The day, month or year that a document is of: as its metadata say, or else its name or title."""
    for name in _DATED:
        if read_date(hit.metadata.get(name)) is not None:
            return str(hit.metadata[name]).strip()[:10]
    for text in (hit.document.rpartition("/")[2], hit.title or ""):
        if (match := _YEAR.search(text)) and read_date(match[1]) is not None:
            return match[1]
    return None


def _likeliest(evidence: Evidence) -> list[Said]:
    """The sentences that may answer, with the reader's consent where there is one, the likeliest first."""
    found = []
    for _, candidate in evidence.ranked[:CANDIDATES]:
        passage = evidence.passages[candidate.passage]
        sentence = passage.sentences[candidate.index]
        if passage.reading is not None and passage.reading.here < HERE:
            continue
        if gives_orders(sentence.text):
            continue
        said = passage.said(sentence.start, sentence.end)
        is_row = sentence.start in passage.tables.rows
        found.append(Said(candidate, passage, sentence.start, sentence.end, said, is_row, values_of(said)))
    return found


def _is_quoted(evidence: Evidence, said: Said) -> bool:
    return any(
        quote.passage == said.candidate.passage and quote.start < said.end and said.start < quote.end
        for quote in evidence.quotes
    )


def _side(said: Said, says: str) -> Side:
    text = said.passage.slice(said.start, said.end)
    return Side(said.candidate.passage, said.start, said.end, text, says, date_of(said.passage.hit))
