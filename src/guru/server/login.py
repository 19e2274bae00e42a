"""Logging in to the web pages with a key, where requests need one.

The page trades the key for a cookie that scripts cannot read and that other sites' pages do not send (`HttpOnly`,
`SameSite=Strict`); changes are checked for their Origin besides (`guru.server.security`).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from guru.errors import Forbidden, Unauthorized
from guru.gateway.identity.secrets import shown
from guru.gateway.identity.sessions import COOKIE, LIFETIME
from guru.server.endpoint import Call, post


class Login(Struct, forbid_unknown_fields=True):
    key: str
    """An API key of this server."""


@post("/api/v1/login", status=204, public=True)
async def log_in(call: Call, body: Login) -> Any:
    """Trade a key for a cookie, for twelve hours or until the key ends. 429 after too many wrong ones."""
    client, account = call.request.client, shown(body.key.strip())
    address = client.host if client is not None else ""
    call.services.logins.check(address, account)
    try:
        cookie = call.services.directory.log_in(body.key)
    except Unauthorized:
        call.services.logins.failed(address, account)
        raise
    response = Response(status_code=204)
    response.set_cookie(
        COOKIE, cookie, max_age=LIFETIME, httponly=True, samesite="strict", secure=call.request.url.scheme == "https"
    )
    return response


@post("/api/v1/logout", status=204, public=True)
async def log_out(call: Call) -> Any:
    """Forget the cookie."""
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


def to_login(request: Request) -> Response | None:
    """Where a page sends somebody who has not said who they are; None for everybody else."""
    try:
        Call(request.scope, request.receive).identify("pages")
    except Forbidden:
        return None  # known, but may use few doors: the page's own requests say so
    except Unauthorized:
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?next={quote(path, safe='')}", status_code=303)
    return None


def manages(request: Request) -> bool:
    """Whether a page shows the way to what only administrators may see."""
    try:
        return Call(request.scope, request.receive).identify("pages").role == "admin"
    except (Forbidden, Unauthorized):
        return False


DOORS = [log_in, log_out]
