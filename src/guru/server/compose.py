"""Builds every part of a server and lets them meet: the one place where features are handed to each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from guru.config import Settings, Source
from guru.gateway.conversations import Conversations
from guru.gateway.cost import Prices
from guru.gateway.cost.ledger import Ledger
from guru.gateway.pipeline import Road
from guru.gateway.responses import Responses
from guru.gateway.routing import Router
from guru.gateway.tokens import TokenCounter
from guru.knowledge.answer.answer import Answerer
from guru.knowledge.base import KnowledgeBase
from guru.knowledge.parse.document import MIB
from guru.knowledge.parse.sandbox import ParsePool
from guru.observe.metrics import Metrics
from guru.observe.traces import Tracer
from guru.server.gauges import add_gauges
from guru.server.library import Library, LocalLibrary
from guru.server.reload import Reloadable, Reloader
from guru.server.services import Services
from guru.store.blobs import BlobStore
from guru.store.database import Database
from guru.store.jobs import Jobs


@asynccontextmanager
async def open_services(
    home: Path,
    settings: Settings,
    *,
    run_jobs: bool = True,
    models: Library | None = None,
    source: Source | None = None,
) -> AsyncIterator[Services]:
    """Every part, opened in the order in which they need each other, closed in the reverse."""
    async with AsyncExitStack() as stack:
        database = Database(settings.store.url) if settings.store.url else Database.in_home(home)
        stack.push_async_callback(database.close)
        await database.open()
        blobs = BlobStore(home)
        tracer, metrics, jobs = Tracer(database, home, days=settings.traces.days), Metrics(), Jobs(database)
        ledger = Ledger(database)
        tracer.on_save.append(ledger.record)
        stack.push_async_callback(tracer.close)
        await tracer.open()
        library = models or LocalLibrary(home, settings, jobs)
        stack.push_async_callback(library.aclose)
        parser = ParsePool(
            timeout=settings.knowledge.parse_timeout_seconds, memory=settings.knowledge.parse_memory_mb * MIB
        )
        stack.push_async_callback(parser.aclose)
        embedder = library.embedder("embedding")
        knowledge = KnowledgeBase(database, blobs, embedder, parser, settings.knowledge, jobs=jobs)
        prices = Prices(settings)
        await prices.open()
        router = Router(library, settings, cost=prices.estimate)
        road = Road(
            settings=settings, models=library, router=router, prices=prices, tokens=TokenCounter(),
            knowledge=knowledge, answerer=Answerer(embedder, settings.knowledge, knowledge.documents),
            tracer=tracer, metrics=metrics,
        )  # fmt: skip
        conversations = Conversations(database, road)
        stack.push_async_callback(conversations.close)
        await conversations.open()
        reloadable: list[Reloadable] = [*([library] if isinstance(library, LocalLibrary) else []), prices, router, road]
        services = Services(
            reloader=Reloader(settings, source, reloadable),
            home=home, settings=settings, database=database, blobs=blobs, jobs=jobs, models=library, parser=parser,
            knowledge=knowledge, tracer=tracer, metrics=metrics, road=road,
            conversations=conversations, responses=Responses(database), ledger=ledger,
        )  # fmt: skip
        add_gauges(services)
        stack.push_async_callback(services.reloader.aclose)
        services.reloader.open()
        if run_jobs:
            stack.push_async_callback(jobs.close)
            await jobs.start()
        yield services
