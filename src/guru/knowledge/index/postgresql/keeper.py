"""Keeps the index: looks for collections that have changed, catches up, builds graphs, sweeps what is nobody's.

What there is to do is seen from the tables, so nothing is lost with a server: the next one, or another that runs
already, sees the same. That is why this is no job of the queue: there is nothing to queue, and a job would wait for the
server that claimed it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DatabaseError

from guru.errors import StoreError
from guru.knowledge.index.postgresql import graphs
from guru.knowledge.index.postgresql.catch_up import BEHIND, PORTION, catch_up, lock
from guru.knowledge.index.postgresql.schema import vector_tables
from guru.store.database import Database

log = logging.getLogger(__name__)

PAUSE: Final = 1.0
"""Seconds between two looks."""
FAILED: Final = 600.0
"""Seconds after which it is tried again what went wrong."""
MANY: Final = 10_000
"""Passages after which the tables are vacuumed at once: only then are postings counted without looking at rows."""
SWEPT: Final = 20_000
"""Rows that are removed in one transaction."""
CHANGING: Final = ("55P03", "23503", "40P01")
"""Errors of PostgreSQL where somebody removes the passages, or the collection: the next look will do."""
SHARED_MEMORY: Final = "53100"
"""The error of a build where what its processes share does not fit, as in a container by default."""
UNOWNED: Final = text("""
SELECT DISTINCT t.number FROM index_totals t
WHERE NOT EXISTS (SELECT FROM index_collections i WHERE i.number = t.number)
""")

SWEEP: Final = (
    "DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE number = :number LIMIT :most))"
)
FORGET: Final = text("DELETE FROM index_totals WHERE number = :number")


class Keeper:
    """Works in threads and on connections of its own, which are open only while there is something to do."""

    def __init__(self, database: Database, *, graph_from: int) -> None:
        self._database = database
        self._graph_from = graph_from
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="index")
        self._building: list[Any] = []
        self._not_before: dict[str | int, float] = {}
        self._large_since: dict[int, float] = {}

    def start(self) -> None:
        """Begin to look."""
        self._tasks = [asyncio.create_task(self._forever(work)) for work in (self._catch_up, self._graphs)]

    async def aclose(self) -> None:
        """Stop. A graph that is being built is begun anew by the next start."""
        self._closing = True
        for driver in list(self._building):
            with contextlib.suppress(Exception):  # it has ended meanwhile
                await asyncio.to_thread(driver.cancel)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await asyncio.to_thread(self._threads.shutdown)

    async def work(self) -> None:
        """Do what there is to do now, also what would wait for quiet."""
        await self._catch_up()
        await self._graphs(quiet=0.0)

    async def _forever(self, work: Callable[[], Any]) -> None:
        while not self._closing:
            try:
                await work()
            except (DatabaseError, StoreError) as error:
                log.error("the index could not be kept: %s", error)
                await asyncio.sleep(PAUSE * 5)
            except Exception:
                log.exception("the index could not be kept")
                await asyncio.sleep(PAUSE * 60)
            await asyncio.sleep(PAUSE)

    async def _catch_up(self) -> None:
        def look(connection: Connection) -> tuple[list[str], list[int]]:
            return list(connection.scalars(BEHIND)), list(connection.scalars(UNOWNED))

        behind, unowned = await self._database.read(look)
        behind = [collection for collection in behind if self._may_try(collection)]
        if behind or unowned:
            await self._in_thread(self._catch_up_all, behind, unowned)

    async def _graphs(self, quiet: float = graphs.QUIET) -> None:
        found = await self._database.read(lambda connection: graphs.large(connection, self._graph_from))
        missing = [row for row in found if not row.valid]
        self._large_since = {row.number: self._large_since.get(row.number, time.time()) for row in missing}
        for row in missing:
            patient = time.time() - self._large_since[row.number] > graphs.PATIENCE
            if self._may_try(row.number) and (patient or time.time() - row.updated_at >= quiet):
                await self._in_thread(self._build, row)

    async def _in_thread(self, work: Callable[..., None], *arguments: Any) -> None:
        """Run `work` with an engine of its own. A cancelled one still ends: it looks at `_closing`."""

        def run() -> None:
            engine = self._database.dialect.create_engine(self._database.url, 2)
            try:
                work(engine, *arguments)
            finally:
                engine.dispose()

        task = asyncio.get_running_loop().run_in_executor(self._threads, run)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.gather(task, return_exceptions=True)
            raise

    def _catch_up_all(self, engine: Engine, behind: list[str], unowned: list[int]) -> None:
        came = sum(self._catch_up_one(engine, collection_id) for collection_id in behind)
        for number in unowned:
            came += self._sweep(engine, number)
        if came >= MANY and not self._closing:
            self._vacuum(engine)

    def _catch_up_one(self, engine: Engine, collection_id: str) -> int:
        came = 0
        try:
            with engine.connect() as connection, connection.begin():
                outgrown = graphs.outgrown(connection, collection_id)
            if outgrown is not None:
                graphs.drop(engine, outgrown)
            while not self._closing:
                with engine.connect().execution_options(guru_writes="beside") as connection, connection.begin():
                    portion = catch_up(connection, collection_id)
                came += portion
                if portion < PORTION:
                    break
        except StoreError as error:
            log.warning("the collection %s is searched in memory: %s %s", collection_id, error.message, error.hint)
            self._not_before[collection_id] = time.time() + FAILED
        except Exception as error:  # the other collections do not wait for one
            if isinstance(error, DatabaseError) and error.connection_invalidated:
                raise
            if getattr(getattr(error, "orig", error), "sqlstate", None) not in CHANGING:
                log.exception("the collection %s could not be put into the index", collection_id)
                self._not_before[collection_id] = time.time() + FAILED
        return came

    def _build(self, engine: Engine, row: Any) -> None:
        began = time.monotonic()
        for workers in (True, False):
            try:
                if graphs.build(engine, row.number, row.dimension, row.passages, self._building, workers=workers):
                    log.info("built a graph of %s passages in %.1f s", row.passages, time.monotonic() - began)
                return
            except Exception as error:
                if self._closing:
                    return
                if workers and getattr(error, "sqlstate", None) == SHARED_MEMORY:
                    continue
                log.error("a graph could not be built, and the collection is scanned: %s", error)
                self._not_before[row.number] = time.time() + FAILED
                return

    def _sweep(self, engine: Engine, number: int) -> int:
        """Remove what a number has left behind, a portion at a time; returns how many rows there were."""
        graphs.drop(engine, number)
        swept = 0
        while not self._closing:
            with engine.connect().execution_options(guru_writes="beside") as connection, connection.begin():
                if not lock(connection, f"sweep {number}"):
                    return swept
                gone = 0
                for table in ("index_postings", "index_documents", *vector_tables(connection)):
                    query = text(SWEEP.format(table=table))
                    gone += connection.execute(query, {"number": number, "most": SWEPT}).rowcount
                if not gone:
                    connection.execute(FORGET, {"number": number})
                    return swept
                swept += gone
        return swept

    def _vacuum(self, engine: Engine) -> None:
        with engine.connect() as connection, connection.begin():
            tables = ["index_postings", "index_documents", *vector_tables(connection)]
        with graphs.autocommit(engine) as connection:
            for table in tables:
                connection.execute(f"VACUUM (ANALYZE) {table}")

    def _may_try(self, what: str | int) -> bool:
        return time.time() >= self._not_before.get(what, 0.0)
