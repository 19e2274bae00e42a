"""The application: its doors, what stands before them, and the parts behind them (`guru.server.compose`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from guru.config import Settings, Source
from guru.errors import GuruError
from guru.gateway.identity.address import cors_origins, needs_key
from guru.knowledge.parse.document import MIB
from guru.server import (
    agents_api,
    anthropic_api,
    around_api,
    ask_api,
    audio_api,
    audit_api,
    batches_api,
    chat_api,
    chat_socket,
    chunk_api,
    collections_api,
    config_api,
    conversations_api,
    documents_api,
    evaluations_api,
    files_api,
    health,
    images_api,
    jobs_api,
    keys_api,
    login,
    mcp_api,
    mcp_servers_api,
    memory_api,
    models_api,
    moderations_api,
    ollama_api,
    openai_api,
    openapi,
    pages,
    prompt_drafts_api,
    prompts_api,
    releases_api,
    rerank_api,
    responses_api,
    routing_api,
    store_api,
    summaries_api,
    teams_api,
    tools_api,
    traces_api,
    usage_api,
    users_api,
    workflow_runs_api,
    workflows_api,
)
from guru.server.compose import open_services
from guru.server.cors import Cors
from guru.server.endpoint import Endpoint
from guru.server.errors import CatchAll, on_guru_error, on_http_exception
from guru.server.library import Library
from guru.server.security import Gate
from guru.server.tidy import Tidy

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
    *files_api.DOORS,
    *batches_api.DOORS,
    *agents_api.DOORS,
    *ask_api.DOORS,
    *chat_api.DOORS,
    *conversations_api.DOORS,
    *memory_api.DOORS,
    *mcp_api.DOORS,
    *mcp_servers_api.DOORS,
    *collections_api.DOORS,
    *around_api.DOORS,
    *summaries_api.DOORS,
    *tools_api.DOORS,
    *documents_api.DOORS,
    *chunk_api.DOORS,
    *evaluations_api.DOORS,
    *workflows_api.DOORS,
    *workflow_runs_api.DOORS,
    *jobs_api.DOORS,
    *traces_api.DOORS,
    *prompts_api.DOORS,
    *prompt_drafts_api.DOORS,
    *routing_api.DOORS,
    *releases_api.DOORS,
    *usage_api.DOORS,
    *keys_api.DOORS,
    *teams_api.DOORS,
    *users_api.DOORS,
    *audit_api.DOORS,
    *login.DOORS,
    *models_api.DOORS,
    *config_api.DOORS,
    *store_api.DOORS,
    *health.DOORS,
    *openapi.DOORS,
]


def create_app(
    home: Path,
    settings: Settings,
    *,
    run_jobs: bool = True,
    models: Library | None = None,
    source: Source | None = None,
    owner_secret: str | None = None,
) -> Starlette:
    """The application on `home`. Everything opens when the server starts it and closes when the server stops it.

    `models` stands in for the local models, for tests and for whoever embeds Guru; `source` is watched for changes.
    Whoever shows `owner_secret` in the header `x-guru-owner` is the local owner, also where requests need a key.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            services = open_services(
                home, settings, run_jobs=run_jobs, models=models, source=source, owner_secret=owner_secret
            )
            try:
                app.state.services = await stack.enter_async_context(services)
            except Exception as error:
                app.state.failure = error  # for `Server`, as uvicorn would only log it
                raise
            yield

    routes: list[BaseRoute] = [*(door.route() for door in DOORS), *chat_socket.ROUTES, *pages.routes()]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={HTTPException: on_http_exception, GuruError: on_guru_error},
    )
    origins = cors_origins(settings.server)
    app.router.redirect_slashes = False  # `Tidy` needs no redirect
    gate = Gate(
        Tidy(app.build_middleware_stack()),
        allowed_hosts=settings.server.allowed_hosts,
        max_body=settings.server.max_body_mb * MIB,
        any_host=needs_key(settings.server),
        origins=origins,
        doors={(door.method, door.path): door for door in reversed(DOORS) if not door.path_parameters},
    )
    # Before Starlette's own, so that most requests need not pass that.
    app.middleware_stack = CatchAll(Cors(gate, origins) if origins else gate)
    app.state.doors = DOORS
    return app
