"""Answers over many documents: each is read for itself, and what they say is put together (map and reduce).

A small model puts nothing together: it is shown in what words each document answers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Final, Literal

import msgspec
from msgspec import Struct

from guru.config import MapReduceSettings
from guru.knowledge.answer.cite import Citer, Record
from guru.knowledge.answer.confidence import confidence
from guru.knowledge.answer.decline import decline
from guru.knowledge.answer.draft import Draft
from guru.knowledge.answer.evidence import Evidence, gather
from guru.knowledge.answer.features import Passage
from guru.knowledge.answer.map_reduce import Mapper
from guru.knowledge.answer.orders import shown_name
from guru.protocols import ChatModel, Reader
from guru.types import ChatRequest, Completed, Delta, Event, Finished, Progress, Unread

NAMED: Final = 10
"""Documents that the text of an answer names as not read; the event names all."""
NEAREST: Final = 6
"""Passages of which a declined answer tells where they are."""
CiterOf = Callable[[Evidence], Awaitable[Citer]]


class Read(Struct, frozen=True):
    """One document, read for the question."""

    name: str
    evidence: Evidence
    confidence: float


async def read_documents(
    question: str, passages: Sequence[Passage], reader: Reader | None, limits: MapReduceSettings
) -> AsyncGenerator[Read | Unread, None]:
    """Each document for itself, the most relevant first; those beyond the limit last, unread."""
    by_document: dict[str, list[Passage]] = {}
    for passage in passages:
        by_document.setdefault(passage.hit.document_id, []).append(passage)
    documents = list(by_document.values())
    for own in documents[: limits.documents]:
        chosen = own[: limits.passages]
        if reader is not None:
            readings = await reader.read(question, [passage.hit.text for passage in chosen])
            chosen = [msgspec.structs.replace(p, reading=r) for p, r in zip(chosen, readings, strict=True)]
        evidence = await asyncio.to_thread(gather, question, chosen)
        yield Read(chosen[0].hit.document, evidence, confidence(evidence))
    for own in documents[limits.documents :]:
        yield Unread(own[0].hit.document, f"More than {limits.documents} documents were found.")


async def list_quotes(reads: Sequence[Read], citer: Citer, evidence: Evidence) -> list[Event]:
    """The best sentence of each document, with its citation."""
    events: list[Event] = []
    for read in reads:
        best = read.evidence.quotes[0]
        passage = read.evidence.passages[best.passage]
        place = next(i for i, p in enumerate(evidence.passages) if p.hit.chunk_id == passage.hit.chunk_id)
        lead = "- " if not events else "\n- "
        quote = msgspec.structs.replace(best, passage=place)
        events += await citer.quote([quote], lead=f"{lead}{shown_name(read.name)}: ")
    return events


class Many:
    """One answer over many documents. `events` gives it, with `Progress` on the way."""

    def __init__(
        self,
        request: ChatRequest,
        question: str,
        passages: Sequence[Passage],
        *,
        model: ChatModel,
        reader: Reader | None,
        limits: MapReduceSettings,
        threshold: float,
        citer_of: CiterOf,
        record: Record,
    ) -> None:
        """`threshold` is the confidence under which a document says nothing; `citer_of(evidence)` makes the citer."""
        self._request, self._question, self._passages = request, question, passages
        self._model, self._reader, self._limits, self._threshold = model, reader, limits, threshold
        self._citer_of, self._record = citer_of, record
        self._small = bool(getattr(model, "small", False))
        self._began = time.monotonic()
        self._total = min(limits.documents, len({passage.hit.document_id for passage in passages}))
        self._reads: list[Read] = []
        self._unread: list[Unread] = []
        self._outcome: Literal["answered", "quoted"] = "quoted"
        self._finished = Finished("stop")

    async def events(self) -> AsyncGenerator[Event, None]:
        """Raises what the model raises when no call of it succeeds."""
        async with aclosing(self._read()) as reading:
            async for step in reading:
                yield step
        if not self._reads:
            yield self._progress("map", self._total, 0)
            for event in decline(gather(self._question, self._passages[:NEAREST]), self._model.name, 0.0):
                yield event
            return
        found = [passage for read in self._reads for passage in read.evidence.passages]
        evidence = await asyncio.to_thread(gather, self._question, found)
        citer = await self._citer_of(evidence)
        mapper = Mapper(
            self._request, self._question, self._model, evidence=evidence, citer=citer, limits=self._limits,
            began=self._began, record=self._record,
        )  # fmt: skip
        answered = len({read.name for read in self._reads})
        if not self._small:
            async with aclosing(self._write(mapper, Draft(citer))) as writing:
                async for event in writing:
                    yield event
            answered = len(mapper.answered) or answered
            self._unread += mapper.unread
        if self._outcome == "quoted":
            for event in mapper.listed() or await list_quotes(self._reads, citer, evidence):
                yield event
        for event in told_unread([one for one in self._unread if one.document not in citer.cited]):
            yield event
        yield self._progress("reduce", self._total, answered)
        yield self._finished
        sure = max(read.confidence for read in self._reads)
        yield Completed(model=self._model.name, usage=mapper.usage, outcome=self._outcome, confidence=round(sure, 4))

    async def _read(self) -> AsyncGenerator[Event, None]:
        """Read the documents, and keep those that say something."""
        done = 0
        yield self._progress("map", done, 0)
        async with aclosing(read_documents(self._question, self._passages, self._reader, self._limits)) as documents:
            async for read in documents:
                if isinstance(read, Unread):
                    self._unread.append(read)
                    continue
                done += 1
                if read.evidence.quotes and read.confidence >= self._threshold:
                    self._reads.append(read)
                if self._small:
                    yield self._progress("map", done, len(self._reads))
        told = [{"document": read.name, "confidence": round(read.confidence, 4)} for read in self._reads]
        self._record("documents", told)

    async def _write(self, mapper: Mapper, draft: Draft) -> AsyncGenerator[Event, None]:
        """What the model makes of them: in one call where all fit, else batch by batch, and then together."""
        batches = mapper.batches()
        if len(batches) > 1:
            before = self._total - len(self._reads)
            async with aclosing(mapper.map(batches)) as steps:
                async for done in steps:
                    yield self._progress("map", before + done, len(mapper.answered), mapper.unread)
            if mapper.error is not None and not mapper.notes and len(mapper.unread) >= len(self._reads):
                raise mapper.error
            asked = mapper.reduce() if mapper.notes else None
        else:
            asked = mapper.direct()
        if asked is None:
            return
        yield self._progress("reduce", self._total, len(mapper.answered) or len(self._reads), mapper.unread)
        async with aclosing(mapper.write(asked, draft)) as events:
            async for event in events:
                yield event
        if draft.stands:
            self._outcome, self._finished = "answered", draft.finished

    def _progress(
        self, stage: Literal["map", "reduce"], done: int, answered: int, unread: Sequence[Unread] = ()
    ) -> Progress:
        return Progress(stage=stage, done=done, total=self._total, answered=answered, unread=[*self._unread, *unread])


def told_unread(unread: Sequence[Unread]) -> list[Event]:
    """Says in the text which documents it knows nothing of."""
    if not unread:
        return []
    names = [shown_name(one.document) for one in unread[:NAMED]]
    more = f" and {len(unread) - NAMED} more" if len(unread) > NAMED else ""
    return [Delta(text=f"\n\nNot read: {', '.join(names)}{more}.")]
