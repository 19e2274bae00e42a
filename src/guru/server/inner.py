"""Doors called from inside: a line of a batch is the same request, through the same door, without a connection."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.types import Message

from guru.gateway.batches.lines import Answered
from guru.gateway.identity import Caller
from guru.server.exchange import Exchange, Headers

if TYPE_CHECKING:
    from guru.server.endpoint import Endpoint
    from guru.server.services import Services


class InnerDoors:
    """Asks doors by their path. Whoever asks was let in before; limits, budgets, costs and traces hold all the same."""

    def __init__(self) -> None:
        self._state = SimpleNamespace(services=None)
        self._doors: dict[str, Endpoint] = {}

    def open(self, services: Services) -> None:
        self._state.services = services

    async def ask(self, path: str, body: bytes, caller: Caller) -> Answered:
        """The answer to `POST path`. Cancelling it cancels the work."""
        if not self._doors:
            from guru.server.app import DOORS

            self._doors = {door.path: door for door in DOORS if door.method == "POST"}
        scope: dict[str, Any] = {
            "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": [(b"content-type", b"application/json")], "server": None, "client": None, "scheme": "http",
            "http_version": "1.1", "root_path": "", "app": SimpleNamespace(state=self._state), "path_params": {},
            "guru.trace_id": caller.trace_id, "guru.caller": msgspec.structs.replace(caller, headers={}),
        }  # fmt: skip
        exchange = InnerExchange(scope, body)
        await self._doors[path](scope, exchange.receive, exchange.send)
        return Answered(exchange.status, exchange.body(), caller.trace_id, exchange.retry_after())


class InnerExchange(Exchange):
    """A request and its answer without a connection: the client sends all at once, takes all, and never leaves."""

    def __init__(self, scope: dict[str, Any], body: bytes) -> None:
        nowhere: Any = None
        super().__init__(scope, nowhere, nowhere, lambda: None, keep_alive=False, expect_continue=False)
        self._chunks = [body]
        self.more_body = False
        self.status = 500
        self._answer_headers: dict[bytes, bytes] = {}
        self._parts: list[bytes] = []

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start(message["status"], message.get("headers", ()))
        else:
            self.write(message.get("body", b""), more=message.get("more_body", False))

    @property
    def stuck(self) -> bool:
        return False

    def open(self, lines: bytes) -> None:
        self.start(200, [])

    def start(self, status: int, headers: Headers) -> None:
        self.response_started = True
        self.status, self._answer_headers = status, dict(headers)

    async def respond(self, lines: bytes, body: bytes) -> None:
        self.start(200, [])
        self.write(body, more=False)

    def write(self, data: bytes, *, more: bool) -> None:
        self._parts.append(data)
        if not more:
            self.response_complete = True
            self.wake()

    def body(self) -> Any:
        data = b"".join(self._parts)
        try:
            return msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return data.decode("utf-8", "replace")

    def retry_after(self) -> float | None:
        """Seconds, where asking again makes sense: a limit of requests, or a model that is not there just now."""
        value = self._answer_headers.get(b"retry-after")
        return float(value) if value is not None and self.status >= 429 else None
