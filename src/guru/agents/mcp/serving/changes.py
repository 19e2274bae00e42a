"""Who listens for which changes, and who tells them.

A change is told to everybody of a tenant who asked for its kind; a resource's, to those who named it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from msgspec import Struct

from guru.agents.mcp.serving.provider import Access
from guru.types import JSON

Kind = Literal["tools", "prompts", "resources"]
METHODS: dict[Kind, str] = {
    "tools": "notifications/tools/list_changed",
    "prompts": "notifications/prompts/list_changed",
    "resources": "notifications/resources/list_changed",
}
UPDATED = "notifications/resources/updated"
Tell = Callable[[str, JSON], None]


class Listener(Struct, eq=False):
    access: Access
    kinds: frozenset[str]
    uris: set[str]
    tell: Tell


class Changes:
    """The listeners of one server."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[Listener]:
        self.listeners.append(listener)
        try:
            yield listener
        finally:
            self.listeners.remove(listener)

    def changed(self, kind: Kind, *, tenant: str | None = None) -> None:
        """A list is another one now; for one tenant, or for all."""
        for listener in list(self.listeners):
            if kind in listener.kinds and tenant in (None, listener.access.scope.tenant):
                listener.tell(METHODS[kind], {})

    def updated(self, listener: Listener, uri: str) -> None:
        """What a resource says is another thing now."""
        listener.tell(UPDATED, {"uri": uri})
