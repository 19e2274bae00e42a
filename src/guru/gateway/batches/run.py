"""The job of a batch: check the input, ask its lines, write the files."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, insert, select, update

from guru.config import BatchSettings
from guru.errors import GuruError
from guru.gateway.batches.ending import ENDED, end_batch
from guru.gateway.batches.files import Files
from guru.gateway.batches.lines import Answered, Line, answered_line, encode, problem, read_lines, unasked_line
from guru.gateway.batches.provider import FindProvider, ProviderRun, provider_of_lines
from guru.gateway.identity import Caller
from guru.store.ids import new_id
from guru.store.jobs import JobRun
from guru.store.scope import Scope
from guru.store.tables import batch_lines, batches

if TYPE_CHECKING:
    from guru.models.providers.base import BatchApi

JSON = dict[str, Any]
Ask = Callable[[str, bytes, Caller], Awaitable[Answered]]
"""Ask one request: endpoint, body, who asks. Never raises what is the request's own fault: that is an answer too."""

Account = Callable[[Caller, str, Answered], None]
"""Write down what a line cost that a provider answered in a batch of its own: who asked, `provider/model`, answer."""

Allow = Callable[[Caller, str, str], None]
"""Raises a `GuruError` where somebody may not ask a model by an endpoint now: who asks, endpoint, `provider/model`."""

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
        account: Account | None = None, allow: Allow | None = None, pause: float = 1.0, poll: float = 30.0,
    ) -> None:  # fmt: skip
        """`pause` is the first wait before a line is asked again, `poll` between looks at a provider: seconds."""
        self._files = files
        self._database = files.database
        self._ask = ask
        self._settings = settings
        self._provider = provider
        self._account = account
        self._allow = allow
        self._pause = pause
        self._poll = poll

    async def run(self, run: JobRun) -> JSON:
        """The handler of the job. It may be called again after a kill, and goes on where the rows say."""
        batch_id = run.job.arguments["batch"]
        row = await self._read(batch_id)
        try:
            if row.status not in ENDED:
                await self._work(row, run)
        except asyncio.CancelledError:
            row = await self._read(batch_id)
            if row.status == "cancelling":  # else the server stops, and the next one goes on
                await asyncio.shield(end_batch(self._files, row, "cancelled"))
            raise
        row = await self._read(batch_id)
        return {"batch": batch_id, "status": row.status, "completed": row.completed, "failed": row.failed}

    async def _work(self, row: Row[Any], run: JobRun) -> None:
        if row.status == "cancelling":
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
                if not await self._at_provider(row, path, run):
                    await self._ask_lines(row, path, run)
        except TimeoutError:
            await end_batch(self._files, row, "expired")
            return
        await self._change(row.id, status="finalizing", finalizing_at=time.time())
        await end_batch(self._files, row, "completed")

    async def _at_provider(self, row: Row[Any], path: Path, run: JobRun) -> bool:
        """Let the provider run the batch, where that is wanted and one provider has all its models."""
        wanted = (row.metadata or {}).get("provider_batch", str(self._settings.provider)).lower() == "true"
        if self._provider is None or not (wanted or row.provider):
            return False
        caller = msgspec.convert(row.caller | {"route": KIND, "trace_id": ""}, Caller)

        def find(model: str) -> tuple[str, BatchApi] | None:
            if self._allow is not None:
                self._allow(caller, row.endpoint, model)
            return self._provider(model) if self._provider is not None else None

        try:
            found = row.provider or await asyncio.to_thread(provider_of_lines, path, row.endpoint, find)
        except GuruError:
            return False  # the lines are asked here: each of them learns why it is refused
        if found is None:
            return False
        api = self._provider(found["name"] + "/")
        if api is None:
            return False
        provider = ProviderRun(self._database, row, api[1], found, poll=self._poll)
        async for line, answer in provider.answers(path):
            await self._keep(row, line, answer)
            if self._account is not None and answer is not None and answer.status < 400:
                self._account(msgspec.structs.replace(caller, trace_id=new_id("tr")), str(line.body["model"]), answer)
            run.progress(total=row.total)
        return True

    async def _ask_lines(self, row: Row[Any], path: Path, run: JobRun) -> None:
        """Ask every line that has no result yet, `concurrency` at a time."""
        done = await self._database.read(lambda connection: finished_numbers(connection, row.id))
        caller = msgspec.convert(row.caller | {"route": KIND, "trace_id": ""}, Caller)
        waiting: asyncio.Queue[Line | None] = asyncio.Queue(self._settings.concurrency)
        counts = {"done": len(done)}

        async def work() -> None:
            while (line := await waiting.get()) is not None:
                answer = None if line.error else await self._ask_line(row, line, caller)
                await self._keep(row, line, answer)
                counts["done"] += 1
                run.progress(done=counts["done"], total=row.total)

        async with asyncio.TaskGroup() as group:
            for _ in range(self._settings.concurrency):
                group.create_task(work())
            async for line in portions(read_lines(path, row.endpoint)):
                if line.number not in done:
                    await waiting.put(line)
            for _ in range(self._settings.concurrency):
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
        """Never over a cancellation that came meanwhile."""
        mine = (batches.c.id == batch_id, batches.c.status != "cancelling")
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
