"""Does a quote support a sentence? Lexical proof first, embeddings where the wording differs.

A sentence is supported when the words that it adds to the question stand in the quote. A number or a name that is not
there, or a "not" on one side only, refutes it whatever else agrees.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from msgspec import Struct

from guru.knowledge.answer.evidence import Evidence
from guru.knowledge.answer.features import Passage
from guru.knowledge.answer.orders import evident, gives_orders
from guru.knowledge.answer.periods import period_of
from guru.knowledge.answer.words import assertions, content, holds, is_yes_no, names, negated, numbers, words
from guru.knowledge.stopwords import STOP_WORDS
from guru.knowledge.terms import fold
from guru.protocols import Embedder

SUPPORTED: Final = 0.6
_UNCERTAIN: Final = 0.25
"""Between this and `SUPPORTED` the embedder decides."""
_GIVEN: Final = 0.3
"""Weight of a word that the question says already, beside one that the answer adds."""
_NEGATION_DIFFERS: Final = 0.3
_PAIR_CHARACTERS: Final = 500
_FRAGMENT: Final = 8
"""Words; a longer text is taken for a sentence that may answer in its own way."""
_YES: Final = re.compile(r"^\W*(?:yes|no|ja|nein|oui|non|sí|si)\b[,.:;!—–-]*\s*(?=\S)", re.IGNORECASE)
_FORMALITIES: Final = """
yes no sure certainly course answer question source document passage information context text provide follow find found
here summary short detail hope help let know note sorry please base accord mention state describe list above below
"""


class Statement(Struct, frozen=True):
    """A text taken apart: what it says, and what refutes it."""

    text: str
    terms: frozenset[str]
    numbers: frozenset[str]
    negated: bool

    @classmethod
    def of(cls, text: str, language: str) -> Statement:
        return cls(text, frozenset(assertions(text, language)), frozenset(numbers(text)), negated(text))


class Support(Struct, frozen=True):
    """`document[start:end]` of a passage stands behind a sentence with `score` (0 to 1)."""

    passage: int
    start: int
    end: int
    text: str
    score: float


class _Span(Struct, frozen=True):
    start: int
    end: int
    text: str
    sentences: int
    said: Statement


def is_claim(text: str, language: str) -> bool:
    """Whether a sentence states something that needs a source: not "Here is what I found:", not a question."""
    if text.rstrip(" \"'”’)*_\n").endswith("?"):
        return False
    return bool(set(content(text, language)) - set(content(_FORMALITIES, language)))


def _says_twice(stems: list[str]) -> bool:
    """ "22 weeks of leave is 22 weeks of leave": (nearly) every word of at least four stands twice."""
    return len(stems) >= 4 and len(set(stems)) <= 0.6 * len(stems)


class Judge:
    """Finds the smallest span of the retrieved passages that supports a sentence."""

    def __init__(self, evidence: Evidence, embedder: Embedder | None = None) -> None:
        self._evidence = evidence
        self._embedder = embedder
        self._language = evidence.question.language
        self._spans: dict[int, list[_Span]] = {}
        self._about: dict[int, set[str]] = {}

    def prepare(self, passages: Iterable[int]) -> None:
        """Take passages apart now; otherwise it is done when they are first needed. Blocks."""
        for index in passages:
            self._spans_of(index)
            self._words_about(index)

    def is_claim(self, sentence: str) -> bool:
        return is_claim(sentence, self._language)

    def answers(self, sentence: str) -> bool:
        """Whether a sentence can be an answer at all: it says more than the question did, does not say it twice, names
        a number, date or person where one is asked for and the evidence has one, and not the figure of another year
        than is asked for. A fragment such as "the Old Town" must also name a place. Questions to be answered by yes or
        no may be repeated."""
        question = self._evidence.question
        if is_yes_no(question.text):
            return True
        if self._is_of_another_column(sentence):
            return False
        adds = assertions(sentence, self._language) - assertions(question.text, self._language)
        if not adds or _says_twice(content(sentence, self._language)):
            return False
        if question.kind == "place" and len(words(sentence)) > _FRAGMENT:
            return True
        return self._names_kind(sentence) or not any(holds(question.kind, s, question.text) for s in self._quoted())

    def _is_of_another_column(self, sentence: str) -> bool:
        """Whether it says figures of the row that answers, but not the one of the period that is asked for."""
        best = self._evidence.quotes[0] if self._evidence.quotes else None
        row = None if best is None else self._evidence.row(best)
        if best is None or best.cell is None or row is None or not period_of(self._evidence.question.text).said:
            return False
        said = numbers(sentence)
        others = numbers(" ".join(cell for at, cell in enumerate(row.cells) if at != best.cell))
        return bool(said & others) and not said & numbers(row.cells[best.cell])

    def _names_kind(self, sentence: str) -> bool:
        """Like `holds`, and an answer may begin with the person that it names."""
        question = self._evidence.question
        capitals = {word.lower() for word in re.findall(r"\b[^\W\d_a-z]\w*", sentence)} - set(words(question.text))
        is_person = question.kind == "person" and bool(capitals - STOP_WORDS["en"])
        return is_person or holds(question.kind, sentence, question.text)

    def _quoted(self) -> list[str]:
        """What the quotes of the evidence say."""
        quotes = self._evidence.quotes
        return [self._evidence.passages[quote.passage].said(quote.start, quote.end) for quote in quotes]

    async def find(self, sentence: str, passages: Iterable[int]) -> Support | None:
        """The best span in these passages, supported (`score >= SUPPORTED`) or not; None when nothing speaks for it."""
        claim, found = self._candidates(sentence, passages, strict=True)
        if not found:
            return None
        best, span = found[0]
        if best.score >= SUPPORTED:
            shortest = span.sentences
            equal = [support for support, s in found if support.score > best.score - 1e-6 and s.sentences == shortest]
            return max(equal, key=self._probability)
        if best.score < _UNCERTAIN or self._embedder is None:
            return best
        return await self._by_meaning(claim, [support for support, _ in found[:4]], self._embedder)

    def find_together(self, sentence: str, passages: Iterable[int]) -> list[Support]:
        """A span of each of several passages that support the sentence only together; empty when they do not."""
        parts = []
        for index in passages:
            claim, found = self._candidates(sentence, [index], strict=False)
            if not found or found[0][0].score < _UNCERTAIN:
                return []
            parts.append(found[0][0])
        if len(parts) < 2:
            return []
        whole = Statement.of("\n".join(part.text for part in parts), self._language)
        about = set().union(*(self._words_about(part.passage) for part in parts))
        score = self.score(claim, whole, about)
        return [Support(p.passage, p.start, p.end, p.text, score) for p in parts] if score >= SUPPORTED else []

    def score(self, claim: Statement, quote: Statement, about: set[str]) -> float:
        """How far the quote's words carry the claim, 0 to 1; 0 for a number not in the quote or a name not `about`."""
        if claim.numbers - quote.numbers or names(claim.text) - about:
            return 0.0
        return self._contained(claim, quote) * (_NEGATION_DIFFERS if claim.negated != quote.negated else 1.0)

    def _contained(self, claim: Statement, quote: Statement) -> float:
        asked, idf = self._evidence.question.terms, self._evidence.idf
        weight = {term: idf(term) * (_GIVEN if term in asked else 1.0) for term in claim.terms}
        mass = sum(weight.values())
        return sum(value for term, value in weight.items() if term in quote.terms) / mass if mass else 0.0

    def _candidates(
        self, sentence: str, passages: Iterable[int], *, strict: bool
    ) -> tuple[Statement, list[tuple[Support, _Span]]]:
        """Spans with some support, the best and shortest first. Not strict: whatever refutes is left aside."""
        claim = Statement.of(_YES.sub("", sentence), self._language)
        found = []
        for index in passages:
            about = self._words_about(index)
            for span in self._spans_of(index):
                told = about - self._other_rows(index, span) if strict else about
                score = self.score(claim, span.said, told) if strict else self._contained(claim, span.said)
                if score > 0:
                    found.append((Support(index, span.start, span.end, span.text, score), span))
        found.sort(key=lambda pair: (-round(pair[0].score, 6), pair[1].sentences))
        return claim, found

    async def _by_meaning(self, claim: Statement, found: list[Support], embedder: Embedder) -> Support:
        vectors = await embedder.embed([claim.text, *(support.text for support in found)])
        judged = [
            (0.5 * support.score + 0.5 * min(1.0, max(0.0, (float(cosine) - 0.4) / 0.4)), support)
            for cosine, support in zip(vectors[1:] @ vectors[0], found, strict=True)
        ]
        score, best = max(judged, key=lambda pair: pair[0])
        return Support(best.passage, best.start, best.end, best.text, max(score, best.score))

    def _probability(self, support: Support) -> float:
        """That the span answers the question: among spans that support equally, the evidence is preferred."""
        overlapping = [
            quote.score
            for quote in self._evidence.quotes
            if quote.passage == support.passage and quote.start < support.end and support.start < quote.end
        ]
        return max(overlapping, default=0.0)

    def _spans_of(self, index: int) -> list[_Span]:
        """Each sentence, then each pair of neighbours. The row of a table says what its columns name; header rows say
        nothing, and rows stand alone."""
        if index not in self._spans:
            passage = self._evidence.passages[index]
            # From the first order on, nothing in a passage is evidence for what a model says: it may only obey.
            visible = evident(passage.hit.text, passage.hit.start, passage.sentences)
            first = next((s.start for s in passage.sentences if gives_orders(s.text)), passage.hit.end)
            sentences = [sentence for sentence in visible if sentence.start < first]
            sentences = [sentence for sentence in sentences if sentence.start not in passage.tables.headers]
            spans = [(sentence.start, sentence.end, 1) for sentence in sentences]
            spans += [
                (one.start, two.end, 2)
                for one, two in pairwise(sentences)
                if two.end - one.start <= _PAIR_CHARACTERS and not {one.start, two.start} & passage.tables.rows.keys()
            ]
            self._spans[index] = [
                _Span(start, end, passage.slice(start, end), count, self._stated(passage, start, end))
                for start, end, count in spans
            ]
        return self._spans[index]

    def is_verbatim(self, line: str, passages: Iterable[int]) -> bool:
        """Whether a line of code stands in these passages as it is, but for its white space."""
        wanted = " ".join(line.split())
        said = (" ".join(span.text.split()) for index in passages for span in self._spans_of(index))
        return any(wanted in text for text in said)

    def _other_rows(self, index: int, span: _Span) -> set[str]:
        """For the row of a table, the words of its neighbours that it does not have: it says nothing about those."""
        rows = self._evidence.passages[index].tables.rows
        if span.start not in rows:
            return set()
        others = {fold(word) for start, row in rows.items() if start != span.start for word in words(row.text)}
        return others - {fold(word) for word in words(span.said.text)}

    def _stated(self, passage: Passage, start: int, end: int) -> Statement:
        row = passage.tables.row(start)
        return Statement.of(row.words() if row else passage.slice(start, end), self._language)

    def _words_about(self, index: int) -> set[str]:
        """Words of the passage, its headings and its title, where a name may stand that the quote calls "he"."""
        if index not in self._about:
            self._about[index] = words_about(self._evidence.passages[index])
        return self._about[index]


def words_about(passage: Passage) -> set[str]:
    hit = passage.hit
    said = words(" ".join([hit.title or "", *hit.heading_path, hit.text]))
    return {fold(word.removesuffix("'s")) for word in said} | set(said)
