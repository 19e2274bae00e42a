"""What stands before every door: who is addressed, from where, and how much may be sent.

A page on another site can make a browser send requests to a server on the loopback interface. With DNS rebinding the
Host header gives it away; without, the Origin and Sec-Fetch-Site headers do. Both are checked, because a request
without a key is the local owner here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from guru.errors import Forbidden, GuruError
from guru.server.bodies import too_large
from guru.server.errors import error_response
from guru.server.exchange import Constant, Exchange, exchange_of
from guru.store.ids import new_id

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
CONTENT_POLICY = (
    b"default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
    b"form-action 'self'; frame-ancestors 'self'"
)
ALWAYS = Constant(
    [
        (b"content-security-policy", CONTENT_POLICY),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]
)


class Gate:
    """Pure ASGI middleware: request ids, Host and Origin checks, size limit, security headers; sockets too.

    `doors` are those that it calls itself, by method and path, past the router and what stands before it.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        allowed_hosts: Iterable[str],
        max_body: int,
        any_host: bool = False,
        origins: Iterable[str] = (),
        doors: Mapping[tuple[str, str], ASGIApp] | None = None,
    ) -> None:
        self.app = app
        self._hosts = LOOPBACK | {host.lower().strip("[]") for host in allowed_hosts}
        self._origins = set(origins)
        """Of pages that may change things from elsewhere; see `guru.server.cors`."""
        self._max_body = max_body
        self._doors = doors or {}
        # Where requests need a key, a rebound name gains nothing: browsers send it neither keys nor cookies of ours.
        self._any_host = any_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        trace_id = scope["guru.trace_id"] = new_id("tr")
        if scope["type"] == "websocket":
            await self._open_socket(scope, receive, send)
            return
        exchange = exchange_of(receive)
        exchange.extra.append((b"x-request-id", trace_id.encode()))
        exchange.always = ALWAYS
        headers: dict[bytes, bytes] = dict(scope["headers"])
        scope["guru.headers"] = headers
        refusal = self._refuse(scope, headers)
        if refusal is not None:
            await error_response(scope, refusal)(scope, receive, send)
            return
        app = self._doors.get((scope["method"], scope["path"]), self.app)
        if b"content-length" not in headers and scope["method"] not in SAFE_METHODS:
            receive = Counting(exchange, self._max_body)  # where the size was not announced
        await app(scope, receive, send)

    async def _open_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A browser opens a socket to any site without asking: its page's origin is looked at as for a change."""
        refusal = self._refuse(scope, dict(scope["headers"]))
        if refusal is not None:
            await WebSocket(scope, receive, send).send_denial_response(error_response(scope, refusal))
            return
        await self.app(scope, receive, send)

    def _refuse(self, scope: Scope, headers: dict[bytes, bytes]) -> GuruError | None:
        over_network = scope["server"] is None or scope["server"][1] is not None  # a unix socket has no port
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if not self._any_host and over_network and host_name(host) not in self._hosts:
            return Forbidden(
                f"The Host header names {host!r}, which is not a name of this server.",
                hint="Use http://localhost, or add the name to [server] allowed_hosts.",
            )
        checked = scope.get("method") not in SAFE_METHODS or scope["path"] == "/mcp"  # MCP wants it of every request
        if checked and not self._same_origin(headers, host):
            return Forbidden(
                "A page on another site may not change anything here.",
                hint="Send the request from Guru's own pages or from a program, or add the site's name to "
                "[server] allowed_hosts.",
            )
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._max_body:
            return too_large(self._max_body)
        return None

    def _same_origin(self, headers: dict[bytes, bytes], host: str) -> bool:
        origin = headers.get(b"origin")
        if origin is None:
            return headers.get(b"sec-fetch-site", b"none") in (b"none", b"same-origin")
        if self._origins and not self._origins.isdisjoint(("*", origin.decode("latin-1").lower())):
            return True
        try:
            parts = urlsplit(origin.decode("latin-1").lower())
        except ValueError:
            return False
        return parts.netloc == host or (parts.hostname in self._hosts - LOOPBACK)


def host_name(host: str) -> str:
    """The name of a Host header, without its port and without the brackets of IPv6."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


class Counting:
    """ASGI's `receive`, which refuses a body that grows too large."""

    def __init__(self, exchange: Exchange, limit: int) -> None:
        self.exchange = exchange
        self._limit = limit
        self._size = 0

    async def __call__(self) -> Message:
        message = await self.exchange.receive()
        self._size += len(message.get("body", b""))
        if self._size > self._limit:
            raise too_large(self._limit)
        return message
