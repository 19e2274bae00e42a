"""Builds the application: the one place where every part meets the others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from guru.config import Settings
from guru.errors import GuruError
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
from guru.server import (
    anthropic_api,
    ask_api,
    audio_api,
    chat_api,
    chat_socket,
    collections_api,
    conversations_api,
    documents_api,
    health,
    images_api,
    jobs_api,
    models_api,
    moderations_api,
    ollama_api,
    openai_api,
    openapi,
    pages,
    rerank_api,
    responses_api,
    traces_api,
    usage_api,
)
from guru.server.endpoint import Endpoint
from guru.server.errors import CatchAll, on_guru_error, on_http_exception
from guru.server.gauges import add_gauges
from guru.server.library import Library, LocalLibrary
from guru.server.security import Gate
from guru.server.services import Services
from guru.store.blobs import BlobStore
from guru.store.database import Database
from guru.store.jobs import Jobs

# The ones that are called most come first: routes are tried in order.
DOORS: list[Endpoint] = [
    *openai_api.DOORS,
    *anthropic_api.DOORS,
    *ollama_api.DOORS,
    *responses_api.DOORS,
    *rerank_api.DOORS,
    *moderations_api.DOORS,
    *images_api.DOORS,
    *audio_api.DOORS,
    *ask_api.DOORS,
    *chat_api.DOORS,
    *conversations_api.DOORS,
    *collections_api.DOORS,
    *documents_api.DOORS,
    *jobs_api.DOORS,
    *traces_api.DOORS,
    *usage_api.DOORS,
    *models_api.DOORS,
    *health.DOORS,
    *openapi.DOORS,
]


def create_app(home: Path, settings: Settings, *, run_jobs: bool = True, models: Library | None = None) -> Starlette:
    """The application on `home`. Everything opens when the server starts it and closes when the server stops it.

    `models` stands in for the local models, for tests and for whoever embeds Guru.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            services = open_services(home, settings, run_jobs=run_jobs, models=models)
            try:
                app.state.services = await stack.enter_async_context(services)
            except GuruError as error:
                app.state.failure = error  # for `Server`, as uvicorn would only log it
                raise
            yield

    routes: list[BaseRoute] = [*(door.route() for door in DOORS), *chat_socket.ROUTES, *pages.routes()]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[
            Middleware(CatchAll),
            Middleware(Gate, allowed_hosts=settings.server.allowed_hosts, max_body=settings.server.max_body_mb * MIB),
        ],
        exception_handlers={HTTPException: on_http_exception, GuruError: on_guru_error},
    )
    app.state.doors = DOORS
    return app


@asynccontextmanager
async def open_services(
    home: Path, settings: Settings, *, run_jobs: bool = True, models: Library | None = None
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
        services = Services(
            home=home, settings=settings, database=database, blobs=blobs, jobs=jobs, models=library, parser=parser,
            knowledge=knowledge, tracer=tracer, metrics=metrics, road=road,
            conversations=conversations, responses=Responses(database), ledger=ledger,
        )  # fmt: skip
        add_gauges(services)
        if run_jobs:
            stack.push_async_callback(jobs.close)
            await jobs.start()
        yield services
