"""From a question, what was retrieved, and a model, to an answer whose every citation holds.

One path for every model: evidence is chosen first, the model phrases, each of its sentences is checked before it is
shown. A model whose sentences leave the evidence is overruled by the evidence, shown as a quotation. A question that
the documents do not answer is declined, without a model where that is plain already.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Literal, Protocol

import msgspec

from guru.config import KnowledgeSettings
from guru.errors import InvalidParameter, NotFound
from guru.knowledge.answer.cite import Citer, Record, Stored
from guru.knowledge.answer.confidence import confidence
from guru.knowledge.answer.conflicts import Disagreement, find_conflicts
from guru.knowledge.answer.decline import decline, decline_text
from guru.knowledge.answer.draft import Draft
from guru.knowledge.answer.evidence import Evidence, gather
from guru.knowledge.answer.features import Passage, chosen_passages, passages_of
from guru.knowledge.answer.many import Many
from guru.knowledge.answer.prompt import Prompt, build_prompt, build_small_prompt
from guru.knowledge.answer.query import is_follow_up, last_question, retrieval_query
from guru.knowledge.answer.reading import read_passages
from guru.knowledge.answer.support import Judge
from guru.knowledge.queries import Limits, attempt, follow_up
from guru.knowledge.search import Retrieval
from guru.protocols import ChatModel, Embedder, Reader
from guru.store.scope import Scope
from guru.tasks import SearchModels
from guru.types import ChatRequest, Completed, Delta, Event, Finished, Grounding, Usage

log = logging.getLogger(__name__)

Outcome = Literal["answered", "quoted", "declined"]
STRONG: Final = 0.7
"""Confidence from which the evidence is shown although the model declines."""
ANSWER_TOKENS: Final = 1024
SMALL_ANSWER_TOKENS: Final = 40


class Documents(Protocol):
    """Where the stored text of documents is read."""

    async def text(self, scope: Scope, document_id: str, start: int = 0, end: int | None = None) -> str:
        """Raises `NotFound`."""
        ...


class Answerer:
    """Answers from passages; the events are `Delta`, `Cited`, `Unsupported`, `Disputed`, `Finished` and `Completed`."""

    def __init__(
        self,
        embedder: Embedder | None,
        settings: KnowledgeSettings,
        documents: Documents | None = None,
        *,
        reader: Reader | None = None,
    ) -> None:
        """`documents` is where quotes are verified again; without it they are verified against the passages.

        `reader` reads the passages before evidence is chosen; without one, what search tells of them must do.
        """
        self._embedder = embedder
        self._settings = settings
        self._documents = documents
        self._reader = reader

    def query(self, request: ChatRequest) -> str:
        """What to search for: the last question, with the one before it when it leans on that."""
        return retrieval_query(request.messages)

    async def search_query(self, request: ChatRequest, models: SearchModels) -> tuple[str, str | None]:
        """What to search for, and a note where a model should have written it and has not.

        With `[knowledge] follow_ups = "model"` a model writes a question that follows others so that it stands alone.
        Raises `InvalidParameter` when nothing is asked.
        """
        plain = retrieval_query(request.messages)
        if self._settings.follow_ups == "join" or not is_follow_up(request.messages):
            return plain, None
        question = last_question(request.messages)
        limits = Limits(self._settings.query_tokens, self._settings.query_seconds)
        shown = follow_up.transcript(request.messages, question)
        found, note = await attempt("follow-up", follow_up, question, models=models, limits=limits, shown=shown)
        if note is not None:
            return plain, note
        return found[0].text if found else question, None

    async def answer(
        self, request: ChatRequest, retrieval: Retrieval, model: ChatModel, record: Record | None = None
    ) -> AsyncGenerator[Event, None]:
        """Stream the answer. `record` notes evidence, prompt and checks for the trace.

        Raises what the model raises, and `InvalidParameter` for what an answer with citations cannot have. Nothing is
        cited that was not found verbatim in the stored text.
        """
        check_request(request)
        record = record or _log
        if request.guru is not None and request.guru.strategy == "map_reduce":
            events = self._many(request, retrieval, model, record).events()
        else:
            events = self._direct(request, retrieval, model, record)
        async with aclosing(events) as answer:
            async for event in answer:
                yield event

    async def _direct(
        self, request: ChatRequest, retrieval: Retrieval, model: ChatModel, record: Record
    ) -> AsyncGenerator[Event, None]:
        """An answer from the best passages, whatever documents they are of."""
        grounding = request.guru
        passages = await self._passages(retrieval, grounding)
        evidence = await asyncio.to_thread(gather, retrieval.query, passages)
        sure = confidence(evidence)
        record("confidence", sure)
        record("evidence", [msgspec.to_builtins(quote) for quote in evidence.quotes])
        threshold = self._settings.threshold
        if grounding and grounding.threshold is not None:
            threshold = grounding.threshold
        if not evidence.quotes or sure < threshold:
            for event in decline(evidence, model.name, sure):
                yield event
            return
        conflicts = await find_conflicts(evidence, self._embedder) if self._settings.conflicts else []
        if conflicts:
            record("conflicts", [msgspec.to_builtins(conflict) for conflict in conflicts])
        prompt, limit = self._prompt(request, evidence, model, conflicts)
        if prompt.dropped_sources or prompt.dropped_messages:
            record("dropped", {"sources": prompt.dropped_sources, "messages": prompt.dropped_messages})
        citer = Citer(
            evidence,
            Judge(evidence, self._embedder),
            prompt.sources,
            self._stored(retrieval),
            collection=grounding.collection if grounding else "",
            record=record,
        )
        draft = Draft(citer)
        asked = msgspec.structs.replace(request, messages=prompt.messages, guru=None, max_tokens=limit)
        if asked.temperature is None:
            asked.temperature = 0.0
        # A small model copies a figure of a table at best, and mistakes the column at worst: the cell is the answer.
        told = getattr(model, "small", False) and evidence.quotes[0].cell is not None
        if not told:
            async with aclosing(draft.write(asked, model)) as events:
                async for event in events:
                    yield event
        outcome: Outcome = "answered"
        if not draft.stands:
            quotes = evidence.quotes[:1] if told else evidence.quotes
            shown = [] if draft.declined and sure < STRONG else await citer.quote(quotes)
            outcome = "quoted" if shown else "declined"
            for event in shown or [Delta(text=decline_text(evidence))]:
                yield event
        for event in await citer.disagree(conflicts):
            yield event
        yield draft.finished if draft.stands else Finished("stop")
        # A model that was stopped has not told its usage: what is known of it is given.
        usage = Usage() if told else Usage(prompt.tokens, draft.pieces)
        completed = draft.completed or Completed(model=model.name, usage=usage)
        yield msgspec.structs.replace(completed, outcome=outcome, confidence=round(sure, 4))

    async def _passages(self, retrieval: Retrieval, grounding: Grounding | None) -> list[Passage]:
        """What the answer may draw on: the best passages, and unless their number was given those whose rows fit."""
        passages = await asyncio.to_thread(passages_of, retrieval)
        if self._reader is not None:
            passages = await read_passages(self._reader, retrieval.query, passages)
        if grounding and grounding.k:
            return passages[: grounding.k]
        return await asyncio.to_thread(chosen_passages, retrieval.query, passages, self._settings.passages)

    def _many(self, request: ChatRequest, retrieval: Retrieval, model: ChatModel, record: Record) -> Many:
        """An answer over all documents of which there are passages."""
        limits, grounding = self._settings.map_reduce, request.guru
        assert grounding is not None

        async def citer_of(evidence: Evidence) -> Citer:
            judge = Judge(evidence, self._embedder)
            sources = list(range(len(evidence.passages)))
            await asyncio.to_thread(judge.prepare, sources)
            stored, collection = self._stored(retrieval), grounding.collection
            return Citer(evidence, judge, sources, stored, collection=collection, record=record)

        return Many(
            request, retrieval.query, passages_of(retrieval), model=model, reader=self._reader, limits=limits,
            threshold=limits.threshold if grounding.threshold is None else grounding.threshold,
            citer_of=citer_of, record=record,
        )  # fmt: skip

    def _prompt(
        self, request: ChatRequest, evidence: Evidence, model: ChatModel, conflicts: list[Disagreement]
    ) -> tuple[Prompt, int]:
        """What to ask, and how many tokens the answer may have."""
        question = last_question(request.messages)
        # An optional attribute of models: `ChatModel` says what it means.
        if getattr(model, "small", False):
            return build_small_prompt(request.messages, question, evidence), min(
                request.max_tokens or SMALL_ANSWER_TOKENS, SMALL_ANSWER_TOKENS
            )
        limit = min(request.max_tokens or ANSWER_TOKENS, model.context_length // 2)
        prompt = build_prompt(
            request.messages,
            question,
            evidence,
            context_length=model.context_length,
            answer_tokens=limit,
            order=self._settings.source_order,
            disputed=[[side.passage for side in conflict.sides] for conflict in conflicts],
        )
        return prompt, limit

    def _stored(self, retrieval: Retrieval) -> Stored:
        documents, scope = self._documents, retrieval.scope
        passages = passages_of(retrieval)

        async def read(document_id: str, start: int, end: int) -> str:
            if documents is not None:
                try:
                    return await documents.text(scope, document_id, start, end)
                except NotFound:
                    return ""
            for passage in passages:
                hit = passage.hit
                if hit.document_id == document_id and hit.start <= start and end <= hit.end:
                    return passage.slice(start, end)
            return ""

        return read


def check_request(request: ChatRequest) -> None:
    """Raise `InvalidParameter` for what cannot be held together with verified citations."""
    hint = "Leave it out, or ask without a collection."
    if request.n > 1:
        raise InvalidParameter("A grounded answer has one choice: `n` must be 1.", param="n", hint=hint)
    if request.logprobs:
        raise InvalidParameter("`logprobs` cannot be given for a grounded answer.", param="logprobs", hint=hint)
    if (request.response_format or {}).get("type", "text") != "text":
        message = "A grounded answer is text with citations: `response_format` cannot constrain it."
        raise InvalidParameter(message, param="response_format", hint=hint)


def _log(name: str, value: object) -> None:
    log.debug("%s: %s", name, value)
