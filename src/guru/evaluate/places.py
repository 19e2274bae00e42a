"""From what a question says is right to spans of stored texts, and whether a hit meets them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

from msgspec import Struct

from guru.errors import NotFound
from guru.evaluate.corpus import Corpus, Source, Span
from guru.evaluate.dataset import AnswerText, Place, Question
from guru.types import Hit

ALTERNATIVES: Final = 100
"""Places of one answer text in one document that are looked at."""


class Target(Struct, frozen=True, kw_only=True):
    """What a hit must be to be right: of a document, at a span of it, or with a text in it."""

    document: str | None = None
    span: Span | None = None
    text: str | None = None


Need = tuple[Target, ...]
"""Places of which any one is enough."""


class Resolved(Struct, frozen=True):
    needs: list[Need]
    """All of them are wanted."""
    warning: str | None = None
    """What about the question is not as it seems."""


def needs_met(hit: Hit, needs: Sequence[Need]) -> frozenset[int]:
    """The numbers of the needs that a hit meets."""
    return frozenset(number for number, need in enumerate(needs) if any(meets(hit, target) for target in need))


def meets(hit: Hit, target: Target) -> bool:
    """Whether a hit is right. It need not hold a long span whole: half of the shorter of the two is enough."""
    if target.document is not None and hit.document != target.document:
        return False
    if target.span is not None:
        start, end = target.span
        shared = min(end, hit.end) - max(start, hit.start)
        return shared > 0 and 2 * shared >= min(end - start, hit.end - hit.start)
    return target.text is None or stands_in(target.text, hit.text)


def stands_in(answer: str, text: str) -> bool:
    """Whether an answer stands in a text, whole words, whatever its case and its white space."""
    return pattern(answer).search(text) is not None


def spans_of(answer: str, text: str, offset: int = 0) -> list[Span]:
    """Where an answer stands in a text that begins at `offset` of its document."""
    found = [(match.start() + offset, match.end() + offset) for match in pattern(answer).finditer(text)]
    return found[:ALTERNATIVES]


@lru_cache(maxsize=4096)
def pattern(answer: str) -> re.Pattern[str]:
    """`10` is not in `2010`: a word of the answer begins and ends where a word of the text does."""
    words = r"\s+".join(re.escape(word) for word in answer.split())
    before = r"(?<!\w)" if re.match(r"\w", answer.strip()) else ""
    after = r"(?!\w)" if re.search(r"\w$", answer.strip()) else ""
    return re.compile(before + words + after, re.IGNORECASE)


class Resolver:
    """Finds the places of questions in one collection. The most exact that a question gives counts: several places,
    its span, the spans of its answers, its page, its document, and texts alone when there is no document."""

    def __init__(self, corpus: Corpus, tenant: str, sources: Sequence[Source]) -> None:
        self._corpus = corpus
        self._tenant = tenant
        self._sources = {source.name: source for source in sources}

    @classmethod
    async def open(cls, corpus: Corpus, tenant: str, collection: str) -> Resolver:
        """Raises `NotFound`."""
        return cls(corpus, tenant, await corpus.sources(tenant, collection))

    async def resolve(self, question: Question) -> Resolved:
        """What hits are right. Something that cannot be found is still wanted, with a warning: it counts as missed."""
        if question.relevant:
            resolved = [await self._place(place) for place in question.relevant]
            warnings = [warning for _, warning in resolved if warning]
            return Resolved([(target,) for target, _ in resolved], " ".join(warnings) or None)
        if question.document is None:
            return Resolved([tuple(Target(text=text) for text in question.texts)])
        place = Place(document=question.document, page=question.page, start=question.start, end=question.end)
        try:
            whole, warning = await self._place(place)
            if question.start is not None or not question.answers or warning:
                return Resolved([(whole,)], warning)
            return await self._answers(question, whole)
        except NotFound:
            gone = f"{question.document} was replaced or removed meanwhile: any passage of that name counts as right."
            return Resolved([(Target(document=question.document),)], gone)

    async def _place(self, place: Place) -> tuple[Target, str | None]:
        name = place.document
        source = self._sources.get(name)
        if source is None:
            near = get_close_matches(name, self._sources, n=1)
            known = f" Did you mean {near[0]!r}?" if near else ""
            return Target(document=name), f"There is no document {name!r} in the collection.{known}"
        if place.start is not None and place.end is not None:
            return Target(document=name, span=(place.start, place.end)), None
        if place.page is None:
            return Target(document=name), None
        pages = await self._corpus.pages(self._tenant, source.id)
        if (span := pages.get(place.page)) is None:
            return Target(document=name), f"{name} has no page {place.page}: any passage of it counts as right."
        return Target(document=name, span=span), None

    async def _answers(self, question: Question, whole: Target) -> Resolved:
        """The places of the answers within the document or the page; all of that where none stands in it."""
        assert question.document is not None
        placed = [
            (answer.start, answer.end)
            for answer in question.answers
            if isinstance(answer, AnswerText) and answer.start is not None and answer.end is not None
        ]
        if not placed:
            start, end = whole.span or (0, None)
            source = self._sources[question.document]
            text = await self._corpus.text(self._tenant, source.id, start, end)
            placed = [span for answer in question.texts for span in spans_of(answer, text, start)]
        if not placed:
            where = "its page" if whole.span else "the document"
            return Resolved([(whole,)], f"No answer stands word by word in {where}: all of it counts as right.")
        spans = dict.fromkeys(placed)
        return Resolved([tuple(Target(document=question.document, span=span) for span in spans)])
