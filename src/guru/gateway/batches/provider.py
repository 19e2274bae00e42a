"""A batch run by the provider's own batch endpoint: cheaper, and slower."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, select, update

from guru.errors import GuruError
from guru.gateway.batches.lines import Answered, Line, encode, problem, read_lines
from guru.store.database import Database
from guru.store.tables import batch_lines, batches

if TYPE_CHECKING:
    from guru.models.providers.base import BatchApi

JSON = dict[str, Any]
FindProvider = Callable[[str], "tuple[str, BatchApi] | None"]
"""The name and the batch endpoint of the provider of `provider/model`, where it has one. An alias has none."""


def provider_of_lines(path: Path, endpoint: str, find: FindProvider) -> JSON | None:
    """The provider whose models all lines name, as `{"name"}`; None where there is no such one. Blocks."""
    names: set[str | None] = set()
    for line in read_lines(path, endpoint):
        if line.error is None:
            found = find(str(line.body.get("model")))
            names.add(found[0] if found else None)
            if len(names) > 1 or found is None:
                return None
    (name,) = names
    return {"name": name}


class ProviderRun:
    """One batch at its provider."""

    def __init__(self, database: Database, row: Row[Any], api: BatchApi, provider: JSON, *, poll: float) -> None:
        self._database = database
        self._row = row
        self._api = api
        self._provider = provider
        self._poll = poll

    async def answers(self, path: Path) -> AsyncIterator[tuple[Line, Answered | None]]:
        """The lines that have no result yet, each with its answer, when the provider has ended.

        A kill between the hand-in and its note makes the provider run it twice; nothing tells the two apart there.
        """
        if "id" not in self._provider:
            lines = await asyncio.to_thread(self._input, path)
            self._provider["id"] = await self._api.submit(lines, self._row.endpoint)
            await self._note()
        try:
            status = await self._wait()
        except asyncio.CancelledError:
            with suppress(GuruError):
                await asyncio.shield(self._cancel_if_asked())
            raise
        waiting = await asyncio.to_thread(self._waiting, path, await self._finished())
        async for result in self._api.results(self._provider["id"]):
            line = waiting.pop(str(result.get("custom_id")), None)
            response = result.get("response")
            if line is not None and response:
                trace_id = str(response.get("request_id") or "")
                yield line, Answered(int(response.get("status_code", 200)), response.get("body"), trace_id)
            elif line is not None:
                line.error = result.get("error") or problem("not_answered", f"The provider's batch {status}.")
                yield line, None
        for line in waiting.values():
            line.error = line.error or problem("not_answered", f"The provider's batch is {status}.")
            yield line, None

    async def _wait(self) -> str:
        """How the provider's batch ended."""
        while True:
            status = await self._api.status(self._provider["id"])
            if status.state != "running":
                return f"{status.state}: {status.error}" if status.error else status.state
            await asyncio.sleep(self._poll)

    async def _cancel_if_asked(self) -> None:
        """The provider goes on while this server restarts, and stops when the batch is cancelled."""
        query = select(batches.c.status).where(batches.c.id == self._row.id)
        if await self._database.read(lambda connection: connection.scalar(query)) == "cancelling":
            await self._api.cancel(self._provider["id"])

    def _input(self, path: Path) -> bytes:
        """The lines as the provider takes them: without its own name before the model's."""
        name = self._provider["name"] + "/"
        written = []
        for line in read_lines(path, self._row.endpoint):
            if line.error is None:
                body = line.body | {"model": str(line.body.get("model")).removeprefix(name)}
                request = {"custom_id": line.custom_id, "method": "POST", "url": self._row.endpoint, "body": body}
                written.append(encode(request))
        return b"\n".join(written) + b"\n"

    def _waiting(self, path: Path, done: set[int]) -> dict[str, Line]:
        lines = (line for line in read_lines(path, self._row.endpoint) if line.number not in done)
        return {line.custom_id if line.error is None and line.custom_id else f"\0{line.number}": line for line in lines}

    async def _finished(self) -> set[int]:
        query = select(batch_lines.c.number).where(batch_lines.c.batch_id == self._row.id)
        return await self._database.read(lambda connection: set(connection.scalars(query)))

    async def _note(self) -> None:
        change = update(batches).where(batches.c.id == self._row.id).values(provider=self._provider)
        await self._database.write(lambda connection: connection.execute(change))
