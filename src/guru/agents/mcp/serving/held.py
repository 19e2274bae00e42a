"""Calls that are kept open for modern clients, while these fetch the answer to a question and ask again.

A server of 2025-11-25 asks in the middle of a call, which cannot be begun anew. So the work goes on behind the request
that began it, and the one that brings the answer waits for what comes next. It may come to another server: what was
asked and answered is in the store, as with tasks. When the server that works dies, the call is gone, and whoever asks
for it is told so.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from guru.agents.mcp.protocol import McpError, invalid_params
from guru.agents.mcp.serving.keeper import Keeper
from guru.agents.mcp.serving.left import LOOK_SECONDS, STOPPED
from guru.agents.mcp.serving.peer import ANSWER_SECONDS, Held, Peer, Question, check_answer, check_asked
from guru.agents.mcp.serving.provider import Access
from guru.agents.mcp.serving.task_rows import Status, TaskRows
from guru.errors import GuruError
from guru.store.database import Database
from guru.types import JSON

log = logging.getLogger(__name__)


class HeldCall:
    """One of them, and the client that it asks: implements `Peer`."""

    def __init__(self, first: Peer, access: Access, calls: HeldCalls) -> None:
        """`first` is the client of the request that began it."""
        self.access = access
        self.id = ""
        """In the store, once it has asked."""
        self.work: asyncio.Task[JSON]
        self.asking: Question | None = None
        """What waits for an answer."""
        self.news = asyncio.Event()
        """Set when a question has been written down."""
        self.followed = True
        """Whether a request here waits for what comes next."""
        self.kept = first.kept
        self.answer = first.answer
        self._first = first
        self._calls = calls
        self._answer: asyncio.Future[JSON]

    @property
    def capabilities(self) -> JSON:
        return self._first.capabilities

    @property
    def suspends(self) -> bool:
        return not self.id

    async def notify(self, method: str, params: JSON) -> None:
        await self._first.notify(method, params)

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        await self._first.progress(progress, total, message)

    async def log(self, level: str, data: Any) -> None:
        await self._first.log(level, data)

    async def ask(self, requests: dict[str, JSON], *, seconds: float = ANSWER_SECONDS) -> dict[str, JSON]:
        check_asked(self.capabilities, requests)
        return {name: await self._ask(name, request, seconds) for name, request in requests.items()}

    async def _ask(self, name: str, request: JSON, seconds: float) -> JSON:
        await self._calls.keep(self)
        answer: asyncio.Future[JSON] = asyncio.get_running_loop().create_future()
        self._answer = answer
        self.asking = Question({name: request}, {"name": name, "held": self.id, "seconds": seconds})
        try:
            await self._calls.ask(self, self.asking.requests, seconds)
            self.news.set()
            return await answer
        finally:
            self.asking = None
            await self._calls.go(self)

    async def hold(self, work: Held) -> JSON:
        return await work(self)

    def take(self, name: str, answer: Any) -> None:
        """The client's answer to a question. Raises `McpError` for one that is none, or comes a second time, and the
        `Question` again where there is none."""
        if self.asking is None or name not in self.asking.requests:
            raise answered_before()
        if answer is None:
            raise self.asking
        self.give(name, check_answer(self.asking.requests[name], answer))

    def give(self, name: str, answer: JSON) -> None:
        """An answer that holds to what was asked; nothing where it is not waited for."""
        if self.asking is not None and name in self.asking.requests:
            self.asking = None
            if not self._answer.done():  # it may have been cancelled at this moment
                self._answer.set_result(answer)

    def hang_up(self) -> None:
        """There is no coming back."""


class HeldCalls:
    """Those of one server, and those of others as they are in the store."""

    def __init__(self, database: Database) -> None:
        self._rows = TaskRows(database, "held")
        self._here: dict[str, HeldCall] = {}
        self._works: set[asyncio.Task[JSON]] = set()
        self._keeper = Keeper(self._look)

    async def begin(self, first: Peer, access: Access, work: Held) -> JSON:
        """The result of the work, if it asks nothing. Raises what it raises, and the `Question` that it asks."""
        call = HeldCall(first, access, self)
        call.work = asyncio.create_task(self._run(call, work))
        self._works.add(call.work)
        call.work.add_done_callback(self._ended)
        return await self._follow(call)

    async def go_on(self, kept: JSON, answer: Any, access: Access) -> JSON:
        """What comes after an answer: the result, or the next question. Raises as `begin` does, and `McpError` for an
        answer that is none."""
        call = self._here.get(kept["held"])
        if call is None or call.access.key != access.key:
            return await self._elsewhere(kept, answer, access)
        call.take(kept["name"], answer)
        return await self._follow(call)

    async def _follow(self, call: HeldCall) -> JSON:
        """Who stops waiting stops the work: the client has left."""
        call.followed = True
        try:
            while call.asking is None and not call.work.done():
                call.news.clear()
                asked = asyncio.create_task(call.news.wait())
                try:
                    await asyncio.wait({call.work, asked}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    asked.cancel()
        except asyncio.CancelledError:
            call.work.cancel()
            raise
        if call.asking is not None:
            call.followed = False
            raise call.asking
        if call.work.cancelled():
            raise stopped()
        return call.work.result()

    async def _run(self, call: HeldCall, work: Held) -> JSON:
        status: Status = "failed"
        outcome: JSON = {"error": STOPPED.body()}
        try:
            result = await work(call)
            status, outcome = "completed", {"result": result}
            return result
        except McpError as error:
            outcome = {"error": error.body()}
            raise
        finally:
            if self._here.pop(call.id, None) is not None:
                await self._leave(call, status, outcome)

    async def _leave(self, call: HeldCall, status: Status, outcome: JSON) -> None:
        """What came of a call, for a request that comes to another server, or later."""
        try:
            if call.followed:
                await self._rows.remove(call.id, call.access.scope.tenant)
            else:
                await self._rows.set(call.id, call.access.scope.tenant, status, outcome)
        except GuruError as error:
            log.warning("the outcome of a call of MCP cannot be kept: %s", error)

    def _ended(self, work: asyncio.Task[JSON]) -> None:
        self._works.discard(work)
        if not work.cancelled():
            work.exception()  # whoever follows it has it; perhaps nobody does

    # -------------------------------------------------------------------- questions

    async def keep(self, call: HeldCall) -> None:
        """Have it in the store, as it is about to ask. Raises `McpError` where there are too many."""
        if not call.id:
            call.id = (await self._rows.add(call.access)).id
            self._here[call.id] = call
            self._keeper.wake(LOOK_SECONDS)

    async def ask(self, call: HeldCall, questions: dict[str, JSON], seconds: float) -> None:
        """Write down what it asks. Raises `McpError` where it has ended."""
        until = time.time() + seconds
        if not await self._rows.ask(call.id, call.access.scope.tenant, questions, until=until):
            raise stopped()

    async def go(self, call: HeldCall) -> None:
        """It waits no more."""
        try:
            await self._rows.set(call.id, call.access.scope.tenant, "working", {})
        except GuruError as error:
            log.warning("an answer to a call of MCP stays in the store: %s", error)

    async def _elsewhere(self, kept: JSON, answer: Any, access: Access) -> JSON:
        """As `go_on`, for a call that another server keeps open, or that has ended."""
        held, name = kept["held"], kept["name"]
        try:
            row = await self._rows.get(held, access)
        except McpError:
            raise answered_before() from None
        if row.open:
            if name not in row.questions:
                raise answered_before()
            if answer is None:
                raise Question(row.questions, kept)
            row = await self._rows.answer(held, access, {name: answer})
        try:
            while row.open and not row.questions:
                await asyncio.sleep(LOOK_SECONDS)
                row = await self._rows.get(held, access)
        except asyncio.CancelledError:
            await self._rows.set(held, row.tenant, "cancelled", {})
            raise
        if row.open:
            raise Question(row.questions, kept | {"name": next(iter(row.questions))})
        await self._rows.remove(held, row.tenant)
        if "result" in row.outcome:
            result: JSON = row.outcome["result"]
            return result
        error = row.outcome.get("error") or STOPPED.body()
        raise McpError(error["code"], error["message"], error.get("data"))

    async def _look(self) -> float | None:
        """What other servers were told of the calls that are kept open here."""
        if self._here:
            for row in await self._rows.look(list(self._here)):
                call = self._here.get(row.id)
                if call is None:
                    continue
                for name, answer in row.answers.items():
                    call.give(name, answer)
                if not row.open:
                    call.work.cancel()
        return LOOK_SECONDS if self._here else None

    async def aclose(self) -> None:
        await self._keeper.aclose()
        works = list(self._works)
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)


def stopped() -> McpError:
    return McpError(STOPPED.code, STOPPED.message)


def answered_before() -> McpError:
    return invalid_params("This question has been answered, or waits no more. Send the request anew.")
