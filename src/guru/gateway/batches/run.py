"""The job of a batch: check the input, ask its lines, write the files."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, insert, select, update

from guru.config import BatchSettings
from guru.errors import BudgetExceeded
from guru.gateway.batches.choice import Accounting, Allow, FindProvider
from guru.gateway.batches.ending import ENDED, end_batch
from guru.gateway.batches.files import Files
from guru.gateway.batches.lines import Answered, Line, answered_line, encode, problem, read_lines, unasked_line
from guru.gateway.batches.provider import ProviderRun
from guru.gateway.batches.turns import Turns
from guru.gateway.identity import Caller
from guru.store.ids import new_id
from guru.store.jobs import JobRun
from guru.store.scope import Scope
from guru.store.tables import batch_lines, batches

JSON = dict[str, Any]
Ask = Callable[[str, bytes, Caller], Awaitable[Answered]]
"""Ask one request: endpoint, body, who asks. Never raises what is the request's own fault: that is an answer too."""

KIND: Final = "batch"
SHOWN_ERRORS: Final = 100
LONGEST_PAUSE: Final = 60.0
PORTION: Final = 64

__all__ = ["ENDED", "KIND", "Ask", "BatchRunner"]


class Checked(Struct):
    """What a first look at the input found."""

    total: int = 0
    valid: int = 0
    errors: list[JSON] = msgspec.field(default_factory=list)


