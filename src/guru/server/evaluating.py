"""Lets evaluations meet what they measure: the knowledge base, the road, the check of sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec

from guru.config import KnowledgeSettings
from guru.errors import NotFound
from guru.evaluate.corpus import Ask, Cut, Find, Found, Passage, Source, Span, Verdict
from guru.evaluate.evaluations import Evaluations
from guru.gateway.identity import Caller, Directory
from guru.gateway.pipeline import Road
from guru.gateway.searching import Search
from guru.knowledge.answer.check import check_answer
from guru.knowledge.base import KnowledgeBase
from guru.knowledge.preview import Parser
from guru.knowledge.recut import Recutter
from guru.knowledge.sentences import sentence_spans
from guru.protocols import Embedder
from guru.server.endpoint import door_name
from guru.store.blobs import BlobStore
from guru.store.database import Database
from guru.store.ids import new_id
from guru.store.jobs import Jobs
from guru.store.scope import Scope
from guru.types import JSON, ChatRequest, Event, SearchMode, SearchOptions

PORTION = 500
"""Rows that are read at once."""


def everybody(tenant: str) -> Scope:
    """An evaluation is of the whole organisation: it sees no document with an access list."""
    return Scope(tenant, ())


class Corpus:
    """The knowledge base, as evaluations see it."""

    def __init__(self, knowledge: KnowledgeBase, recutter: Recutter) -> None:
        self._knowledge = knowledge
        self._recutter = recutter

    async def check(self, tenant: str, collection: str) -> None:
        await self._knowledge.collections.get(everybody(tenant), collection)

    async def sources(self, tenant: str, collection: str) -> Sequence[Source]:
        found: list[Source] = []
        after: str | None = None
        while True:
            page, after = await self._knowledge.documents.list(
                everybody(tenant), collection, limit=PORTION, after=after
            )
            found += [Source(id=item.id, name=item.name, title=item.title) for item in page]
            if after is None:
                return found

    async def pages(self, tenant: str, document_id: str) -> dict[int, Span]:
        document = await self._knowledge.documents.get(everybody(tenant), document_id)
        return {page["number"]: (page["start"], page["end"]) for page in document.page_spans}

    async def text(self, tenant: str, document_id: str, start: int = 0, end: int | None = None) -> str:
        return await self._knowledge.documents.text(everybody(tenant), document_id, start, end)

    async def passages(self, tenant: str, document_id: str) -> Sequence[Passage]:
        found: list[Passage] = []
        after: int | None = None
        while True:
            page, after = await self._knowledge.documents.chunks(
                everybody(tenant), document_id, limit=PORTION, after=after
            )
            found += [
                Passage(start=item.start, end=item.end, text=item.text, heading_path=item.heading_path)
                for item in page
            ]  # fmt: skip
            if after is None:
                return found

    async def cut_of(self, tenant: str, collection: str) -> tuple[Cut, list[str]]:
        options, own = await self._recutter.options_of(tenant, collection)
        parents = options.chunking == "hierarchical"
        cut = Cut(
            chunking=options.chunking, chunk_tokens=options.chunk_tokens, chunk_overlap=options.chunk_overlap,
            parent_tokens=max(options.parent_tokens, options.chunk_tokens) if parents else None,
        )  # fmt: skip
        return cut, own

    async def cut(self, tenant: str, collection: str, copy: str, cut: Cut) -> None:
        chosen = {name: value for name, value in msgspec.structs.asdict(cut).items() if value is not None}
        await self._recutter.cut(tenant, collection, copy, chosen)

    async def collections(self, tenant: str) -> Sequence[str]:
        return [item.name for item in await self._knowledge.collections.list(everybody(tenant))]

    async def drop(self, tenant: str, copy: str) -> None:
        with suppress(NotFound):
            await self._knowledge.collections.delete(Scope(tenant), copy)

    def sentences(self, text: str) -> list[Span]:
        return sentence_spans(text)


def open_evaluations(
    database: Database, jobs: Jobs, knowledge: KnowledgeBase, road: Road, directory: Directory, *,
    blobs: BlobStore, embedder: Embedder, parser: Parser, settings: KnowledgeSettings,
) -> Evaluations:  # fmt: skip
    """The evaluations of a server. Models are asked over the road, as whoever began the evaluation."""

    def calls_of(caller: JSON, kind: str) -> Callable[[], Caller]:
        """Who asks and searches, anew for each request, as long as they may."""
        route = door_name(f"/api/v1/evaluations/{kind}")
        # An answer that was kept says nothing of how the system answers now; and everybody reads the reports.
        own = {"route": route, "trace_id": "", "cache": "off", "shared_only": True}
        whole = msgspec.convert(caller | own, Caller)

        def call() -> Caller:
            asking = msgspec.structs.replace(whole, trace_id=new_id("tr"), headers={})
            directory.check(asking, route)
            return asking

        return call

    def ask_as(caller: JSON, kind: str) -> Ask:
        call = calls_of(caller, kind)

        async def ask(request: ChatRequest) -> list[Event]:
            return await road.answer(request, call())

        return ask

    def find_as(caller: JSON, kind: str) -> Find:
        call = calls_of(caller, kind)

        async def find(
            collection: str, query: str, *,
            k: int, mode: SearchMode, filter: JSON | None = None, options: SearchOptions, to_read: bool = False,
        ) -> Found:  # fmt: skip
            wanted = Search(collection, query, k=k, mode=mode, filter=filter, options=options, to_read=to_read)
            found = await road.search(wanted, call())
            return Found(found.hits, found.notes)

        return find

    async def support(question: str, answer: str, quotes: dict[int, str]) -> Sequence[Verdict]:
        checks = await check_answer(question, answer, quotes, embedder)
        return [Verdict(text=check.sentence, supported=check.supported) for check in checks]

    async def vectors(texts: Sequence[str]) -> Sequence[Sequence[float]]:
        found: list[list[float]] = (await embedder.embed(texts)).tolist()
        return found

    recutter = Recutter(
        database, blobs, knowledge.collections, knowledge.filling, settings,
        documents=knowledge.documents, parser=parser,
    )  # fmt: skip
    corpus = Corpus(knowledge, recutter)
    return Evaluations(
        database, jobs, corpus, ask_as=ask_as, find_as=find_as, support=support, vectors=vectors, knowledge=settings
    )
