"""A batch run by the provider's own batch endpoint: cheaper, and slower.

Every step is written down before it is taken, in the batch's row. After a kill the next server sees how far it was:
lines that may have been handed in already are looked for at the provider, never handed in again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Row, select, update

from guru.errors import BudgetExceeded, GuruError, ModelError, RateLimited
from guru.gateway.batches.choice import Accounting, Allow, Chosen, FindProvider, choose
from guru.gateway.batches.lines import Answered, Line, problem, read_lines
from guru.gateway.identity import Caller
from guru.gateway.steps import Reservation
from guru.store.database import Database
from guru.store.tables import batch_lines, batches

if TYPE_CHECKING:
    from guru.models.providers.batch_api import BatchApi, HandIn

log = logging.getLogger(__name__)

JSON = dict[str, Any]
STOPPING: Final = 900.0
"""Seconds that a provider is given to end a batch that was cancelled: what it has answered is paid for."""


class Handed(Struct, kw_only=True):
    """What the row says of the provider's batch, so far."""

    name: str
    """The provider."""
    mark: str
    model: str
    total: int
    since: float
    left: list[int] = []
    """Lines that were not handed in, because the provider or a limit does not take them: they are asked here."""
    file: str | None = None
    starting: bool = False
    """The provider was asked to start it; whether it did is known when there is an `id`."""
    id: str | None = None


