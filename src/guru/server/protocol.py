"""HTTP/1.1 as the server speaks it: uvicorn's protocol with less work per request.

Specification: https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import asyncio
from typing import Any, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from guru.server.exchange import Exchange

MAX_HEAD = 64 << 10
"""Bytes of the head of a request."""
HEAD_SECONDS = 30.0
"""How long the head of a request may take, and the first one after connecting."""


class Protocol(HttpToolsProtocol):
    """One connection. Requests on it are answered one after the other."""

    cycle: Any  # an `Exchange`

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head_bytes = 0
        self._in_head = True
        """Whether the next thing to come is the head of a request, or the rest of it."""
        self._quiet_since = self.loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._incoming: Exchange | None = None
        """Whose body comes next."""

    # ------------------------------------------------------- called by the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._arm(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for exchange, _ in self.pipeline:
            cast(Any, exchange).lost()
        if self.cycle is not None:
            self.cycle.lost()
        self.flow.resume_writing()
        if exc is None:
            self.transport.close()
        self.parser = None  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            if not self._head_bytes:
                self._quiet_since = self.loop.time()
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse("Invalid HTTP request received.")
            return
        except httptools.HttpParserUpgrade:
            if self._should_upgrade():
                if self._timer is not None:
                    self._timer.cancel()
                self.handle_websocket_upgrade()
                return
        if self._in_head and self._head_bytes > MAX_HEAD:
            self._refuse("The head of the request is too large.")

    def _refuse(self, message: str) -> None:
        """For what is not a request; an answer that is under way is cut."""
        if self.cycle is None or self.cycle.response_complete:
            self.send_400_response(message)
        else:
            self.transport.close()

    # ------------------------------------------------------------------------- time

    def _arm(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._ring)

    def _ring(self) -> None:
        """Close a connection on which no request comes. One timer serves all requests of a connection."""
        self._timer = None
        if self.cycle is not None and not self.cycle.response_complete:
            self._arm(self.timeout_keep_alive)
            return
        patience = HEAD_SECONDS if self.cycle is None or self._head_bytes else self.timeout_keep_alive
        left = patience - (self.loop.time() - self._quiet_since)
        if left <= 0.001:
            self.transport.close()
        else:
            self._arm(left)

    def _unset_keepalive_if_required(self) -> None:
        """Uvicorn's timer for every request is not used."""

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self._quiet_since = self.loop.time()
        self.flow.resume_reading()
        if self.pipeline:
            exchange, app = self.pipeline.pop()
            self.cycle = exchange
            self._start_asgi_task(exchange, app)

    # ---------------------------------------------------------- called by the parser

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        scope = cast(Any, self.scope)
        parser = self.parser
        scope["method"] = parser.get_method().decode("ascii")
        version = parser.get_http_version()
        if version != "1.1":
            scope["http_version"] = version
        if parser.should_upgrade() and self._should_upgrade():
            return
        self._read_url(scope)
        exchange = Exchange(
            scope, self.transport, self.flow, self.on_response_complete,
            keep_alive=version != "1.0" and parser.should_keep_alive(),
            expect_continue=version != "1.0" and self.expect_100_continue,
        )  # fmt: skip
        exchange.extra = self.server_state.default_headers.copy()
        self._incoming = exchange
        if self.cycle is None or self.cycle.response_complete:
            self.cycle = exchange
            self._start_asgi_task(cast(Any, exchange), self.app)
        else:
            self.flow.pause_reading()  # it waits until the one before it is answered
            self.pipeline.appendleft((cast(Any, exchange), self.app))

    def _read_url(self, scope: dict[str, Any]) -> None:
        raw, _, query = self.url.partition(b"?")
        if not raw.startswith(b"/") or b"#" in self.url:
            parsed = httptools.parse_url(self.url)
            raw, query = parsed.path or b"/", parsed.query or b""
        path = raw.decode("ascii")
        scope["path"] = self.root_path + (unquote(path) if "%" in path else path)
        scope["raw_path"] = self.root_path.encode("ascii") + raw
        scope["query_string"] = query

    def on_body(self, body: bytes) -> None:
        exchange = self._incoming
        if exchange is not None:
            if exchange.response_complete:
                self._quiet_since = self.loop.time()  # the rest of what was refused is read, and forgotten
            else:
                exchange.feed(body)

    def on_message_complete(self) -> None:
        self._in_head = True
        exchange, self._incoming = self._incoming, None
        if exchange is not None and not exchange.response_complete:
            exchange.complete_body()
