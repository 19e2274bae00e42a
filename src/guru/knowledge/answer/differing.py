"""In what two sentences that may answer the same question differ: in one value, in a name, or in a "not"."""

from __future__ import annotations

import re
from typing import Final, Literal

from msgspec import Struct

from guru.knowledge.answer.evidence import Evidence
from guru.knowledge.answer.features import Candidate, Passage
from guru.knowledge.answer.reading import best_span
from guru.knowledge.answer.values import Value, agree, values_of
from guru.knowledge.answer.words import content, is_yes_no, negated

Kind = Literal["value", "date", "name", "negation"]
Difference = tuple[Kind, str, str]
"""Its kind, and what each of the two says."""

_CALENDAR: Final = ("date", "clock", "weekday")
_NAME_WORDS: Final = 6
_CHANCE: Final = 0.4
"""Of the words that the reader takes for the answer, where names are compared."""
_CONDITIONS: Final = re.compile(
    r"\b(?:if|unless|except|until|only|without|when|where|some|most|many|few|other|another|also|such as|for example|"
    r"including|one of|usually|sometimes|often|may|might|could|would)\b",
    re.IGNORECASE,
)
OPPOSITES: Final = tuple(
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


class Said(Struct, frozen=True):
    """A sentence that may answer, taken apart."""

    candidate: Candidate
    passage: Passage
    start: int
    end: int
    text: str
    is_row: bool
    values: list[Value]


def difference(evidence: Evidence, one: Said, other: Said) -> Difference | None:
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


def _unmatched(one: Said, other: Said) -> list[Value]:
    """Values of a sentence that agree with none of the other's."""
    return [value for value in one.values if not any(agree(value, theirs) for theirs in other.values)]


def _of_the_question(evidence: Evidence, one: Said, other: Said) -> bool:
    """Whether a value of the question stands in one of the sentences alone: then they speak of different cases."""
    for value in values_of(evidence.question.text):
        has = [any(agree(value, theirs) for theirs in said.values) for said in (one, other)]
        if has[0] != has[1]:
            return True
    return False


def _is_the_answer(said: Said, value: Value) -> bool:
    """Whether the reader points at the value; true where none reads, and in rows, whose text is not the document's."""
    span = best_span(said.passage, said.start, said.end)
    if span is None or said.is_row:
        return True
    return span.start < said.start + value.end and said.start + value.start < span.end


def _opposite(evidence: Evidence, one: Said, other: Said) -> Difference | None:
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
    for positive, negative in OPPOSITES:
        if negative.search(text) and positive.search(beside) and not positive.search(text):
            denied = not denied
    return denied


def _names(evidence: Evidence, one: Said, other: Said) -> Difference | None:
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