class ProviderRun:
    """One batch at its provider."""

    def __init__(
        self, database: Database, row: Row[Any], path: Path, caller: Caller, *, find: FindProvider, allow: Allow,
        accounts: Accounting, poll: float, retries: int, pause: float,
    ) -> None:  # fmt: skip
        """`poll` is the time between looks at the provider, `pause` the first wait after a failure: seconds."""
        self._database = database
        self._row = row
        self._path = path
        self._caller = caller
        self._find = find
        self._allow = allow
        self._accounts = accounts
        self._poll = poll
        self._retries = retries
        self._pause = pause
        self._api: BatchApi | None = None
        self._held: dict[str, Reservation] = {}
        self._spent: dict[str, float] = {}
        self.handed: Handed | None = msgspec.convert(row.provider, Handed) if row.provider else None

    # ------------------------------------------------------------------- in

    async def hand_in(self) -> bool:
        """Hand the lines in, or find those that were handed in before. False where no provider takes them.

        Raises `BudgetExceeded` where there is no money for the whole batch.
        """
        costs: dict[int, float] = {}
        if self.handed is None:
            chosen = await self._choose()
            if chosen is None:
                return False
            costs = await self._let_in(chosen)
            if not costs:
                return False
            model = chosen.models[min(costs)].removeprefix(f"{chosen.name}/")
            handed = Handed(name=chosen.name, mark=self._row.id, model=model, total=len(costs), since=time.time())
            handed.left = chosen.left
            if not await self._note(handed):
                return False
        else:
            await self._hold_again()
        return await self._start()

    async def _choose(self) -> Chosen | None:
        def find(model: str) -> tuple[str, BatchApi] | None:
            self._allow(self._caller, self._row.endpoint, model)
            return self._find(model)

        try:
            return await asyncio.to_thread(choose, self._path, self._row.endpoint, find, self._accounts, self._row.id)
        except GuruError:
            return None  # the lines are asked here: each of them learns why it is refused

    async def _let_in(self, chosen: Chosen) -> dict[int, float]:
        """Past the limits of whoever handed them in: the cost of each line that is let in, which is held."""
        for reservation in await self._hold(chosen.costs, chosen.models):
            reservation.settle(0, 0.0)  # there is money for all: no line waits for a rate in vain
        self._held.clear()
        costs = dict(chosen.costs)
        for number, tokens in chosen.tokens.items():
            try:
                await self._accounts.admit(self._caller, chosen.models[number], tokens)
            except RateLimited:
                raise
            except GuruError:
                chosen.left.append(number)
                del costs[number]
        await self._hold(costs, chosen.models)
        return costs

    async def _hold(self, costs: dict[int, float], models: dict[int, str]) -> list[Reservation]:
        sums: dict[str, float] = {}
        for number, cost in costs.items():
            sums[models[number]] = sums.get(models[number], 0.0) + cost
        try:
            for model, cost in sums.items():
                self._held[model] = await self._accounts.hold(self._caller, model, cost)
        except BaseException:
            self.settle()
            raise
        return list(self._held.values())

    async def _hold_again(self) -> None:
        """What a dead process had held is free again. What is handed in is, though the money were gone meanwhile."""
        waiting = await self._waiting()

        def estimated() -> tuple[dict[int, float], dict[int, str]]:
            costs, models = {}, {}
            for line in waiting.values():
                models[line.number] = str(line.body.get("model"))
                costs[line.number] = self._accounts.estimate(self._row.endpoint, models[line.number], line.body)[1]
            return costs, models

        try:
            await self._hold(*await asyncio.to_thread(estimated))
        except BudgetExceeded as error:
            log.warning("batch %s goes on at its provider: %s", self._row.id, error)

    async def _start(self) -> bool:
        """Take the steps that are missing. False where the provider does not take the batch."""
        handed, api = self._known()
        if handed.id is not None:
            return True
        lines = await asyncio.to_thread(self._lines, api)
        failure: GuruError | None = None
        tried = 0
        while True:
            try:
                if handed.starting and (await self._look()):
                    return True
            except GuruError as error:  # until it is known, nothing is handed in and nothing asked here
                await self._pause_after(error, tried := tried + 1)
                continue
            if failure is not None and tried > self._retries:
                return await self._refused(failure)
            try:
                if handed.file is None:
                    handed.file = await api.upload(hand_in(handed, self._row.endpoint), lines)
                handed.starting = True
                if not await self._note(handed):
                    return False
                handed.id = await api.start(hand_in(handed, self._row.endpoint), lines)
            except GuruError as error:
                if not isinstance(error, ModelError):
                    return await self._refused(error)
                failure = error
                await self._pause_after(error, tried := tried + 1)
            else:
                await self._note(handed, always=True)
                return True

    async def _look(self) -> bool:
        """Whether the provider has started a batch of which we have not heard."""
        handed, api = self._known()
        handed.id = await api.find(hand_in(handed, self._row.endpoint))
        if handed.id is not None:
            await self._note(handed, always=True)
        return handed.id is not None

    async def _pause_after(self, error: GuruError, tried: int) -> None:
        log.warning("batch %s is not handed in yet: %s", self._row.id, error)
        await asyncio.sleep(max(min(self._pause * 2 ** min(tried, 16), self._poll), error.retry_after or 0.0))

    async def _refused(self, error: GuruError) -> bool:
        log.warning("batch %s is asked here: its provider says: %s", self._row.id, error)
        self.settle()
        await self._note(None, always=True)
        return False

    def _lines(self, api: BatchApi) -> bytes:
        """The lines that are handed in, as the provider takes them: without its own name before the model's."""
        handed, endpoint = self._known()[0], self._row.endpoint
        left = set(handed.left)
        written = []
        for line in read_lines(self._path, endpoint):
            if line.error is None and line.number not in left:
                model = str(line.body.get("model")).removeprefix(f"{handed.name}/")
                written.append(api.line(endpoint, f"{handed.mark}-{line.number}", model, line.body))
        return b"\n".join(written) + b"\n"

    # ------------------------------------------------------------------- out

    async def wait(self) -> str:
        """How the provider's batch ended; one that is cancelled meanwhile is cancelled there.

        A provider that cannot be asked just now is asked again.
        """
        handed, api = self._known()
        assert handed.id is not None
        told = False
        while True:
            try:
                if not told and await self._cancelled():
                    await api.cancel(handed.id)
                    told = True
                status = await api.status(handed.id)
            except ModelError as error:
                log.warning("batch %s cannot be looked at: %s", self._row.id, error)
            else:
                if status.state != "running":
                    return f"{status.state}: {status.error}" if status.error else status.state
            await asyncio.sleep(self._poll)

    async def stop(self) -> str | None:
        """Cancel the batch at the provider, and wait until it has ended; None where it runs nowhere."""
        if self.handed is None or not (self.handed.starting or self.handed.id):
            return None
        handed, api = self._known()
        try:
            async with asyncio.timeout(STOPPING):
                if handed.id is None:
                    handed.id = await api.find(hand_in(handed, self._row.endpoint))
                if handed.id is None:
                    return None
                await api.cancel(handed.id)
                return await self.wait()
        except (GuruError, TimeoutError) as error:
            log.warning("batch %s may go on at its provider: %s", self._row.id, error)
            return None

    async def answers(self, ended: str) -> AsyncIterator[tuple[Line, Answered | None]]:
        """The lines that were handed in and have no result yet, each with its answer."""
        handed, api = self._known()
        assert handed.id is not None
        waiting = await self._waiting()
        tried = 0
        while True:
            try:
                results = api.results(handed.id)
                async with aclosing(results) as stream:  # type: ignore[type-var]
                    async for id_, raw in stream:
                        line = waiting.pop(id_, None)
                        if line is not None:
                            yield line, self._read(api, line, raw)
                break
            except ModelError as error:
                tried += 1
                if tried > self._retries:
                    raise
                log.warning("the answers of batch %s are fetched again: %s", self._row.id, error)
                await asyncio.sleep(min(self._pause * 2**tried, self._poll))
        for line in waiting.values():
            line.error = problem("not_answered", f"The provider's batch is {ended}.")
            yield line, None

    def _read(self, api: BatchApi, line: Line, raw: JSON) -> Answered | None:
        answer = api.answer(self._row.endpoint, str(line.body.get("model")), raw)
        if answer.error is not None:
            line.error = problem(str(answer.error.get("code")), str(answer.error.get("message")))
            return None
        return Answered(answer.status, answer.body, f"tr_{self._row.id}_{line.number}", usage=answer.usage)

    def write(self, line: Line, answer: Answered) -> None:
        """Write down what a line has cost, where it was answered."""
        if answer.status < 400:
            model = str(line.body.get("model"))
            caller = msgspec.structs.replace(self._caller, trace_id=answer.trace_id)
            self._spent[model] = self._spent.get(model, 0.0) + self._accounts.write(caller, model, answer)

    def settle(self) -> None:
        """Replace what was held by what was spent."""
        for model, reservation in self._held.items():
            reservation.settle(0, self._spent.get(model, 0.0))
        self._held.clear()

    # ------------------------------------------------------------------- the row

    def _known(self) -> tuple[Handed, BatchApi]:
        """Raises `ModelError` where the configuration does not know the provider any more."""
        assert self.handed is not None
        if self._api is None:
            found = self._find(f"{self.handed.name}/{self.handed.model}")
            if found is None:
                message = f"The provider {self.handed.name!r}, which runs this batch, is not configured any more."
                raise ModelError(message, hint=f"Put [providers.{self.handed.name}] back.")
            self._api = found[1]
        return self.handed, self._api

    async def _waiting(self) -> dict[str, Line]:
        """The lines at the provider that have no result yet, by their ids there."""
        query = select(batch_lines.c.number).where(batch_lines.c.batch_id == self._row.id)
        done = await self._database.read(lambda connection: set(connection.scalars(query)))
        handed = self._known()[0]
        done |= set(handed.left)

        def read() -> dict[str, Line]:
            lines = read_lines(self._path, self._row.endpoint)
            return {f"{handed.mark}-{e.number}": e for e in lines if e.error is None and e.number not in done}

        return await asyncio.to_thread(read)

    async def _cancelled(self) -> bool:
        query = select(batches.c.status).where(batches.c.id == self._row.id)
        return await self._database.read(lambda connection: connection.scalar(query)) == "cancelling"

    async def _note(self, handed: Handed | None, *, always: bool = False) -> bool:
        """Write down how far it is. Nothing is written, and nothing may follow, where the batch is cancelled."""
        self.handed = handed
        change = update(batches).where(batches.c.id == self._row.id)
        if not always:
            change = change.where(batches.c.status != "cancelling")
        change = change.values(provider=None if handed is None else msgspec.to_builtins(handed))
        return bool(await self._database.write(lambda connection: connection.execute(change).rowcount))


def hand_in(handed: Handed, endpoint: str) -> HandIn:
    from guru.models.providers.batch_api import HandIn

    return HandIn(
        mark=handed.mark, endpoint=endpoint, model=handed.model, total=handed.total, since=handed.since,
        file=handed.file or "",
    )  # fmt: skip
