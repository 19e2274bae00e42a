"""Passages of different documents that answer the question differently: "30 days" in one, "45 days" in the other.

A false alarm costs more than a conflict that is missed, so everything must agree but one thing: both sentences may
answer the question, speak of the same, and differ in one value of one kind, in the name that is asked for, or in a
"not". `benchmarks/contradictions.py` measures it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Literal

from msgspec import Struct

from guru.knowledge.answer.evidence import Evidence
from guru.knowledge.answer.features import Candidate, Passage
from guru.knowledge.answer.orders import gives_orders
from guru.knowledge.answer.reading import best_span
from guru.knowledge.answer.values import Value, agree, values_of
from guru.knowledge.answer.words import content, is_yes_no, names, negated, words
from guru.knowledge.dates import read_date
from guru.knowledge.terms import fold
from guru.types import Embedder, Hit

Kind = Literal["value", "date", "name", "negation"]

HERE: Final = 0.5
"""What the reader must say at least of a passage: that the answer is here."""
ALIKE: Final = 0.8
"""Cosine of the two sentences without what they differ in, from which they speak of the same."""
CANDIDATES: Final = 12
"""Sentences that are looked at: the likeliest answers."""
_SHARED: Final = 0.6
"""Share of the content words of the shorter sentence that the longer one has too."""
_SELF_CONTAINED: Final = 3
"""Words of a question that both sentences have, from which the titles of the documents do not matter."""
_CALENDAR: Final = ("date", "clock", "weekday")
_NAME_WORDS: Final = 6
_CHANCE: Final = 0.4
"""Of the words that the reader takes for the answer, where names are compared."""
_CONDITIONS: Final = re.compile(
    r"\b(?:if|unless|except|until|only|without|when|where|some|most|many|few|other|another|also|such as|for example|"
    r"including|one of|usually|sometimes|often|may|might|could|would)\b",
    re.IGNORECASE,
)
_PAST: Final = re.compile(
    r"\b(?:previously|formerly|used to|until|was|were|had been|before|originally|at first|old|former|no longer)\b",
    re.IGNORECASE,
)
_NEUTRAL_WORDS: Final = """
now new current currently effective since starting start begin valid apply applies today recently updated update version
maximum minimum total exactly full always every each set rise raise raised increase increased reduce reduced change
changed extend extended limit limited allow allowed entitled entitle receive get grant granted
"""
_GENERIC_WORDS: Final = """
handbook policy memo guide manual notice faq rule term version update amendment draft final old new document notes note
report page annual announcement revised revision current archive edition copy employee staff company hr info information
overview general summary readme
"""
_NEUTRAL: Final = frozenset(map(fold, _NEUTRAL_WORDS.split()))
"""Words in one sentence alone that do not make it speak of something else."""
_GENERIC: Final = frozenset(map(fold, _GENERIC_WORDS.split()))
"""Words of titles that say what a document is, and not what it is about."""
_OPPOSITES: Final = tuple(
    (re.compile(rf"\b(?:{one})\b", re.IGNORECASE), re.compile(rf"\b(?:{other})\b", re.IGNORECASE))
    for one, other in (
        ("allowed|permitted|welcome", "forbidden|prohibited|banned|disallowed"),
        ("required|mandatory|compulsory|obligatory", "optional|voluntary"),
        ("enabled|on", "disabled|off"),
        ("included", "excluded"),
        ("open|opens", "closed"),
        ("supported|available", "unsupported|unavailable|discontinued"),
        ("valid", "invalid|void"),
    )
)
_POLAR: Final = frozenset(
    word for pair in _OPPOSITES for side in pair for word in re.findall(r"[a-z]{2,}", side.pattern)
)
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


class _Said(Struct, frozen=True):
    """A sentence that may answer, taken apart."""

    candidate: Candidate
    passage: Passage
    start: int
    end: int
    text: str
    is_row: bool
    values: list[Value]


async def find_conflicts(evidence: Evidence, embedder: Embedder | None) -> list[Disagreement]:
    """Where documents disagree on what was asked: at most one disagreement for each quote of the evidence."""
    found: list[Disagreement] = []
    seen: set[tuple[int, int]] = set()
    said = _likeliest(evidence)
    for anchor in (s for s in said if _is_quoted(evidence, s)):
        if (anchor.candidate.passage, anchor.start) in seen:
            continue
        sides: list[_Said] = []
        kinds: list[tuple[Kind, str, str]] = []
        for other in said:
            if other.passage.hit.document_id in {s.passage.hit.document_id for s in (anchor, *sides)}:
                continue
            difference = _difference(evidence, anchor, other)
            if difference is not None and await _same(evidence, anchor, other, difference, embedder):
                sides.append(other)
                kinds.append(difference)
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


def _likeliest(evidence: Evidence) -> list[_Said]:
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
        found.append(_Said(candidate, passage, sentence.start, sentence.end, said, is_row, values_of(said)))
    return found


def _is_quoted(evidence: Evidence, said: _Said) -> bool:
    return any(
        quote.passage == said.candidate.passage and quote.start < said.end and said.start < quote.end
        for quote in evidence.quotes
    )


def _side(said: _Said, says: str) -> Side:
    text = said.passage.slice(said.start, said.end)
    return Side(said.candidate.passage, said.start, said.end, text, says, date_of(said.passage.hit))


# ------------------------------------------------------------------------- what differs


def _difference(evidence: Evidence, one: _Said, other: _Said) -> tuple[Kind, str, str] | None:
    """The one thing in which two sentences differ: its kind, and what each says. None when there is none, or more."""
    mine, theirs = _unmatched(one, other), _unmatched(other, one)
    if not mine and not theirs:
        return _opposite(evidence, one, other) or _names(evidence, one, other)
    asked = evidence.question.kind
    if asked in ("person", "place") or _of_the_question(evidence, one, other):
        return None
    by_dimension = [(a, b) for a in mine for b in theirs if a.dimension == b.dimension]
    if len(by_dimension) != 1:
        return None
    a, b = by_dimension[0]
    # Beside what differs, one of them may say since when, as new versions do.
    rest = [value for value in (*mine, *theirs) if value not in (a, b)]
    if any(value.dimension != "date" for value in rest) or (rest and a.dimension == "date"):
        return None
    if asked == "time" and a.dimension not in (*_CALENDAR, "time"):
        return None
    if not (_is_the_answer(one, a) and _is_the_answer(other, b)):
        return None
    kind: Kind = "date" if a.dimension in _CALENDAR else "value"
    return kind, one.text[a.start : a.end], other.text[b.start : b.end]


def _unmatched(one: _Said, other: _Said) -> list[Value]:
    """Values of a sentence that agree with none of the other's."""
    return [value for value in one.values if not any(agree(value, theirs) for theirs in other.values)]


