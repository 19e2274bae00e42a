"""What is measured about a question and each retrieved sentence. Pure functions of text and retrieval scores."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Final

from msgspec import Struct, structs

from guru.knowledge.answer.about import Subjects
from guru.knowledge.answer.cells import NOTHING, Asked, Match, figureless, match
from guru.knowledge.answer.orders import evident
from guru.knowledge.answer.tables import Tables, find_tables
from guru.knowledge.answer.words import (
    Kind,
    assertions,
    content,
    holds,
    is_yes_no,
    known_names,
    names,
    negated,
    numbers,
    question_kind,
)
from guru.knowledge.odds import logit
from guru.knowledge.search import Retrieval, Sentence
from guru.knowledge.terms import language_of
from guru.protocols import Reading
from guru.types import Hit

ROWS: Final = 6
"""Passages that are added for their rows."""
Idf = Callable[[str], float]
"""How telling a term is: the logarithm of how rare it is."""

_HEADING: Final = re.compile(r"\s{0,3}(?:#{1,6}\s|```|~~~|\|[\s|:-]*\|?$)")
_FRONT_MATTER: Final = re.compile(r"---\n.*?\n---[ \t]*\n\s*", re.DOTALL)
_TITLE_LIKE: Final = re.compile(r"[^-*•|.!?:;,\d][^|.!?:;,\n]*")
_TITLE_WORDS: Final = 7
_PRONOUN: Final = re.compile(r"(?:He|She|It|They|This|These|His|Her|Their|Its|Such)\b")


class Passage(Struct, frozen=True):
    """A retrieved passage and its sentences, in order; a sentence's score is its cosine to the question."""

    hit: Hit
    sentences: list[Sentence]
    tables: Tables = Tables()
    reading: Reading | None = None
    """What the reader says of it, where there is one."""

    def slice(self, start: int, end: int) -> str:
        """`document[start:end]`, which lies within the passage."""
        return self.hit.text[start - self.hit.start : end - self.hit.start]

    def said(self, start: int, end: int) -> str:
        """What the span states: its text, or for the row of a table its cells with the names of their columns."""
        row = self.tables.rows.get(start)
        return row.text if row else self.slice(start, end)


class Question(Struct, frozen=True):
    text: str
    language: str
    terms: frozenset[str]
    bigrams: frozenset[tuple[str, str]]
    kind: Kind
    names: frozenset[str]
    numbers: frozenset[str]
    negated: bool

    @classmethod
    def of(cls, text: str, language: str) -> Question:
        stems = content(text, language)
        return cls(
            text=text,
            language=language,
            terms=frozenset(stems),
            bigrams=frozenset(pairwise(stems)),
            kind=question_kind(text),
            names=frozenset(names(text)),
            numbers=frozenset(numbers(text)),
            negated=negated(text),
        )


class Candidate(Struct, frozen=True):
    """Sentence `index` of passage `passage`, measured."""

    passage: int
    index: int
    terms: frozenset[str]
    features: dict[str, float]
    cell: int | None = None
    """Of the row of a table, the cell that answers, where one is told apart."""


def passages_of(retrieval: Retrieval) -> list[Passage]:
    passages = []
    for hit, sentences in zip(retrieval.hits, retrieval.sentences, strict=True):
        found = lines_of_front_matter(hit, sentences)
        passages.append(Passage(hit, found, find_tables(hit, found, retrieval.above.get(hit.chunk_id, ""))))
    return passages


def lines_of_front_matter(hit: Hit, sentences: list[Sentence]) -> list[Sentence]:
    """What a Markdown file says about itself is no part of its first sentence: each line of it stands alone."""
    front = _FRONT_MATTER.match(hit.text) if hit.start == 0 else None
    if front is None:
        return sentences
    found: list[Sentence] = []
    for sentence in sentences:
        position = sentence.start
        while position < min(front.end(), sentence.end):
            end = hit.text.find("\n", position, sentence.end)
            end = sentence.end if end < 0 else end
            if hit.text[position:end].strip("- "):
                found.append(structs.replace(sentence, start=position, end=end, text=hit.text[position:end]))
            position = end + 1
        if position < sentence.end:
            found.append(structs.replace(sentence, start=position, text=hit.text[position : sentence.end]))
    return found


def language(passages: Sequence[Passage]) -> str:
    """The language that most of the passages are written in."""
    codes = Counter(language_of(passage.hit.metadata.get("language")) for passage in passages)
    return codes.most_common(1)[0][0] if codes else "en"


def rarity(passages: Sequence[Passage], language: str) -> Idf:
    """Inverse document frequency over the sentences of these passages: as good here as over the whole collection."""
    sentences = [set(content(sentence.text, language)) for passage in passages for sentence in passage.sentences]
    counts = Counter(term for terms in sentences for term in terms)
    total = len(sentences)
    return lambda term: math.log(1 + (total - counts[term] + 0.5) / (counts[term] + 0.5))


def coverage(wanted: frozenset[str], present: frozenset[str] | set[str], idf: Idf) -> float:
    """Share (0 to 1) of the weight of the wanted terms that is present."""
    mass = sum(idf(term) for term in wanted)
    return sum(idf(term) for term in wanted & present) / mass if mass else 0.0


