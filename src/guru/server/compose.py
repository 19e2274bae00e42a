"""Builds every part of a server and lets them meet: the one place where features are handed to each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path

from guru.config import KnowledgeSettings, Settings, Source, TelemetrySettings
from guru.gateway.batches.files import Files
from guru.gateway.conversations import Conversations
from guru.gateway.cost.ledger import Ledger
from guru.gateway.identity import Audit, Changes, Directory, Sessions
from guru.gateway.releases import Feedback
from guru.gateway.responses import Responses
from guru.gateway.routing import Router
from guru.gateway.tasks import Host
from guru.knowledge.answer.answer import Answerer
from guru.knowledge.base import KnowledgeBase
from guru.knowledge.index.base import Index
from guru.knowledge.index.own import opened_index
from guru.knowledge.parse.sandbox import ParsePool
from guru.models.http import HttpClient
from guru.models.registry import LOCAL_EMBEDDING
from guru.observe.metrics import Metrics
from guru.observe.otlp import Exporter
from guru.observe.traces import Tracer
from guru.server.answerers import Answerers, ChatRoad
from guru.server.batching import open_batches
from guru.server.cluster.ray import RayCluster
from guru.server.compose_road import open_road
from guru.server.embedding import LibraryEmbedders
from guru.server.evaluating import open_evaluations
from guru.server.fetching import HttpFetcher
from guru.server.gauges import add_gauges
from guru.server.inner import InnerDoors
from guru.server.library import Library, LocalLibrary
from guru.server.limits import Limits
from guru.server.mcp import open_mcp
from guru.server.parsing import make_parser
from guru.server.probing import ActiveHealth
from guru.server.prompting import Following, open_prompts
from guru.server.reload import Reloadable, Reloader
from guru.server.running_agents import open_agents
from guru.server.services import Services
from guru.server.summarizing import open_summaries
from guru.server.tooling import open_tools
from guru.server.workflow_agents import RoadAgents
from guru.server.workflowing import open_retention, open_workflows
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
    owner_secret: str | None = None,
) -> AsyncIterator[Services]:
    """Every part, opened in the order in which they need each other, closed in the reverse.

    `owner_secret` is what a request of the person shows whose machine this is, where requests need a key.
    """
    async with AsyncExitStack() as stack:
        database = Database.configured(home, settings.store)
        stack.push_async_callback(database.close)
        await database.open()
        http = HttpClient()
        stack.push_async_callback(http.aclose)
        blobs = BlobStore(home, settings.store.blobs)
        tracer, metrics, jobs = Tracer(database, home, days=settings.traces.days), Metrics(), Jobs(database)
        ledger = Ledger(database)
        tracer.on_save.append(ledger.record)
        stack.push_async_callback(tracer.close)
        if (exporter := make_exporter(settings.telemetry, http)) is not None:
            tracer.on_end.append(exporter.add)
            stack.push_async_callback(exporter.aclose)
            exporter.open()
        await tracer.open()
        directory = Directory(database, settings, Sessions.in_home(home), owner_secret=owner_secret)
        stack.push_async_callback(directory.close)
        await directory.open()
        limits = Limits(settings, directory, ledger, metrics)
        stack.push_async_callback(limits.aclose)
        library = models or LocalLibrary(home, settings, jobs, http)
        stack.push_async_callback(library.aclose)
        parser = await stack.enter_async_context(aclosing(make_parser(settings.knowledge)))
        knowledge = await open_knowledge(
            stack, library, settings.knowledge, database, blobs, parser=parser, jobs=jobs, host=lambda: road,
            index=await stack.enter_async_context(opened_index(database, settings.store, keep=run_jobs)),
        )  # fmt: skip
        answerer = make_answerer(library, settings.knowledge, knowledge)
        prompts, folder = await open_prompts(
            stack, home, settings.prompts, database, library.embedder(LOCAL_EMBEDDING), watch=run_jobs
        )
        road, router, releases, memories, steps = await open_road(
            stack, settings, database, library=library, limits=limits, knowledge=knowledge, answerer=answerer,
            prompts=prompts, directory=directory, tracer=tracer, metrics=metrics,
        )  # fmt: skip
        inner, closing = InnerDoors(), asyncio.Event()
        tools = open_tools(stack, settings.tools, parser=parser, collections=knowledge.collections, road=road)
        mcp = open_mcp(
            stack, settings.mcp, tools,
            knowledge=knowledge, road=road, database=database, home=home, closing=closing, prompts=prompts,
        )  # fmt: skip
        batches = open_batches(
            Files(database, blobs), jobs, road, library, directory, doors=inner, settings=settings.batches,
            limits=limits,
        )  # fmt: skip
        agents = open_agents(
            database, jobs, settings, road=road, router=router, directory=directory,
            embedder=library.embedder(LOCAL_EMBEDDING), tools=tools.toolbox, memories=memories, prompts=prompts,
        )  # fmt: skip
        retention = open_retention(database, settings)
        answerers = Answerers(road, agents)
        conversations = await open_conversations(stack, database, answerers)
        reloadable: list[Reloadable] = [
            *([library] if isinstance(library, LocalLibrary) else []), limits, batches, *steps, tools, mcp,
            Following(home, prompts, folder), agents, retention,
        ]  # fmt: skip
        services = Services(
            reloader=Reloader(settings, source, reloadable),
            home=home, settings=settings, database=database, blobs=blobs, jobs=jobs, models=library, parser=parser,
            knowledge=knowledge, tracer=tracer, metrics=metrics, road=road, answerers=answerers,
            conversations=conversations, responses=Responses(database), ledger=ledger,
            memories=memories,
            files=batches.files, batches=batches,
            evaluations=open_evaluations(
                database, jobs, knowledge, road, directory,
                blobs=blobs, embedder=library.embedder(LOCAL_EMBEDDING), parser=parser, settings=settings.knowledge,
            ),
            summaries=open_summaries(
                database, jobs, library.embedder(LOCAL_EMBEDDING), road=road, router=router, directory=directory
            ),
            prompts=prompts, prompt_folder=folder,
            tools=tools, agents=agents, router=router, releases=releases, feedback=Feedback(database, releases.judge),
            workflows=open_workflows(
                database, jobs, settings.workflows, road=road, directory=directory, tools=tools.toolbox,
                agents=RoadAgents(agents),
            ),
            retention=retention,
            directory=directory, changes=Changes(database, directory), audit=Audit(database), limiter=limits.limiter,
            mcp=mcp, closing=closing,
        )  # fmt: skip
        if isinstance(library, LocalLibrary):
            reloadable.append(open_health(stack, settings, router, library))
        inner.open(services)
        add_gauges(services)
        stack.push_async_callback(services.reloader.aclose)
        services.reloader.open()
        if run_jobs:
            await begin_work(stack, services)
        yield services


async def begin_work(stack: AsyncExitStack, services: Services) -> None:
    """Run jobs, and what is done by itself."""
    knowledge = services.knowledge
    stack.push_async_callback(services.jobs.close)
    await services.jobs.start()
    await stack.enter_async_context(knowledge.reembedding.keeping_house())
    await stack.enter_async_context(knowledge.index.keeping_house())
    await stack.enter_async_context(services.workflows.keeping_time())
    await stack.enter_async_context(services.retention.keeping_house())
    stack.push_async_callback(services.agents.triggers.aclose)
    services.agents.triggers.open()


async def open_conversations(stack: AsyncExitStack, database: Database, road: ChatRoad) -> Conversations:
    conversations = Conversations(database, road)
    stack.push_async_callback(conversations.close)
    await conversations.open()
    return conversations


def open_health(stack: AsyncExitStack, settings: Settings, router: Router, library: LocalLibrary) -> Reloadable:
    """What looks at deployments between requests."""
    health = ActiveHealth(settings, router, library.remote)
    stack.push_async_callback(health.aclose)
    health.open()
    return health


async def open_knowledge(
    stack: AsyncExitStack, library: Library, settings: KnowledgeSettings, database: Database, blobs: BlobStore, *,
    parser: ParsePool, jobs: Jobs, host: Callable[[], Host], index: Index,
) -> KnowledgeBase:  # fmt: skip
    """The knowledge base. `host` is the road, which comes after it."""
    source = LibraryEmbedders(library, counter=library.embedder(LOCAL_EMBEDDING), host=host)
    usual = source.embedder("", source.default())
    fetcher = await stack.enter_async_context(aclosing(HttpFetcher()))
    cluster = RayCluster(parser, settings).open
    knowledge = KnowledgeBase(
        database, blobs, usual, parser, settings, jobs=jobs, fetcher=fetcher, source=source, cluster=cluster,
        index=index,
    )  # fmt: skip
    stack.push_async_callback(knowledge.index.aclose)
    return knowledge


def make_answerer(library: Library, settings: KnowledgeSettings, knowledge: KnowledgeBase) -> Answerer:
    """What answers. Its checks are fitted to the embedding model of this machine, whichever the documents have."""
    reader = library.reader() if settings.reader else None
    return Answerer(library.embedder(LOCAL_EMBEDDING), settings, knowledge.documents, reader=reader)


def make_exporter(settings: TelemetrySettings, http: HttpClient) -> Exporter | None:
    """What sends traces to a collector, where the configuration names one."""
    if settings.otlp_endpoint is None:
        return None

    async def send(url: str, headers: Mapping[str, str], body: bytes) -> int:
        response = await http.request("POST", url, headers=headers, body=body)
        await response.read()
        return response.status

    return Exporter(settings.otlp_endpoint, send, headers=settings.headers, content=settings.content)