def _of_the_question(evidence: Evidence, one: _Said, other: _Said) -> bool:
    """Whether a value of the question stands in one of the sentences alone: then they speak of different cases."""
    for value in values_of(evidence.question.text):
        has = [any(agree(value, theirs) for theirs in said.values) for said in (one, other)]
        if has[0] != has[1]:
            return True
    return False


def _is_the_answer(said: _Said, value: Value) -> bool:
    """Whether the reader points at the value; true where none reads, and in rows, whose text is not the document's."""
    span = best_span(said.passage, said.start, said.end)
    if span is None or said.is_row:
        return True
    return span.start < said.start + value.end and said.start + value.start < span.end


def _opposite(evidence: Evidence, one: _Said, other: _Said) -> tuple[Kind, str, str] | None:
    """One says that it is so, the other that it is not."""
    if evidence.question.kind != "thing" or _conditions(one.text) != _conditions(other.text):
        return None
    first, second = _polarity(one.text, other.text), _polarity(other.text, one.text)
    return ("negation", one.text, other.text) if first != second else None


def _conditions(text: str) -> set[str]:
    """What limits a statement to some cases: "unless", "only", "usually"."""
    return {match.lower() for match in _CONDITIONS.findall(text)}


def _polarity(text: str, beside: str) -> bool:
    """Whether a sentence denies, where `beside` says the same; "forbidden" denies beside "allowed"."""
    denied = negated(text)
    for positive, negative in _OPPOSITES:
        if negative.search(text) and positive.search(beside) and not positive.search(text):
            denied = not denied
    return denied


def _names(evidence: Evidence, one: _Said, other: _Said) -> tuple[Kind, str, str] | None:
    """The reader takes other words for the answer in each, and around them they say the same."""
    if evidence.question.kind not in ("person", "place", "thing") or is_yes_no(evidence.question.text):
        return None
    if _conditions(one.text) != _conditions(other.text) or one.is_row or other.is_row:
        return None
    told = []
    for said in (one, other):
        span = best_span(said.passage, said.start, said.end)
        if span is None or span.chance < _CHANCE:
            return None
        text = said.passage.slice(span.start, span.end)
        if len(text.split()) > _NAME_WORDS or re.search(r",|\band\b|\bor\b|&", text) or values_of(text):
            return None
        told.append((text, set(content(text, evidence.question.language))))
    (first, mine), (second, theirs) = told
    if not mine or not theirs or mine & theirs:
        return None
    around = [
        set(content(said.text.replace(text, " "), evidence.question.language))
        for said, (text, _) in zip((one, other), told, strict=True)
    ]
    same = around[0] == around[1] or (len(around[0] ^ around[1]) == 1 and len(around[0] & around[1]) >= 3)
    return ("name", first, second) if same and len(around[0] & around[1]) >= 2 else None


