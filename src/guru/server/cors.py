"""Pages of other sites that may call the API: cross-origin resource sharing, for the origins of the configuration.

Spec: https://fetch.spec.whatwg.org/#http-cors-protocol. Credentials of the browser are never allowed: such a page
sends a key.
"""

from __future__ import annotations

from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from guru.server.exchange import exchange_of

METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
SHOWN = (
    b"x-request-id, x-guru-trace-id, x-guru-model, x-guru-cost, x-guru-cache, x-guru-prompt, retry-after, "
    b"x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, "
    b"x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens"
)
SECONDS = b"600"
"""How long a browser may keep the answer to a preflight."""


class Cors:
    """ASGI middleware: answers preflights, and marks answers for the pages that may read them."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        """`origins` as browsers write them, such as `https://app.example`; `*` is any."""
        self.app = app
        self._origins = {origin.lower().rstrip("/").encode() for origin in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = exchange_of(receive)
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        exchange.extra.append((b"vary", b"origin"))
        if origin is None or not (b"*" in self._origins or origin.lower() in self._origins):
            await self.app(scope, receive, send)
            return
        exchange.extra += [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", SHOWN)]
        if scope["method"] != "OPTIONS" or b"access-control-request-method" not in headers:
            await self.app(scope, receive, send)
            return
        allowed = [(b"access-control-allow-methods", METHODS), (b"access-control-max-age", SECONDS)]
        if wanted := headers.get(b"access-control-request-headers"):
            allowed.append((b"access-control-allow-headers", wanted))
        await send({"type": "http.response.start", "status": 204, "headers": allowed})
        await send({"type": "http.response.body", "body": b""})
