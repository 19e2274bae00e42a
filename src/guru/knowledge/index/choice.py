"""Which index a collection has: its own, by its row, or the configuration's. A change of the row is the switch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Row

from guru.config.knowledge import KnowledgeSettings
from guru.errors import GuruError
from guru.knowledge.collections import find_collection
from guru.knowledge.index.base import Ahead, Index, Snapshot, Wanted
from guru.knowledge.index.embedded import EmbeddedIndex
from guru.knowledge.index.external import vendors
from guru.knowledge.index.external.client import StoreClient
from guru.knowledge.index.external.index import ExternalIndex
from guru.store.database import Database
from guru.store.scope import Scope
from guru.types import JSON

EMBEDDED: Final = "embedded"
KEY: Final = "index"
"""Of a collection's settings."""


class Chosen(Ahead, kw_only=True):
    """What one of the indexes has learnt."""

    kind: str
    ahead: Any = None


class ChosenIndex:
    """The indexes of all kinds that are configured, each for its collections."""

    def __init__(self, database: Database, settings: KnowledgeSettings, own: Index) -> None:
        """`own` is that of the database, which its opener closes. Raises `ConfigurationError` for what is wrong with
        any store that the configuration names."""
        self._database = database
        self._settings = settings
        self.own = own
        named = [kind for kind in vendors.VENDORS if kind == settings.index or getattr(settings, kind) is not None]
        self._external = {kind: self._open(kind) for kind in named}

    def _open(self, kind: str) -> ExternalIndex:
        found = vendors.settings_of(kind, self._settings)
        client = StoreClient(
            vendors.VENDORS[kind].title, partial(vendors.open_store, kind, self._settings),
            seconds=found.timeout_seconds, secret=found.api_key,
        )  # fmt: skip
        return ExternalIndex(kind, self._database, client, EmbeddedIndex(words_only=True), belongs=self._belongs(kind))

    def _belongs(self, kind: str) -> Callable[[JSON], bool]:
        return lambda own: self.kind_of(own) == kind

    def kind_of(self, own: JSON) -> str:
        """The index of a collection with these settings of its own."""
        return str(own.get(KEY, self._settings.index))

    def external(self, kind: str) -> ExternalIndex | None:
        """The index of a store; None for the embedded one. Raises `ConfigurationError` for one that is not there."""
        if kind == EMBEDDED:
            return None
        if kind not in self._external:
            vendors.settings_of(kind, self._settings)  # says what is missing
        return self._external[kind]

    async def look_ahead(self, scope: Scope, name: str, wanted: Wanted) -> Chosen:
        if not self._external:  # there is nobody to ask, and no look at the row is needed to know it
            await self.own.look_ahead(scope, name, wanted)
            return Chosen(kind=EMBEDDED)
        row = await self._database.read(partial(find_collection, tenant=scope.tenant, name=name))
        kind = self.kind_of(row.settings)
        index = self._external.get(kind, self.own)
        ahead = await index.look_ahead(scope, name, wanted)
        return Chosen(kind=kind, ahead=ahead, notes=ahead.notes if ahead else [])

    def snapshot(self, connection: Connection, scope: Scope, name: str, ahead: Any = None) -> tuple[Row[Any], Snapshot]:
        """Where the collection was switched since `ahead`, its new index is asked without it, and finds the same."""
        chosen = ahead if isinstance(ahead, Chosen) else Chosen(kind=EMBEDDED)
        if not self._external:  # the index reads the row itself: it is read once
            row, found = self.own.snapshot(connection, scope, name)
            kind = self.kind_of(row.settings)
        else:
            row = find_collection(connection, scope.tenant, name)
            kind = self.kind_of(row.settings)
            index: Index = self._external.get(kind, self.own)
            row, found = index.snapshot(connection, scope, name, chosen.ahead if chosen.kind == kind else None)
        chosen.notes += self._missing(kind)
        return row, found

    def _missing(self, kind: str) -> list[str]:
        """What to say of a store that a collection names and the configuration does not."""
        try:
            self.external(kind)
        except GuruError as error:
            return [f"{error.message.rstrip('.')}: passages were looked for here instead."]
        return []

    @asynccontextmanager
    async def keeping_house(self) -> AsyncIterator[None]:
        """See `ExternalIndex.keeping_house`."""
        async with AsyncExitStack() as stack:
            for index in self._external.values():
                await stack.enter_async_context(index.keeping_house())
            yield

    async def aclose(self) -> None:
        await asyncio.gather(*(index.aclose() for index in self._external.values()))
