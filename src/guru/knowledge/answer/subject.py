"""Whether two sentences speak of the same thing, time and case, apart from what they differ in."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from guru.knowledge.answer.differing import OPPOSITES, Difference, Kind, Said
from guru.knowledge.answer.evidence import Evidence
from guru.knowledge.answer.features import Passage
from guru.knowledge.answer.words import content, names, negated, words
from guru.knowledge.terms import fold
from guru.protocols import Embedder

ALIKE: Final = 0.8
"""Cosine of the two sentences without what they differ in, from which they speak of the same."""
_SHARED: Final = 0.6
"""Share of the content words of the shorter sentence that the longer one has too."""
_SELF_CONTAINED: Final = 3
"""Words of a question that both sentences have, from which the titles of the documents do not matter."""
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
_POLAR: Final = frozenset(
    word for pair in OPPOSITES for side in pair for word in re.findall(r"[a-z]{2,}", side.pattern)
)


async def same(evidence: Evidence, one: Said, other: Said, difference: Difference, embedder: Embedder | None) -> bool:
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


def _without(said: Said, says: str, kind: Kind) -> str:
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


def _same_subject(evidence: Evidence, one: Said, other: Said, terms: list[set[str]], spoken: list[set[str]]) -> bool:
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
