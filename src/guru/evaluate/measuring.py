"""The work of `guru eval retrieval`: search every question, answer it where that is wanted, report."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from guru.errors import GuruError
from guru.evaluate.answers import Answered, Assessor, definitions, told_of
from guru.evaluate.dataset import Question
from guru.evaluate.intervals import LEVEL, RESAMPLES
from guru.evaluate.judge import Judge
from guru.evaluate.options import RetrievalOptions
from guru.evaluate.places import Resolver
from guru.evaluate.retrieval import Latency, Searched, latency, means, measure, search, summarise
from guru.evaluate.store import Item
from guru.evaluate.work import AFFECTS_ALL, Work
from guru.types import JSON, ChatRequest, Grounding, Message, SearchOptions

PORTION: Final = 32
"""Searched questions that are kept in one transaction."""
ANSWER_MEASURES: Final = (
    "faithfulness", "answer_relevance", "context_precision", "context_recall", "contains_answer",
)  # fmt: skip


class Failed(msgspec.Struct):
    """A question that could not be answered."""

    error: str


async def measure_retrieval(work: Work) -> JSON:
    """Search, answer, report. What was kept before is not done again. Raises `NotFound` and `Conflict`."""
    options = msgspec.convert(work.evaluation.options, RetrievalOptions)
    options.mode = options.mode or work.knowledge.mode
    items = await work.items()
    resolver = await Resolver.open(work.corpus, work.tenant, work.collection)
    rounds = 2 if options.answers else 1
    work.progress(total=rounds * len(items), done=0, failed=0, current=None)
    await search_all(work, options, resolver, items)
    if options.answers:
        await answer_all(work, options, resolver, items)
    work.progress(current=None)
    return await asyncio.to_thread(report, work, options, items)


async def search_all(work: Work, options: RetrievalOptions, resolver: Resolver, items: Sequence[Item]) -> None:
    """One after the other, so that times are those of a search alone."""
    find, mode = work.finding(), options.mode or work.knowledge.mode
    waiting = [item for item in items if item.searched is None]
    if waiting:  # the first search reads the index into memory
        first = waiting[0].question.question
        await find(work.collection, first, k=options.k, mode=mode, options=SearchOptions())
    done, fresh = len(items) - len(waiting), dict[int, Any]()
    for item in waiting:
        item.searched = fresh[item.number] = msgspec.to_builtins(
            await search(
                find, resolver, work.collection, item.question,
                k=options.k, mode=mode, filter=options.filter, options=SearchOptions(),
            )
        )  # fmt: skip
        done += 1
        if len(fresh) == PORTION:
            await work.keep("searched", fresh)
            fresh = {}
        work.progress(done=done, current=item.question.question)
    await work.keep("searched", fresh)


async def answer_all(work: Work, options: RetrievalOptions, resolver: Resolver, items: Sequence[Item]) -> None:
    """Some at once; each is kept as soon as it is there. A question that fails is named in the report."""
    ask = work.asking()
    judge = Judge(ask, options.judge) if options.judge else None
    assessor = Assessor(
        work.corpus, resolver, work.tenant, support=work.support, vectors=work.vectors,
        passages=options.passages or work.knowledge.passages, judge=judge,
    )  # fmt: skip
    waiting = iter([item for item in items if item.answered is None])
    counts = {
        "done": len(items) + sum(1 for item in items if item.answered and "error" not in item.answered),
        "failed": sum(1 for item in items if item.answered and "error" in item.answered),
    }

    async def worker() -> None:
        for item in waiting:
            work.progress(current=item.question.question)
            result: Answered | Failed
            try:
                began = time.perf_counter()
                told = told_of(await ask(grounded(work.collection, options, item.question)))
                result = await assessor.assess(item.question, told, time.perf_counter() - began)
            except AFFECTS_ALL:
                raise
            except GuruError as error:
                result = Failed(str(error))
            item.answered = msgspec.to_builtins(result)
            await work.keep("answered", {item.number: item.answered})
            counts["failed" if isinstance(result, Failed) else "done"] += 1
            work.progress(**counts)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(options.at_once):
                group.create_task(worker())
    except* AFFECTS_ALL as errors:
        raise errors.exceptions[0] from None


def grounded(collection: str, options: RetrievalOptions, question: Question) -> ChatRequest:
    """The question as anybody would ask it."""
    return ChatRequest(
        model=options.model,
        messages=[Message("user", question.question)],
        guru=Grounding(
            collection, k=options.passages, mode=options.mode, filter=options.filter, threshold=options.threshold
        ),
    )


def report(work: Work, options: RetrievalOptions, items: Sequence[Item]) -> JSON:
    """All that there is to say, as JSON."""
    searched = [msgspec.convert(item.searched, Searched) for item in items]
    impossible = sum(item.question.impossible for item in items)
    made: JSON = {
        "kind": "retrieval",
        "collection": work.collection,
        "options": msgspec.to_builtins(options),
        "questions": len(items),
        "impossible": impossible,
        "metrics": summarise(searched, options.k, options.seed),
        "interval": {"method": "percentile bootstrap over questions", "level": LEVEL, "resamples": RESAMPLES},
        "latency": latency([item.seconds for item in searched]),
        "warnings": [
            {"number": item.number, "id": item.question.id, "warning": warning}
            for item, found in zip(items, searched, strict=True)
            for warning in [*([found.warning] if found.warning else []), *found.notes]
        ],
        "answers": answers_report(work, options, items) if options.answers else None,
        "results": [to_result(item, found, options.k) for item, found in zip(items, searched, strict=True)],
    }
    return dict(msgspec.to_builtins(made))


def to_result(item: Item, found: Searched, k: int) -> JSON:
    """One question in the report."""
    return {
        "number": item.number,
        "id": item.question.id,
        "question": item.question.question,
        "impossible": item.question.impossible,
        "metrics": measure(found, k) if found.needs else None,
        "seconds": found.seconds,
        "hits": found.hits,
        "answer": item.answered,
    }


def answers_report(work: Work, options: RetrievalOptions, items: Sequence[Item]) -> JSON:
    """What the answers come to."""
    failed = [item for item in items if "error" in item.answered]
    told = [(item.question, msgspec.convert(item.answered, Answered)) for item in items if "error" not in item.answered]
    values = {
        name: [value for _, answer in told if (value := getattr(answer, name)) is not None] for name in ANSWER_MEASURES
    }
    values["declined"] = [float(answer.declined) for question, answer in told if question.impossible]
    values["wrongly_declined"] = [float(answer.declined) for question, answer in told if not question.impossible]
    values["verbatim"] = [answer.verbatim / answer.citations for _, answer in told if answer.citations]
    outcomes = [answer.outcome or "none" for _, answer in told]
    costs = [answer.cost for _, answer in told]
    spent: Latency | None = latency([answer.seconds for _, answer in told])
    return {
        "model": options.model,
        "judge": options.judge,
        "measured_by": definitions(options.judge),
        "metrics": means(values, options.seed),
        "outcomes": {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))},
        "citations": sum(answer.citations for _, answer in told),
        "cost": sum(cost for cost in costs if cost is not None),
        "unpriced": costs.count(None),
        "latency": spent,
        "failed": [{"number": item.number, "id": item.question.id, **item.answered} for item in failed],
        "problems": [
            {"id": question.id, "question": question.question, "problem": problem}
            for question, answer in told
            for problem in answer.problems
        ],
    }
