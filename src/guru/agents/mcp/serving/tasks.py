"""Calls of tools that go on behind the request (the tasks extension): the client looks in again for the result.

Only for clients that say they know it, and for tools that take long. What a client can ask about is in the store: see
`task_rows.py`. Specification: https://modelcontextprotocol.io/seps/2663-tasks-extension
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

from guru.agents.mcp.protocol import INTERNAL_ERROR, MISSING_CAPABILITY, PREFIX, McpError, invalid_params
from guru.agents.mcp.serving.keeper import Keeper
from guru.agents.mcp.serving.left import LOOK_SECONDS, STOPPED
from guru.agents.mcp.serving.peer import ANSWER_SECONDS, Held, check_answer, check_asked
from guru.agents.mcp.serving.provider import Access
from guru.agents.mcp.serving.task_rows import TTL, Status, TaskRow, TaskRows
from guru.errors import GuruError
from guru.store.database import Database
from guru.types import JSON

log = logging.getLogger(__name__)
EXTENSION: Final = PREFIX + "tasks"
POLL: Final = 500
"""Milliseconds after which it makes sense to ask again."""
Work = Callable[["TaskPeer"], Awaitable[JSON]]


def knows_tasks(capabilities: JSON) -> bool:
    extensions = capabilities.get("extensions")
    return isinstance(extensions, dict) and isinstance(extensions.get(EXTENSION), dict)


def require_tasks(capabilities: JSON) -> None:
    """Raises `McpError`."""
    if not knows_tasks(capabilities):
        data: JSON = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
        raise McpError(MISSING_CAPABILITY, "The client does not know the tasks extension.", data)


class TaskPeer:
    """The client of a task: it is asked by the state of the task, and told of nothing else."""

    suspends = False
    kept = None
    answer = None

    def __init__(self, task: TaskRow, rows: TaskRows, capabilities: JSON, given: JSON) -> None:
        """`given` was answered before the work began."""
        self._task = task
        self._rows = rows
        self._capabilities = capabilities
        self._given = given
        self._asked = 0
        self._answers: dict[str, asyncio.Future[JSON]] = {}

    @property
    def capabilities(self) -> JSON:
        return self._capabilities

    async def notify(self, method: str, params: JSON) -> None:
        """The extension has none."""

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """The extension has none."""

    async def log(self, level: str, data: Any) -> None:
        """The extension has none."""

    async def ask(self, requests: dict[str, JSON], *, seconds: float = ANSWER_SECONDS) -> dict[str, JSON]:
        check_asked(self._capabilities, requests)
        keys: dict[str, str] = {}
        for name in requests:
            if name not in self._given:
                self._asked += 1
                keys[name] = f"{name}-{self._asked}"  # never the same twice
        answers = dict(self._given)
        if keys:
            self._answers = {key: asyncio.get_running_loop().create_future() for key in keys.values()}
            await self._rows.ask(self._task.id, self._task.tenant, {keys[name]: requests[name] for name in keys})
            await asyncio.gather(*self._answers.values())
            answers |= {name: self._answers[key].result() for name, key in keys.items()}
            await self._rows.set(self._task.id, self._task.tenant, "working", {})
        return {name: check_answer(request, answers[name]) for name, request in requests.items()}

    async def hold(self, work: Held) -> JSON:
        return await work(self)

    def answered(self, answers: JSON) -> None:
        """What the client has answered by now."""
        for key, answer in answers.items():
            waiting = self._answers.get(key)
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)

    def hang_up(self) -> None:
        """There is no stream."""


class Tasks:
    """Those of one server, and those of others as they are in the store."""

    def __init__(self, database: Database) -> None:
        self._rows = TaskRows(database)
        self._here: dict[str, tuple[TaskPeer, asyncio.Task[None]]] = {}
        self._keeper = Keeper(self._look)

    async def start(self, access: Access, capabilities: JSON, given: JSON, work: Work) -> JSON:
        """The task as its client sees it. Raises `McpError` when there are too many."""
        row = await self._rows.add(access)
        peer = TaskPeer(row, self._rows, capabilities, given)
        self._here[row.id] = (peer, asyncio.create_task(self._run(row, work(peer))))
        self._keeper.wake(LOOK_SECONDS)
        return view(row)

    async def _run(self, task: TaskRow, work: Awaitable[JSON]) -> None:
        status: Status = "failed"
        try:
            status, outcome = "completed", {"result": await work}
        except McpError as error:
            outcome = {"error": error.body()}
        except GuruError as error:  # of the store
            outcome = {"error": McpError(INTERNAL_ERROR, str(error)).body()}
        except asyncio.CancelledError:  # by the client, which the store knows, or because the server stops
            outcome = {"error": STOPPED.body()}
        try:
            await self._rows.set(task.id, task.tenant, status, outcome)
        except GuruError as error:
            log.warning("the result of a task of MCP cannot be kept: %s", error)
        finally:
            del self._here[task.id]

    async def handle(self, method: str, params: JSON, access: Access, capabilities: JSON) -> JSON:
        """`tasks/get`, `tasks/update` and `tasks/cancel`. Raises `McpError`."""
        require_tasks(capabilities)
        name = params.get("taskId")
        if method == "tasks/update":
            responses = params.get("inputResponses")
            if not isinstance(responses, dict):
                raise invalid_params("`inputResponses` is not an object.")
            row = await self._rows.answer(name, access, responses)
            if row.id in self._here:
                self._here[row.id][0].answered(row.answers)
            return {}
        row = await self._rows.get(name, access)
        if method == "tasks/get":
            return view(row)
        if await self._rows.set(row.id, row.tenant, "cancelled", {}) and row.id in self._here:
            self._here[row.id][1].cancel()
        return {}

    async def _look(self) -> float | None:
        """What other servers were told of the tasks that are worked on here."""
        if self._here:
            for row in await self._rows.look(list(self._here)):
                if row.id not in self._here:
                    continue
                peer, work = self._here[row.id]
                peer.answered(row.answers)
                if not row.open:
                    work.cancel()
        return LOOK_SECONDS if self._here else None

    async def aclose(self) -> None:
        await self._keeper.aclose()
        works = [work for _, work in self._here.values()]
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)


def view(task: TaskRow) -> JSON:
    """A `DetailedTask`."""
    shown: JSON = {
        "taskId": task.id, "status": task.status, "createdAt": moment(task.created_at),
        "lastUpdatedAt": moment(task.updated_at), "ttlMs": TTL, "pollIntervalMs": POLL, **task.outcome,
    }  # fmt: skip
    return shown | {"inputRequests": task.questions} if task.status == "input_required" else shown


def is_of(one: Access, other: Access) -> bool:
    return (one.scope.tenant, one.person) == (other.scope.tenant, other.person)


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
