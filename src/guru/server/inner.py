"""Doors called from inside: a line of a batch is the same request, through the same door, without a connection."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.types import Message

from guru.gateway.batches.lines import Answered
from guru.gateway.identity import Caller

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
        answer = Collected()
        await self._doors[path](scope, Sent(body).receive, answer.send)
        return Answered(answer.status, answer.body(), caller.trace_id, answer.retry_after())


class Sent:
    """A body, and a client that never leaves."""

    def __init__(self, body: bytes) -> None:
        self._messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive(self) -> Message:
        if not self._messages:
            await asyncio.Event().wait()
        return self._messages.pop()


class Collected:
    """What a door answered."""

    def __init__(self) -> None:
        self.status = 500
        self._headers: dict[bytes, bytes] = {}
        self._parts: list[bytes] = []

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self._headers = message["status"], dict(message["headers"])
        else:
            self._parts.append(message.get("body", b""))

    def body(self) -> Any:
        data = b"".join(self._parts)
        try:
            return msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return data.decode("utf-8", "replace")

    def retry_after(self) -> float | None:
        """Seconds, where asking again makes sense: a limit of requests, or a model that is not there just now."""
        value = self._headers.get(b"retry-after")
        return float(value) if value is not None and self.status >= 429 else None
