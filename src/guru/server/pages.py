"""The web pages and their static files.

A page is a small shell; its elements fetch everything else from the API. Static files live under one address that
contains a digest of them all, so that a browser may keep them for ever and an upgrade changes every address at once.
"""

from __future__ import annotations

import hashlib
import json
import mimetypes
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

import guru
from guru import samples, web
from guru.gateway.identity.sessions import COOKIE
from guru.server.login import manages, to_login

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from jinja2 import Environment
    from starlette.requests import Request

WEB = Path(web.__file__).parent
STATIC = WEB / "static"
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
SAMPLE_COLLECTION = "handbook"
FOR_EVER = "public, max-age=31536000, immutable"


def routes() -> list[BaseRoute]:
    """The routes of every page and of the static files."""
    return [
        Route("/", page("chat.html", title="Chat", section="chat", questions=sample_questions)),
        Route("/chat/{id}", page("chat.html", title="Chat", section="chat", questions=sample_questions)),
        Route("/collections", page("collections.html", title="Collections", section="collections")),
        Route("/collections/{name}", page("collection.html", title="Collection", section="collections")),
        Route("/documents/{id}", page("document.html", title="Document", section="collections")),
        Route(
            "/chunks",
            page("managed.html", title="Chunks", section="chunks", element="chunking", styles=["document", "chunking"]),
        ),
        Route("/map", page("managed.html", title="Map", section="map", element="map", styles=["map"])),
        Route(
            "/memory",
            page("managed.html", title="Memory", section="memory", element="memory", styles=["keys", "memory"]),
        ),
        Route(
            "/prompts",
            page(
                "managed.html",
                title="Prompts",
                section="prompts",
                element="prompts",
                styles=["keys", "agents", "prompts"],
            ),
        ),
        Route(
            "/prompts/{name}",
            page(
                "managed.html",
                title="Prompt",
                section="prompts",
                element="prompt",
                styles=["keys", "agents", "routes", "prompts"],
            ),
        ),
        Route(
            "/agents",
            page("managed.html", title="Agents", section="agents", element="agents", styles=["keys", "agents"]),
        ),
        Route("/agents/runs/{id}", page("run.html", title="Run", section="agents")),
        Route("/traces", page("traces.html", title="Traces", section="traces")),
        Route("/traces/{id}", page("trace.html", title="Trace", section="traces")),
        Route("/routes", page("managed.html", title="Routes", section="routes", element="routes", styles=["routes"])),
        *[
            Route(f"/{name}", page("managed.html", title=title, section="keys", element=name, styles=["keys", "audit"]))
            for name, title in (("keys", "Keys"), ("teams", "Teams"), ("users", "Users"), ("audit", "Audit log"))
        ],
        Route("/login", page("login.html", public=True, title="Log in", section="login")),
        Route(
            "/workflows",
            page("managed.html", title="Workflows", section="workflows", element="workflows", styles=["workflows"]),
        ),
        Route("/usage", page("usage.html", title="Usage", section="usage")),
        Route("/favicon.ico", favicon),
        Route("/static/{digest}/{path:path}", static),
    ]


def page(template: str, *, public: bool = False, **context: object) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that renders one template, with the parameters of its path as `params`."""

    async def endpoint(request: Request) -> Response:
        if not public and (elsewhere := to_login(request)) is not None:
            return elsewhere
        html = (
            templates()
            .get_template(template)
            .render(
                params=request.path_params, logged_in=COOKIE in request.cookies, manages=manages(request), **context
            )
        )
        return HTMLResponse(html, headers=SECURITY_HEADERS)

    return endpoint


async def favicon(request: Request) -> Response:
    return RedirectResponse(static_url("icon.svg"), status_code=308)


async def static(request: Request) -> Response:
    """A static file. Under the current digest it never changes; under an old one a browser must ask again."""
    files = static_files()
    path = request.path_params["path"]
    if path not in files:
        return PlainTextResponse("Not found", status_code=404)
    current = request.path_params["digest"] == digest()
    headers = {
        "Cache-Control": FOR_EVER if current else "no-cache",
        "ETag": f'"{files[path]}"',
        "X-Content-Type-Options": "nosniff",
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    media_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
    return FileResponse(STATIC / path, headers=headers, media_type=media_type)


def static_url(path: str) -> str:
    """The address of a static file, for templates."""
    return f"/static/{digest()}/{path}"


@cache
def sample_questions() -> list[str]:
    """One question for each of the first three sample documents, and one that none of them answers."""
    questions = json.loads(samples.QUESTIONS.read_bytes())
    first = {question["document"]: question["question"] for question in reversed(questions)}
    unanswered = first.pop(None, None)
    by_document = [question["question"] for question in questions if question["question"] in first.values()]
    return by_document[:3] + ([unanswered] if unanswered else [])


@cache
def static_files() -> dict[str, str]:
    """The sha256 of every static file, by its path under `static/`. Nothing else is served."""
    paths = sorted(path for path in STATIC.rglob("*") if path.is_file() and path.suffix not in {".ts", ".map"})
    return {path.relative_to(STATIC).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@cache
def digest() -> str:
    """One digest of all static files."""
    return hashlib.sha256("".join(static_files().values()).encode()).hexdigest()[:16]


@cache
def templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(WEB / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shared: dict[str, Any] = {"static": static_url, "version": guru.__version__, "sample_collection": SAMPLE_COLLECTION}
    shared |= {"logged_in": False, "manages": False}  # where a page does not say otherwise
    environment.globals.update(shared)
    return environment
