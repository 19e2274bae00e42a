"""Errors as the API that was called shows them: OpenAI's shape under `/v1`, Guru's own elsewhere."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from guru.errors import BadRequest, GuruError, NotFound, RateLimited

log = logging.getLogger(__name__)

TYPES = {404: NotFound.type, 405: BadRequest.type, 413: BadRequest.type, 429: RateLimited.type}


def trace_id_of(scope: Scope) -> str:
    """The id of this request, which its trace and its log lines carry."""
    return str(scope.get("guru.trace_id", ""))


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


def error_body(path: str, error: GuruError, trace_id: str) -> dict[str, Any]:
    return openai_error(error) if path.startswith("/v1/") else guru_error(error, trace_id)


def error_response(scope: Scope, error: GuruError, status: int | None = None) -> Response:
    """The answer to a request that failed before anything was sent."""
    trace_id = trace_id_of(scope)
    body = msgspec.json.encode(error_body(scope["path"], error, trace_id))
    headers = {"x-guru-trace-id": trace_id}
    if error.retryable:
        headers["retry-after"] = "1"
    return Response(body, status or error.status, headers, "application/json")


def as_guru_error(error: Exception, trace_id: str) -> GuruError:
    """The error itself, or, for one that nobody foresaw, a plain one; the log has the rest."""
    if isinstance(error, GuruError):
        return error
    log.error("unexpected error in request %s", trace_id, exc_info=error)
    return GuruError("The server made a mistake.", hint=f"The log has the details, under {trace_id}.")


class HTTPError(GuruError):
    """An error of the protocol itself: no such route, method not allowed."""

    def __init__(self, error: HTTPException, path: str) -> None:
        messages = {404: f"There is nothing at {path}.", 405: f"{path} does not take this method."}
        super().__init__(
            messages.get(error.status_code, error.detail),
            hint="/docs lists every route." if error.status_code in messages else None,
        )
        self.http_status = error.status_code


def on_http_exception(request: Request, error: Exception) -> Response:
    """For Starlette, which raises `HTTPException` for unknown routes and methods."""
    assert isinstance(error, HTTPException)
    shown = HTTPError(error, request.url.path)
    body = error_body(request.url.path, shown, trace_id_of(request.scope))
    body["error"]["type"] = TYPES.get(error.status_code, BadRequest.type if error.status_code < 500 else shown.type)
    body["error"]["code"] = HTTPStatus(error.status_code).name.lower()
    return Response(msgspec.json.encode(body), error.status_code, error.headers, "application/json")


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
        started = False

        async def watching(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watching)
        except Exception as error:
            shown = as_guru_error(error, trace_id_of(scope))
            if not started:
                await error_response(scope, shown)(scope, receive, send)
