"""Errors as the API that was called shows them: OpenAI's, Anthropic's, Ollama's, Cohere's, and Guru's own shape."""

from __future__ import annotations

import logging
import math
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from guru.errors import BadRequest, GuruError, NotFound, RateLimited
from guru.server.absent import absent
from guru.server.exchange import exchange_of

log = logging.getLogger(__name__)

TYPES = {404: NotFound.type, 405: BadRequest.type, 413: BadRequest.type, 429: RateLimited.type}


def trace_id_of(scope: Scope) -> str:
    """The id of this request, which its trace and its log lines carry."""
    return str(scope.get("guru.trace_id", ""))


def public_url(scope: Scope) -> str:
    """The address of this server, as whoever asks knows it."""
    host = next((value for name, value in scope["headers"] if name == b"host"), b"localhost").decode("latin-1")
    return f"{scope.get('scheme', 'http')}://{host}"


def openai_error(error: GuruError) -> dict[str, Any]:
    """What OpenAI's clients expect; the hint goes into the message, because they show nothing else."""
    return {"error": {"message": str(error), "type": error.type, "param": error.param, "code": error.code}}


def guru_error(error: GuruError, trace_id: str) -> dict[str, Any]:
    return {
        "error": {
            "type": error.type,
            "code": error.code,
            "message": error.message,
            "hint": error.hint,
            "param": error.param,
            "trace_id": trace_id,
        }
    }


ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def anthropic_error(error: GuruError, trace_id: str, status: int | None = None) -> dict[str, Any]:
    """What Anthropic's clients expect; the hint goes into the message."""
    status = status or error.status
    kind = ANTHROPIC_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    return {"type": "error", "error": {"type": kind, "message": str(error)}, "request_id": trace_id}


def cohere_error(error: GuruError, trace_id: str) -> dict[str, Any]:
    """What Cohere's clients expect."""
    return {"id": trace_id, "message": str(error)}


def ollama_error(error: GuruError) -> dict[str, Any]:
    return {"error": str(error)}


def error_body(scope: Scope, error: GuruError, trace_id: str) -> dict[str, Any]:
    path: str = scope["path"]
    if path.startswith("/v1/messages") or speaks_anthropic(scope):
        return anthropic_error(error, trace_id, getattr(error, "http_status", None))
    if path.startswith("/v1"):
        return openai_error(error)
    if path.startswith("/v2/"):
        return cohere_error(error, trace_id)
    if path.startswith("/api/") and not path.startswith("/api/v1"):
        return ollama_error(error)
    return guru_error(error, trace_id)


def speaks_anthropic(scope: Scope) -> bool:
    """Whether the client is one of Anthropic's: they say so with every request."""
    return any(name == b"anthropic-version" for name, _ in scope["headers"])


def error_response(scope: Scope, error: GuruError, status: int | None = None) -> Response:
    """The answer to a request that failed before anything was sent."""
    trace_id = trace_id_of(scope)
    body = msgspec.json.encode(error_body(scope, error, trace_id))
    headers = {"x-guru-trace-id": trace_id}
    if error.retry_after is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after)))
    elif error.retryable:
        headers["retry-after"] = "1"
    if error.status == 401 and scope["path"] == "/mcp":  # where a client of MCP learns how to get a token
        where = f"{public_url(scope)}/.well-known/oauth-protected-resource/mcp"
        headers["www-authenticate"] = f'Bearer resource_metadata="{where}"'
    headers |= error.headers
    return Response(body, status or error.status, headers, "application/json")


def as_guru_error(error: Exception, trace_id: str) -> GuruError:
    """The error itself, or, for one that nobody foresaw, a plain one; the log has the rest."""
    if isinstance(error, GuruError):
        return error
    if isinstance(error, RecursionError):  # what decoding could just read, and nobody can go through
        return BadRequest("The request is nested too deeply.", hint="Send fewer lists and objects in each other.")
    log.error("unexpected error in request %s", trace_id, exc_info=error)
    return GuruError("The server made a mistake.", hint=f"The log has the details, under {trace_id}.")


class HTTPError(GuruError):
    """An error of the protocol itself: no such route, method not allowed."""

    def __init__(self, error: HTTPException, path: str, allowed: list[str]) -> None:
        message, hint = error.detail, None
        if error.status_code == 404 or (error.status_code == 405 and absent(path)):
            message, hint = absent(path) or (f"There is nothing at {path}.", "/docs lists every route.")
        elif error.status_code == 405:
            plain = [method for method in allowed if method not in ("HEAD", "OPTIONS")]
            message, hint = f"{path} does not take this method.", f"Use {' or '.join(plain)}."
        super().__init__(message, hint=hint)
        self.http_status = error.status_code


def on_http_exception(request: Request, error: Exception) -> Response:
    """For Starlette, which raises `HTTPException` for unknown routes and methods."""
    assert isinstance(error, HTTPException)
    allowed = methods_of(request) if error.status_code == 405 else []
    if allowed and request.method == "OPTIONS":
        return Response(status_code=204, headers={"allow": ", ".join(allowed)})
    shown = HTTPError(error, request.url.path, allowed)
    body = error_body(request.scope, shown, trace_id_of(request.scope))
    if isinstance(body.get("error"), dict) and "code" in body["error"]:
        body["error"]["type"] = TYPES.get(error.status_code, BadRequest.type if error.status_code < 500 else shown.type)
        body["error"]["code"] = HTTPStatus(error.status_code).name.lower()
    headers = {"allow": ", ".join(allowed)} if allowed else error.headers
    return Response(msgspec.json.encode(body), error.status_code, headers, "application/json")


def methods_of(request: Request) -> list[str]:
    """What may be done at the path of a request. Several routes may share it, of which Starlette names the first."""
    routes = [
        route
        for route in request.app.routes
        if isinstance(route, Route) and route.path_regex.match(request.scope["path"])
    ]
    return sorted({method for route in routes for method in route.methods or ()} | {"OPTIONS"})


def on_guru_error(request: Request, error: Exception) -> Response:
    """For routes that are not endpoints of ours, such as pages."""
    assert isinstance(error, GuruError)
    return error_response(request.scope, error)


class CatchAll:
    """Outermost: whatever nobody caught becomes a 500 without a traceback; the log has it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            shown = as_guru_error(error, trace_id_of(scope))
            if not exchange_of(receive).response_started:
                await error_response(scope, shown)(scope, receive, send)
