"""The work of `guru eval questions`: candidates spread over the documents, those kept that are new and unambiguous."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeVar

import msgspec

from guru.errors import GuruError
from guru.evaluate.corpus import Passage, Source
from guru.evaluate.dataset import AnswerText, Question
from guru.evaluate.extracted import GAP, NOTE, extract
from guru.evaluate.options import QuestionOptions
from guru.evaluate.places import stands_in
from guru.evaluate.work import AFFECTS_ALL, Work
from guru.evaluate.written import Rejected, askable, write
from guru.types import JSON, RERANK_OFF, SearchOptions

Item = TypeVar("Item")
ALIKE: Final = 0.8
"""Share of common words from which two questions are one."""
TRIED_FOR_EACH: Final = 10
"""Candidates that are looked at for each question that is wanted, before it is given up."""
LOOKED_AT: Final = 5
"""Passages that are searched for the same sentence elsewhere."""


async def make_questions(work: Work) -> JSON:
    """Make as many questions as are wanted, or as there can be. What was made before is kept."""
    options = msgspec.convert(work.evaluation.options, QuestionOptions)
    kept = Kept([item.question for item in await work.items()])
    sources = list(await work.corpus.sources(work.tenant, work.collection))
    random.Random(options.seed).shuffle(sources)
    tried = int(work.made.get("tried", 0))
    rejected = Counter[str](work.made.get("rejected", {}))
    work.progress(total=options.count, done=len(kept.questions), current=None)
    candidates = made_by_model(work, options, sources) if options.model else extracted(work, options, sources)
    number = 0
    async for make in candidates:
        if len(kept.questions) == options.count or number == TRIED_FOR_EACH * options.count:
            break
        number += 1
        if number <= tried:  # before the process died
            continue
        try:
            question = await make()
            kept.add(question)
            await work.store.add(work.tenant, work.evaluation.id, question)
        except Rejected as error:
            rejected[str(error)] += 1
        work.progress(tried=number, rejected=dict(rejected), done=len(kept.questions))
    return {
        "kind": "questions",
        "collection": work.collection,
        "options": msgspec.to_builtins(options),
        "questions": msgspec.to_builtins(kept.questions),
        "tried": number,
        "rejected": dict(rejected),
        "note": None if options.model else NOTE,
    }


Make = Callable[[], Awaitable[Question]]
"""Makes a question. Raises `Rejected`."""


class Kept:
    """Questions that differ."""

    def __init__(self, questions: list[Question]) -> None:
        self.questions = questions
        self._words = [words_of(question) for question in questions]

    def add(self, question: Question) -> None:
        """Raises `Rejected` for one that is there already in nearly the same words."""
        words = words_of(question)
        if any(len(words & other) >= ALIKE * len(words | other) for other in self._words):
            raise Rejected("asked already")
        self.questions.append(question)
        self._words.append(words)


def words_of(question: Question) -> frozenset[str]:
    return frozenset(question.question.lower().split())


async def spread(
    sources: list[Source], things_of: Callable[[Source], Awaitable[list[Item]]]
) -> AsyncIterator[tuple[Source, Item]]:
    """One thing of each document, then a second one of each, and so on. A document is read when its turn comes."""
    waiting: dict[str, list[Item]] = {}
    turn, left = 0, sources
    while left:
        following = []
        for source in left:
            if source.id not in waiting:
                waiting[source.id] = await things_of(source)
            if turn < len(waiting[source.id]):
                following.append(source)
                yield source, waiting[source.id][turn]
        turn, left = turn + 1, following


async def extracted(work: Work, options: QuestionOptions, sources: list[Source]) -> AsyncIterator[Make]:
    """Sentences with a gap, and headings."""

    async def read(source: Source) -> list[Question]:
        text = await work.corpus.text(work.tenant, source.id)
        passages = await work.corpus.passages(work.tenant, source.id)
        return extract(source, text, passages, work.corpus.sentences, options.seed)

    async for _, question in spread(sources, read):

        async def make(question: Question = question) -> Question:
            await require_unambiguous(work, question)
            return question

        yield make


async def require_unambiguous(work: Work, question: Question) -> None:
    """Raises `Rejected` where a sentence with a gap stands in more than one place: any of them would be right."""
    (answer,) = question.answers or (None,)
    if not isinstance(answer, AnswerText):
        return
    sentence = question.question.partition("“")[2].removesuffix("”").replace(GAP, answer.text)
    plain = SearchOptions(rerank=RERANK_OFF)
    found = await work.find(work.collection, sentence, k=LOOKED_AT, mode="sparse", options=plain)
    elsewhere = [
        hit
        for hit in found.hits
        if stands_in(sentence, hit.text)
        and not (hit.document == question.document and hit.start <= (answer.start or 0) < hit.end)
    ]
    if elsewhere:
        raise Rejected("a sentence that stands in several places")


async def made_by_model(work: Work, options: QuestionOptions, sources: list[Source]) -> AsyncIterator[Make]:
    """Questions that a model writes."""
    ask, model = work.asking(), options.model or ""

    async def read(source: Source) -> list[Passage]:
        return askable(source, await work.corpus.passages(work.tenant, source.id), options.seed)

    async for source, passage in spread(sources, read):

        async def make(source: Source = source, passage: Passage = passage) -> Question:
            try:
                return await write(ask, model, source, passage)
            except AFFECTS_ALL:
                raise
            except GuruError as error:
                raise Rejected(f"an error: {error.message}") from error

        yield make
