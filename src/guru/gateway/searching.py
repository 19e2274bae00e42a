"""Searches on the road: what a search asks of models is a part of the request that it belongs to."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct, field, structs

from guru.config import KnowledgeSettings
from guru.gateway.cost.tokens import estimate_text
from guru.gateway.identity import Caller
from guru.gateway.steps import PREVIEW, Knowledge, Passages, Request, admit, settle
from guru.gateway.tasks import Host
from guru.gateway.tasks import route as route_task
from guru.gateway.whole import collect
from guru.observe import names
from guru.observe.spans import Span, Trace
from guru.protocols import ChatModel
from guru.tasks import Ranking, RerankRequest
from guru.types import (
    JSON,
    RERANK_OFF,
    ChatRequest,
    Delta,
    Grounding,
    Hit,
    Message,
    SearchMode,
    SearchOptions,
    search_options,
)

DEFAULT = "default"
CONFIGURED = ("fusion", "dense_weight", "sparse_weight", "rerank", "rerank_top", "rerank_weight")
"""Options of a search that `[knowledge]` has too, by the same names."""
MOST = 1000
"""Passages that a search finds at most."""


class Search(Struct, frozen=True):
    """What is searched for, and where."""

    collection: str
    query: str
    k: int | None = None
    mode: SearchMode | None = None
    filter: JSON | None = None
    options: SearchOptions = field(default_factory=SearchOptions)
    to_read: bool = False
    """Whether an answer is to be made of it: parents stand in the place of the chunks that have some."""


class Road(Host, Protocol):
    """The road, as far as a search needs it."""

    def route(self, name: str, request: Request, caller: Caller, trace: Trace) -> ChatModel: ...


class RoadModels:
    """Implements `guru.tasks.SearchModels`: routed, in the trace of the request, and paid for with it."""

    def __init__(self, road: Road, writer: str, caller: Caller, trace: Trace) -> None:
        """`writer` is the name of the chat model that writes."""
        self._road = road
        self._writer = writer
        self._caller = caller
        self._trace = trace

    async def write(self, instruction: str, text: str, max_tokens: int) -> str:
        self._allow(self._writer)
        request = ChatRequest(
            model=self._writer, messages=[Message("system", instruction), Message("user", text)],
            max_tokens=max_tokens, temperature=0.0, user=self._caller.user,
        )  # fmt: skip
        model = self._road.route(self._writer, request, self._caller, self._trace)
        events = await collect(model.chat(request))
        return "".join(event.text for event in events if isinstance(event, Delta) and event.index == 0)

    async def rerank(self, model: str, query: str, documents: list[str]) -> Ranking:
        self._allow(model)
        request = RerankRequest(model=model, query=query, documents=documents)
        ranking: Ranking = await route_task(self._road, "rerank", request, self._caller, self._trace)
        return ranking

    def _allow(self, model: str) -> None:
        if self._road.limiter is not None:
            self._road.limiter.allow(self._caller, model)


def with_defaults(options: SearchOptions, settings: KnowledgeSettings) -> SearchOptions:
    """The options of a search, with what the configuration says where they say nothing."""
    usual = {name: getattr(settings, name) for name in CONFIGURED}
    if settings.rerank == RERANK_OFF:
        usual["rerank"] = None
    said = {name: value for name, value in search_options(options).items() if value is not None}
    if said.get("fusion", settings.fusion) != "learned":
        usual["rerank_weight"] = None  # it weighs the probabilities of the learned fusion
    return SearchOptions(**usual | said)


PLAIN = with_defaults(SearchOptions(), KnowledgeSettings())


def passages_wanted(grounding: Grounding, settings: KnowledgeSettings) -> int | None:
    """How many passages an answer is made of; over many documents, enough for all of them."""
    if grounding.strategy == "direct":
        return grounding.k
    limits = settings.map_reduce
    return grounding.k or min(MOST, limits.documents * limits.passages)


def told_hits(grounding: Grounding, hits: list[Hit]) -> list[Hit]:
    """What a stream tells of the passages: all, or where they are of many documents the best of each."""
    if grounding.strategy == "direct":
        return hits
    return list({hit.document_id: hit for hit in reversed(hits)}.values())[::-1]


def asks_models(options: SearchOptions) -> bool:
    return bool(options.queries) or options.reranks


async def perform_search(
    road: Road, knowledge: Knowledge, settings: KnowledgeSettings, search: Search, caller: Caller
) -> Passages:
    """A search by itself. One that asks models is a request as others are: limited, traced and paid for."""
    options = with_defaults(search.options, settings)
    search = structs.replace(search, options=options, mode=search.mode or settings.mode)
    if not asks_models(options):
        return await look(knowledge, search, caller, None)
    writer = settings.query_model or DEFAULT
    main = writer if options.queries else str(options.rerank)
    trace = road.begin(main, caller)
    trace.model, trace.preview = main, search.query[:PREVIEW]
    reservation = None
    try:
        with trace.span(caller.route) as span:
            tokens = estimate_text(search.query) + settings.query_tokens * len(options.queries)
            cost = road.prices.estimate(main, estimate_text(search.query), tokens)
            reservation = await admit(road.limiter, caller, main, tokens, cost)
            models = RoadModels(road, writer, caller, trace)
            return await retrieve(knowledge, search, caller, models=models, span=span)
    except BaseException as error:
        trace.failed(error)
        raise
    finally:
        settle(reservation, road.end(trace).calls)


async def retrieve(
    knowledge: Knowledge, search: Search, caller: Caller, *, models: RoadModels, span: Span, note: str | None = None
) -> Passages:
    """Search, and write down in the span what was asked and found. `note` is on what came before."""
    mode = search.mode or "hybrid"
    span.attributes |= {names.COLLECTION: search.collection, names.QUERY: search.query, names.SEARCH_MODE: mode}
    if search.options != PLAIN:
        options = structs.asdict(search.options).items()
        span.set(names.SEARCH_OPTIONS, {name: value for name, value in options if value != getattr(PLAIN, name)})
    if note is not None:
        span.set(names.SEARCH_NOTES, [note])
    found = await look(knowledge, search, caller, models)
    if found.queries:
        span.set(names.SEARCH_QUERIES, found.queries)
    if found.notes:
        span.set(names.SEARCH_NOTES, [*([note] if note else []), *found.notes])
    span.set(names.HITS, found.hits)
    return found


async def look(knowledge: Knowledge, search: Search, caller: Caller, models: RoadModels | None) -> Passages:
    """What the caller may see of what is found."""
    return await knowledge.retrieve(
        caller.visible, search.collection, search.query,
        k=search.k, mode=search.mode or "hybrid", filter=search.filter, options=search.options, models=models,
        to_read=search.to_read,
    )  # fmt: skip
