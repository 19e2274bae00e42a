"""Builds the road with its steps."""

from __future__ import annotations

from contextlib import AsyncExitStack

import msgspec

from guru.agents.memory.memories import Memories
from guru.config import Settings
from guru.gateway.cache.cache import Cache
from guru.gateway.cache.prompts import PromptMarks
from guru.gateway.context.context import Context
from guru.gateway.cost import Prices
from guru.gateway.identity import Caller, Directory
from guru.gateway.identity.audit import record
from guru.gateway.pipeline import Road
from guru.gateway.releases import Releases
from guru.gateway.remembering import RoadMemory
from guru.gateway.routing import Router
from guru.gateway.tokens import TokenCounter
from guru.knowledge.answer.answer import Answerer
from guru.knowledge.base import KnowledgeBase
from guru.models.registry import LOCAL_EMBEDDING
from guru.observe.metrics import Metrics
from guru.observe.traces import Tracer
from guru.prompts.library import Library as PromptLibrary
from guru.server.library import Library
from guru.server.limits import Limits
from guru.server.reload import Reloadable
from guru.server.summarizing import RoadWriter
from guru.store.database import Database


async def open_road(
    stack: AsyncExitStack,
    settings: Settings,
    database: Database,
    *,
    library: Library,
    limits: Limits,
    knowledge: KnowledgeBase,
    answerer: Answerer,
    directory: Directory,
    prompts: PromptLibrary,
    tracer: Tracer,
    metrics: Metrics,
) -> tuple[Road, Router, Releases, Memories, list[Reloadable]]:
    """The road and its parts; and those of its steps that take new settings, in the order in which they do."""
    prices = Prices(settings)
    await prices.open()
    # The shadows of a release take the road, which takes the router, which asks the releases.
    releases = Releases(
        database, settings, ask=lambda *asked: road.run(*asked), audit=record, prompts=prompts  # noqa: PLW0108
    )  # fmt: skip
    cache = Cache(settings, library.embedder(LOCAL_EMBEDDING))
    stack.push_async_callback(cache.aclose)
    context, marks = Context(settings), PromptMarks(settings)
    router = Router(library, settings, cost=prices.estimate, variants=releases, stale=cache.stale)
    memories = Memories(database, library.embedder(LOCAL_EMBEDDING), settings.memory)

    def writer(caller: Caller, name: str) -> RoadWriter:
        # What it writes is nowhere but among the memories, to be erased with them.
        return RoadWriter(road, router, directory, msgspec.structs.replace(caller, cache="off"), name)

    memory = RoadMemory(memories, settings.memory, writer)
    stack.push_async_callback(memory.aclose)
    road = Road(
        settings=settings, models=library, router=router, prices=prices, tokens=TokenCounter(), limiter=limits,
        cache=cache, context=context, marks=marks, knowledge=knowledge, answerer=answerer, memory=memory,
        prompts=prompts, trials=releases,
        tracer=tracer, metrics=metrics,
    )  # fmt: skip
    await stack.enter_async_context(releases)
    return road, router, releases, memories, [prices, router, releases, cache, context, marks, memory, road]
