"""One question, answered by the road, and what the answer is worth.

Where the well-known definition needs a model's judgement and a judge is given, it is asked; otherwise the measure is a
local one, which is something else. `definitions` says which, and every report carries it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from guru.errors import NotFound
from guru.evaluate.corpus import Corpus, Support, Vectors
from guru.evaluate.dataset import Question
from guru.evaluate.judge import Judge, Unreadable
from guru.evaluate.metrics import context_precision
from guru.evaluate.places import Resolver, needs_met, stands_in
from guru.types import Citation, Cited, Completed, Delta, Event, Hit, Retrieved, Started

JUDGED: Final = {
    "faithfulness": "share of the answer's statements that follow from the passages (Ragas)",
    "answer_relevance": "mean cosine of the question with three questions that the judge reads from the answer; 0 for "
    "an evasive answer (Ragas)",
    "context_precision": "mean precision at the ranks of the passages that were useful (Ragas)",
    "context_recall": "share of the reference answer's statements that follow from the passages (Ragas)",
}
LOCAL: Final = {
    "faithfulness": "share of the claims that the quotes cited with them support, by words, numbers, names and "
    "embeddings; a claim without a citation counts as unsupported",
    "answer_relevance": "cosine of the question with the answer",
    "context_precision": "mean precision at the ranks of the passages that are right for the question",
    "context_recall": "share of what is right for the question that the passages hold",
}


class Told(Struct, kw_only=True):
    """An answer as the road gave it."""

    answer: str
    citations: list[Citation]
    hits: list[Hit]
    outcome: str | None
    confidence: float | None
    cost: float | None
    trace_id: str


class Answered(Struct, kw_only=True):
    """What an answer is worth. A measure is None where it does not apply: a declined answer claims nothing."""

    seconds: float
    answer: str
    outcome: str | None
    confidence: float | None
    cost: float | None
    trace_id: str
    citations: int
    verbatim: int
    """Citations whose quote stands in the stored text, letter by letter, where they say."""
    faithfulness: float | None = None
    answer_relevance: float | None = None
    context_precision: float | None = None
    context_recall: float | None = None
    contains_answer: float | None = None
    """Whether one of the question's answers stands in the answer."""
    problems: list[str] = []
    """Measures that the judge could not take, and why."""

    @property
    def declined(self) -> bool:
        return self.outcome == "declined"


def told_of(events: Sequence[Event]) -> Told:
    """The whole answer from its events."""
    completed = next((event for event in events if isinstance(event, Completed)), None)
    return Told(
        answer="".join(event.text for event in events if isinstance(event, Delta)),
        citations=[citation for event in events if isinstance(event, Cited) for citation in event.citations],
        hits=[hit for event in events if isinstance(event, Retrieved) for hit in event.hits],
        outcome=completed.outcome if completed else None,
        confidence=completed.confidence if completed else None,
        cost=completed.cost if completed else None,
        trace_id=next((event.trace_id for event in events if isinstance(event, Started)), ""),
    )


def definitions(judge: str | None) -> dict[str, str]:
    """How each measure is taken, with the judge of that name or without one."""
    if judge is None:
        return {name: f"local: {text}" for name, text in LOCAL.items()}
    return {name: f"judged by {judge}: {text}" for name, text in JUDGED.items()}


class Assessor:
    """Measures answers, with a judge or without one."""

    def __init__(
        self, corpus: Corpus, resolver: Resolver, tenant: str, *, support: Support, vectors: Vectors,
        passages: int, judge: Judge | None,
    ) -> None:  # fmt: skip
        """`passages` is how many of the hits an answer draws on."""
        self._corpus = corpus
        self._resolver = resolver
        self._tenant = tenant
        self._support = support
        self._vectors = vectors
        self._passages = passages
        self._judge = judge

    async def assess(self, question: Question, told: Told, seconds: float) -> Answered:
        """What an answer is worth that took `seconds`. Raises what asking the judge raises."""
        result = Answered(
            seconds=seconds, answer=told.answer, outcome=told.outcome, confidence=told.confidence,
            cost=told.cost, trace_id=told.trace_id, citations=len(told.citations),
            verbatim=sum([await self._is_verbatim(citation) for citation in told.citations]),
        )  # fmt: skip
        hits = told.hits[: self._passages]
        if not question.impossible:
            await self._retrieved(question, hits, result)
        if not result.declined:
            if question.answers:
                result.contains_answer = float(any(stands_in(text, told.answer) for text in question.texts))
            await self._said(question, told, hits, result)
        return result

    async def _is_verbatim(self, citation: Citation) -> bool:
        try:
            stored = await self._corpus.text(self._tenant, citation.document_id, citation.start, citation.end)
        except NotFound:  # replaced since
            return False
        return bool(citation.quote) and stored == citation.quote

    async def _retrieved(self, question: Question, hits: Sequence[Hit], result: Answered) -> None:
        """The passages that the answer could draw on."""
        texts = [hit.text for hit in hits]
        reference = "; ".join(question.texts)
        if self._judge is None:
            needs = (await self._resolver.resolve(question)).needs
            met = [needs_met(hit, needs) for hit in hits]
            result.context_precision = context_precision([bool(numbers) for numbers in met])
            result.context_recall = len(frozenset().union(*met)) / len(needs)
            return
        if not reference:  # a judge compares with an answer, which this question does not have
            return
        try:
            useful = await self._judge.useful(question.question, reference, texts)
            result.context_precision = context_precision(useful)
            statements = await self._judge.statements(question.question, reference)
            result.context_recall = share(await self._judge.supported(statements, texts))
        except Unreadable as error:
            result.problems.append(str(error))

    async def _said(self, question: Question, told: Told, hits: Sequence[Hit], result: Answered) -> None:
        """What the answer says."""
        if self._judge is None:
            quotes = {citation.n: citation.quote for citation in told.citations}
            verdicts = await self._support(question.question, told.answer, quotes)
            result.faithfulness = share([verdict.supported for verdict in verdicts])
            result.answer_relevance = await self._nearness(question.question, [told.answer])
            return
        try:
            statements = await self._judge.statements(question.question, told.answer)
            result.faithfulness = share(await self._judge.supported(statements, [hit.text for hit in hits]))
            asked = await self._judge.questions_for(told.answer)
            near = await self._nearness(question.question, asked.questions[:3])
            result.answer_relevance = 0.0 if asked.noncommittal else near
        except Unreadable as error:
            result.problems.append(str(error))

    async def _nearness(self, question: str, texts: Sequence[str]) -> float | None:
        """Mean cosine of the question with texts, not under 0."""
        spoken = [text for text in texts if text.strip()]
        if not spoken:
            return None
        asked, *others = await self._vectors([question, *spoken])
        cosines = [sum(a * b for a, b in zip(asked, other, strict=True)) for other in others]
        return min(1.0, max(0.0, float(sum(cosines)) / len(cosines)))


def share(verdicts: Sequence[bool]) -> float | None:
    """Of those that are true; None of nothing."""
    return sum(verdicts) / len(verdicts) if verdicts else None