def candidates(question: Question, passages: Sequence[Passage], idf: Idf) -> Iterator[Candidate]:
    """Every sentence that may be quoted, once: headings and what gives orders to the model are not, and overlapping
    passages share sentences."""
    seen: set[tuple[str, int]] = set()
    subjects = Subjects(question.terms, [passage.hit for passage in passages], question.language)
    asked = Asked.of(question.text, question.language)
    for number, passage in enumerate(passages):
        terms = [content(passage.said(s.start, s.end), question.language) for s in passage.sentences]
        shared = _passage_features(question, passage, terms, idf)
        elsewhere = subjects.elsewhere(passage.hit, frozenset(chain.from_iterable(terms)))
        allowed = {sentence.start for sentence in evident(passage.hit.text, passage.hit.start, passage.sentences)}
        for index, sentence in enumerate(passage.sentences):
            place = (passage.hit.document_id or passage.hit.document, sentence.start)
            if place in seen or not terms[index] or sentence.start not in allowed or _is_heading(passage, index):
                continue
            if not is_yes_no(question.text) and not _says_more(question, passage, sentence):
                continue
            seen.add(place)
            row = passage.tables.row(sentence.start)
            fit = match(asked, row, passage.hit, elsewhere) if row else Match(NOTHING)
            said = passage.said(sentence.start, sentence.end)
            own = _sentence_features(question, passage, index, terms, idf) | fit.features
            own["figureless"] = figureless(asked, said)
            yield Candidate(number, index, frozenset(terms[index]), shared | own, fit.cell)


def _is_heading(passage: Passage, index: int) -> bool:
    """Headings promise an answer and do not give it: Markdown's, those of the outline and of tables, and lines like
    them."""
    sentence = passage.sentences[index]
    if sentence.start in passage.tables.headers:
        return True
    text = sentence.text
    outline = [passage.hit.title or "", *passage.hit.heading_path]
    if _HEADING.match(text) or text.casefold() in (heading.casefold() for heading in outline):
        return True
    is_last = index == len(passage.sentences) - 1
    return not is_last and len(text.split()) <= _TITLE_WORDS and _TITLE_LIKE.fullmatch(text) is not None


def _says_more(question: Question, passage: Passage, sentence: Sentence) -> bool:
    """Whether a sentence says anything beside the question, and beside the title."""
    said = assertions(passage.said(sentence.start, sentence.end), question.language)
    known = (question.text, passage.hit.title or "")
    return not any(said <= assertions(text, question.language) for text in known)


def _passage_features(question: Question, passage: Passage, terms: list[list[str]], idf: Idf) -> dict[str, float]:
    hit = passage.hit
    around = content(" ".join([hit.title or "", *hit.heading_path]), question.language)
    best = max((sentence.score for sentence in passage.sentences), default=0.0)
    read = {} if passage.reading is None else {
        "reader_here": logit(passage.reading.here),
        "reader_relevance": logit(passage.reading.relevance),
    }  # fmt: skip
    return read | {
        "passage_cosine": float(hit.stages.get("dense") or best),
        "passage_best": best,
        "passage_coverage": coverage(question.terms, {term for row in terms for term in row} | set(around), idf),
    }


def _sentence_features(
    question: Question, passage: Passage, index: int, terms: list[list[str]], idf: Idf
) -> dict[str, float]:
    sentence = passage.sentences[index]
    row = passage.tables.rows.get(sentence.start)
    said = row.text if row else sentence.text
    cosine = max(sentence.score, row.header.score) if row and row.header else sentence.score
    near = {term for row in terms[max(0, index - 1) : index + 2] for term in row}
    best = max(other.score for other in passage.sentences)
    right_kind = holds(question.kind, said, question.text)
    bigrams = question.bigrams & set(pairwise(terms[index]))
    found_numbers = numbers(said)
    read = {} if passage.reading is None else {"reader_span": span_logarithm(passage, sentence)}
    return read | {
        "cosine": cosine,
        "below_best": cosine - best,
        "before": passage.sentences[index - 1].score if index else 0.0,
        "coverage": coverage(question.terms, set(terms[index]), idf),
        "near_coverage": coverage(question.terms, near, idf),
        "bigrams": len(bigrams) / max(1, len(question.bigrams)),
        "right_kind": float(right_kind and question.kind != "thing"),
        "wrong_kind": float(not right_kind),
        "log_length": math.log(1 + sentence.end - sentence.start),
        "first": float(index == 0),
        "pronoun": float(_PRONOUN.match(sentence.text) is not None),
        "numbers": _share(question.numbers, found_numbers),
        "names": _share(question.names, known_names(said)),
    }


def span_logarithm(passage: Passage, sentence: Sentence) -> float:
    """How likely the reader takes words of this sentence for the answer, on a scale from `log(0.01)` to 0."""
    assert passage.reading is not None
    start, end = sentence.start - passage.hit.start, sentence.end - passage.hit.start
    inside = sum(span.chance for span in passage.reading.spans if start <= span.start < end)
    return math.log(min(1.0, inside) + 0.01)


def _share(wanted: frozenset[str], present: set[str]) -> float:
    return len(wanted & present) / len(wanted) if wanted else 0.5


def fitting_rows(question: str, passages: Sequence[Passage]) -> list[float]:
    """For every passage how well the best row of its tables fits the question; 0 where none does."""
    spoken = language(passages)
    asked = Asked.of(question, spoken)
    subjects = Subjects(frozenset(content(question, spoken)), [passage.hit for passage in passages], spoken)

    def best(passage: Passage) -> float:
        rows = list(passage.tables.every())
        elsewhere = subjects.elsewhere(passage.hit, frozenset(content(passage.hit.text, spoken))) if rows else 0.0
        return max((match(asked, row, passage.hit, elsewhere).quality for row in rows), default=0.0)

    return [best(passage) for passage in passages]


def chosen_passages(question: str, passages: Sequence[Passage], count: int) -> list[Passage]:
    """The first `count` passages, and those of the others whose tables have the rows that fit best."""
    fits = fitting_rows(question, passages)
    others = [place for place in range(count, len(passages)) if fits[place] > 0]
    others.sort(key=lambda place: -fits[place])
    return [*passages[:count], *(passages[place] for place in others[:ROWS])]
