"""Retention: runs of agents and of workflows go some days after they have ended. Those that have not, stay."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

from sqlalchemy import ColumnElement, Connection, Table, and_, select

from guru.agents.records import ENDED
from guru.config import Settings
from guru.store.database import Database

Remove = Callable[[Connection, str, str], bool]
"""Removes the run of a tenant by its id, in a transaction of the caller; whether it did."""
BATCH: Final = 20
"""Runs of one transaction. Others write between two of them."""
EVERY: Final = 3600.0
"""Seconds between two sweeps."""
DAY: Final = 86_400
log = logging.getLogger(__name__)


class Retention:
    """Looks for runs that have been kept for long enough."""

    def __init__(
        self, database: Database, days: int, tables: Mapping[Table, Remove], *,
        then: Callable[[Connection], None],
    ) -> None:  # fmt: skip
        """`tables` of runs, with what removes one: those first that others are needed by. `then` is done afterwards, in
        a transaction of its own. `days`: 0 keeps all."""
        self._database = database
        self._days = days
        self._tables = tables
        self._then = then
        self._changed = asyncio.Event()

    def reload(self, settings: Settings) -> None:
        """Another number of days holds at once."""
        if settings.runs.days != self._days:
            self._days = settings.runs.days
            self._changed.set()

    async def sweep(self) -> int:
        """Remove what has ended too long ago; how many runs that were. What is needed stays."""
        removed = 0
        if self._days:
            before = time.time() - self._days * DAY
            for table, remove in self._tables.items():
                removed += await self._prune(table, remove, before)
        await self._database.write(self._then)
        return removed

    async def _prune(self, table: Table, remove: Remove, before: float) -> int:
        removed, last = 0, ""
        while True:
            query = select(table.c.id).where(ended(table, before), table.c.id > last).order_by(table.c.id).limit(BATCH)
            found = await self._database.read(lambda connection: list(connection.scalars(query)))  # noqa: B023
            if not found:
                return removed
            last = found[-1]

            def write(connection: Connection, ids: list[str] = found) -> int:
                still = select(table.c.tenant, table.c.id).where(ended(table, before), table.c.id.in_(ids))
                return sum(remove(connection, run.tenant, run.id) for run in connection.execute(still).all())

            removed += await self._database.write(write)

    @contextlib.asynccontextmanager
    async def keeping_house(self) -> AsyncIterator[None]:
        """Sweep now and then."""
        work = asyncio.create_task(self._forever())
        try:
            yield
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _forever(self) -> None:
        while True:
            self._changed.clear()
            try:
                if gone := await self.sweep():
                    log.info("Removed %s runs that ended more than %s days ago.", gone, self._days)
            except Exception:
                log.exception("old runs could not be removed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self._changed.wait()


def ended(table: Table, before: float) -> ColumnElement[bool]:
    """The condition on runs that ended before a moment, in seconds since 1970."""
    return and_(table.c.status.in_(ENDED), table.c.finished_at < before)