class BatchRunner:
    """Runs batches. Every line takes the road as a request of its own."""

    def __init__(
        self, files: Files, ask: Ask, settings: BatchSettings, *, provider: FindProvider | None = None,
        accounts: Accounting | None = None, allow: Allow | None = None, pause: float = 1.0, poll: float = 30.0,
    ) -> None:  # fmt: skip
        """`pause` is the first wait before a line is asked again, `poll` between looks at a provider: seconds.

        `provider`, `accounts` and `allow` together let providers run batches.
        """
        self._files = files
        self._database = files.database
        self._ask = ask
        self._settings = settings
        self._provider = provider
        self._accounts = accounts
        self._allow = allow
        self._pause = pause
        self._poll = poll
        self._turns = Turns(settings.at_once)

    def reload(self, settings: BatchSettings) -> None:
        """Batches that begin from now on, and lines that are asked again, follow the new settings."""
        self._settings = settings
        self._turns.change(settings.at_once)

    async def run(self, run: JobRun) -> JSON:
        """The handler of the job. It may be called again after a kill, and goes on where the rows say."""
        batch_id = run.job.arguments["batch"]
        row = await self._read(batch_id)
        try:
            if row.status not in ENDED:
                await self._work(row, run)
        except asyncio.CancelledError:
            row = await self._read(batch_id)
            if row.status == "cancelling" and not row.provider:  # else the server stops, and the next one goes on
                await asyncio.shield(end_batch(self._files, row, "cancelled"))
            raise
        row = await self._read(batch_id)
        return {"batch": batch_id, "status": row.status, "completed": row.completed, "failed": row.failed}

    async def _work(self, row: Row[Any], run: JobRun) -> None:
        if row.status == "cancelling":
            await self._stop(row, run)
            await end_batch(self._files, row, "cancelled")
            return
        path = await self._files.path(Scope(row.tenant), row.input_file_id)
        if row.status == "validating":
            checked = await asyncio.to_thread(check_input, path, row.endpoint, self._settings.max_lines)
            if not checked.valid:
                await self._change(row.id, total=checked.total)
                await end_batch(self._files, row, "failed", checked.errors)
                return
            await self._change(row.id, status="in_progress", total=checked.total, in_progress_at=time.time())
            row = await self._read(row.id)
        try:
            async with asyncio.timeout(row.expires_at - time.time()):
                await self._at_provider(row, path, run)
                if (await self._read(row.id)).status != "cancelling":
                    async with self._turns:
                        await self._ask_lines(row, path, run)
        except BudgetExceeded as error:
            said = {**problem("insufficient_quota", str(error)), "line": None}
            await end_batch(self._files, row, "failed", [said])
            return
        except TimeoutError:
            row = await self._read(row.id)
            await self._stop(row, run)
            await end_batch(self._files, row, "expired")
            return
        if (await self._read(row.id)).status == "cancelling":
            await end_batch(self._files, row, "cancelled")
            return
        await self._change(row.id, status="finalizing", finalizing_at=time.time())
        await end_batch(self._files, row, "completed")

    async def _at_provider(self, row: Row[Any], path: Path, run: JobRun) -> None:
        """Let the provider run what it takes of the batch, where that is wanted. Raises `BudgetExceeded`."""
        wanted = (row.metadata or {}).get("provider_batch", str(self._settings.provider)).lower() == "true"
        provider = self._provider_run(row, path) if wanted or row.provider else None
        if provider is None:
            return
        try:
            if await provider.hand_in():
                await self._collect(row, provider, await provider.wait(), run)
        finally:
            provider.settle()

    async def _collect(self, row: Row[Any], provider: ProviderRun, ended: str, run: JobRun) -> None:
        """Keep what the provider has answered. A result is kept before it is paid for: it is never paid for twice."""
        async for line, answer in provider.answers(ended):
            await self._keep(row, line, answer)
            if answer is not None:
                provider.write(line, answer)
            run.progress(total=row.total)

    async def _stop(self, row: Row[Any], run: JobRun) -> None:
        """Stop the batch at its provider, where one runs it, and keep what it has answered: that is paid for."""
        path = await self._files.path(Scope(row.tenant), row.input_file_id)
        provider = self._provider_run(row, path) if row.provider else None
        if provider is not None and (ended := await provider.stop()) is not None:
            await self._collect(row, provider, ended, run)

    def _provider_run(self, row: Row[Any], path: Path) -> ProviderRun | None:
        if self._provider is None or self._accounts is None or self._allow is None:
            return None
        caller = msgspec.convert(row.caller | {"route": KIND, "trace_id": ""}, Caller)
        return ProviderRun(
            self._database, row, path, caller, find=self._provider, allow=self._allow, accounts=self._accounts,
            poll=self._poll, retries=self._settings.retries, pause=self._pause,
        )  # fmt: skip

    async def _ask_lines(self, row: Row[Any], path: Path, run: JobRun) -> None:
        """Ask every line that has no result yet, `concurrency` at a time."""
        done = await self._database.read(lambda connection: finished_numbers(connection, row.id))
        caller = msgspec.convert(row.caller | {"route": KIND, "trace_id": ""}, Caller)
        workers = self._settings.concurrency
        waiting: asyncio.Queue[Line | None] = asyncio.Queue(workers)
        counts = {"done": len(done)}

        async def work() -> None:
            while (line := await waiting.get()) is not None:
                answer = None if line.error else await self._ask_line(row, line, caller)
                await self._keep(row, line, answer)
                counts["done"] += 1
                run.progress(done=counts["done"], total=row.total)

        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(work())
            async for line in portions(read_lines(path, row.endpoint)):
                if line.number not in done:
                    await waiting.put(line)
            for _ in range(workers):
                await waiting.put(None)

    async def _ask_line(self, row: Row[Any], line: Line, caller: Caller) -> Answered:
        """The answer to one line; one that met a limit or a model that was not there is asked again."""
        pause, body = self._pause, encode(line.body)
        for _ in range(self._settings.retries):
            answer = await self._ask(row.endpoint, body, msgspec.structs.replace(caller, trace_id=new_id("tr")))
            if answer.retry_after is None:
                return answer
            await asyncio.sleep(min(max(pause, answer.retry_after), LONGEST_PAUSE))
            pause *= 2
        return await self._ask(row.endpoint, body, msgspec.structs.replace(caller, trace_id=new_id("tr")))

    async def _keep(self, row: Row[Any], line: Line, answer: Answered | None) -> None:
        """Commit the result of a line. Only then does it count."""
        if answer is None:
            result = unasked_line(line, line.error or problem("not_answered", "The provider left this line out."))
        else:
            result = answered_line(line, answer)
        values = {
            "batch_id": row.id, "number": line.number, "tenant": row.tenant, "result": result.decode(),
            "succeeded": int(answer is not None and answer.status < 400),
        }  # fmt: skip
        await self._database.write(lambda connection: connection.execute(insert(batch_lines).values(values)))

    async def _read(self, batch_id: str) -> Row[Any]:
        query = select(batches).where(batches.c.id == batch_id)
        return await self._database.read(lambda connection: connection.execute(query).one())

    async def _change(self, batch_id: str, **values: Any) -> None:
        """Never over a cancellation or an end that came meanwhile."""
        mine = (batches.c.id == batch_id, batches.c.status.not_in(("cancelling", *ENDED)))
        change = update(batches).where(*mine).values(values)
        await self._database.write(lambda connection: connection.execute(change))


def check_input(path: Path, endpoint: str, max_lines: int) -> Checked:
    """Read every line once. Lines that are wrong alone end in the error file; a batch without a right one fails."""
    checked = Checked()
    for line in read_lines(path, endpoint):
        checked.total += 1
        if line.error is None:
            checked.valid += 1
        elif len(checked.errors) < SHOWN_ERRORS:
            checked.errors.append({**line.error, "line": line.number + 1})
    if checked.total == 0:
        checked.errors = [{**problem("empty_file", "The file has no lines."), "line": None}]
    elif checked.total > max_lines:
        message = f"The file has {checked.total} lines; {max_lines} are allowed."
        checked.errors = [{**problem("too_many_tasks", message), "line": None}]
        checked.valid = 0
    return checked


def finished_numbers(connection: Connection, batch_id: str) -> set[int]:
    return set(connection.scalars(select(batch_lines.c.number).where(batch_lines.c.batch_id == batch_id)))


async def portions(lines: Iterator[Line]) -> AsyncIterator[Line]:
    """Lines of a file, read some at a time in a thread."""
    while portion := await asyncio.to_thread(lambda: list(islice(lines, PORTION))):
        for line in portion:
            yield line