# ----------------------------------------------------------------- whether of the same


async def _same(
    evidence: Evidence, one: _Said, other: _Said, difference: tuple[Kind, str, str], embedder: Embedder | None
) -> bool:
    """Whether two sentences speak of the same thing, time and case, apart from what differs."""
    kind, mine, theirs = difference
    if bool(_PAST.search(one.text)) != bool(_PAST.search(other.text)) and kind != "name":
        return False
    rest = [_without(one, mine, kind), _without(other, theirs, kind)]
    language = evidence.question.language
    terms = [set(content(text, language)) for text in rest]
    if kind == "negation":
        terms = [{t for t in found if not negated(t)} - _stems(_POLAR, language) for found in terms]
    shared = terms[0] & terms[1]
    if len(shared) < 2 or len(shared) < _SHARED * min(len(terms[0]), len(terms[1])):
        return False
    asked = evidence.question.terms
    spoken = [set(content(" ".join([s.passage.hit.text, *_titles(s.passage)]), language)) for s in (one, other)]
    if (asked & terms[0]) - spoken[1] or (asked & terms[1]) - spoken[0]:
        return False  # what was asked about is in one of them alone
    around = [_about(one.passage), _about(other.passage)]
    if _names_elsewhere(rest[0], around[1]) or _names_elsewhere(rest[1], around[0]):
        return False
    if not _same_subject(evidence, one, other, terms, spoken):
        return False
    neutral = _stems(_NEUTRAL, language)
    extra = [{t for t in terms[i] - terms[1 - i] if t not in neutral} - asked for i in (0, 1)]
    if kind == "negation" and (extra[0] or extra[1]):
        return False
    if not extra[0] and not extra[1]:
        return True
    if embedder is None or len(extra[0]) + len(extra[1]) > 4:
        return False
    vectors = await embedder.embed(rest)
    return float(vectors[0] @ vectors[1]) >= ALIKE + (0.08 if extra[0] and extra[1] else 0.0)


def _without(said: _Said, says: str, kind: Kind) -> str:
    """The sentence without what differs, and without its other values, which agree or say since when."""
    if kind == "negation":
        return said.text
    if kind == "name":
        return said.text.replace(says, " ")
    pieces, position = [], 0
    for value in said.values:
        pieces.append(said.text[position : value.start])
        position = value.end
    return " ".join([*pieces, said.text[position:]])


def _titles(passage: Passage) -> list[str]:
    return [passage.hit.title or "", *passage.hit.heading_path]


def _about(passage: Passage) -> set[str]:
    said = words(" ".join([*_titles(passage), passage.hit.text]))
    return {fold(word.removesuffix("'s")) for word in said}


def _names_elsewhere(rest: str, around: set[str]) -> bool:
    """Whether a sentence names somebody or something, or a number, that the other document does not speak of."""
    numbers = {word for word in words(rest) if any(letter.isdigit() for letter in word)}
    return bool((names(rest) | numbers) - around)


def _same_subject(evidence: Evidence, one: _Said, other: _Said, terms: list[set[str]], spoken: list[set[str]]) -> bool:
    """Both sentences say themselves what was asked about, or their documents are not of different things."""
    asked = evidence.question.terms
    if len(asked & terms[0] & terms[1]) >= min(_SELF_CONTAINED, len(asked)) and len(asked) >= _SELF_CONTAINED:
        return True
    language = evidence.question.language
    titles = [_distinctive(said.passage, language) for said in (one, other)]
    return not ((titles[0] - spoken[1]) and (titles[1] - spoken[0]))


def _distinctive(passage: Passage, language: str) -> set[str]:
    """The words of title and headings that say what the document is about."""
    hit = passage.hit
    text = " ".join([hit.title or hit.document.rpartition("/")[2].rpartition(".")[0], *hit.heading_path])
    plain = re.sub(r"[\d_.-]+", " ", text)
    return {term for term in content(plain, language) if fold(term) not in _stems(_GENERIC, language)}


@lru_cache(maxsize=16)
def _stems(known: frozenset[str], language: str) -> frozenset[str]:
    return frozenset(term for word in known for term in content(word, language)) | known
