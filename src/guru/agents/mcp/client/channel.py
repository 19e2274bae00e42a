"""What carries a client's messages to one server and back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from guru.agents.mcp.messages import Answer, Notification, Request
from guru.errors import GuruError
from guru.types import JSON

Hear = Callable[[Request | Notification], Awaitable[None]]
"""What is done with what a server says by itself."""


class ServerGone(GuruError):
    """The connection broke, or the program ended. Nothing is known of what was being worked on."""

    status = 502
    code = "mcp_server_gone"


class NeverSent(ServerGone):
    """As `ServerGone`, and the server did not begin with the request: it can be sent again."""


class NotModern(Exception):
    """The server does not know the modern revision."""


class Channel(Protocol):
    async def open(self, hear: Hear) -> None:
        """Raises `GuruError`."""
        ...

    async def request(self, message: JSON, headers: dict[str, str], hear: Hear) -> Answer:
        """Send a request; its answer. Cancel it to stop waiting. `headers` are for those who have such.

        Raises `ServerGone`, `NotModern` for a refusal that only an older server gives, and other `GuruError`s.
        """
        ...

    async def send(self, message: JSON, headers: dict[str, str]) -> None:
        """Send a notification, or an answer. Raises `GuruError`."""
        ...

    def agreed(self, revision: str) -> None:
        """The handshake agreed on a revision: from now on every message says so."""
        ...

    async def listen(self, hear: Hear, begun: asyncio.Event) -> None:
        """Hear what belongs to no request until cancelled, or until there is nothing to hear; `begun` is set when
        nothing is missed any more. Raises `GuruError`."""
        ...

    @property
    def cancels_by_closing(self) -> bool:
        """Whether a modern server learns of a cancellation by the end of the connection."""
        ...

    async def aclose(self) -> None: ...
