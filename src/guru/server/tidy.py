"""Addresses with a slash too many: `/v1/models/` and `//v1/models` are what `/v1/models` is, without a redirect.

Base addresses are put together from two halves in many clients. A redirect would lose the body with some of them, and
name the wrong scheme behind a proxy.
"""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Receive, Scope, Send

APIS = ("/v1/", "/v2/", "/api/")
SLASHES = re.compile(r"/{2,}")


class Tidy:
    """ASGI middleware for the paths of the APIs; pages keep theirs."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path.endswith("/") or "//" in path:
            tidied = SLASHES.sub("/", path)
            if tidied.startswith(APIS):
                scope["path"] = tidied.rstrip("/")
        await self.app(scope, receive, send)
