"""Calls of tools that go on behind the request (the tasks extension): the client looks in again for the result.

Only for clients that say they know it, and for tools that take long. Tasks are in the memory of the server, for some
time: a restart forgets them. Specification: https://modelcontextprotocol.io/seps/2663-tasks-extension
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final, Literal

from guru.agents.mcp.protocol import INTERNAL_ERROR, MISSING_CAPABILITY, PREFIX, McpError, invalid_params
from guru.agents.mcp.serving.peer import check_answer, check_asked
from guru.agents.mcp.serving.provider import Access
from guru.types import JSON

EXTENSION: Final = PREFIX + "tasks"
TTL: Final = 3_600_000
"""Milliseconds from its creation for which a task can be asked about."""
POLL: Final = 500
"""Milliseconds after which it makes sense to ask again."""
AT_ONCE: Final = 32
"""Tasks of one person that are not yet done."""
MOST: Final = 2000
"""Tasks that are remembered."""
Status = Literal["working", "input_required", "completed", "cancelled", "failed"]
Work = Callable[["TaskPeer"], Awaitable[JSON]]


def knows_tasks(capabilities: JSON) -> bool:
    extensions = capabilities.get("extensions")
    return isinstance(extensions, dict) and isinstance(extensions.get(EXTENSION), dict)


def require_tasks(capabilities: JSON) -> None:
    """Raises `McpError`."""
    if not knows_tasks(capabilities):
        data: JSON = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
        raise McpError(MISSING_CAPABILITY, "The client does not know the tasks extension.", data)


class Task:
    """One call that goes on."""

    def __init__(self, access: Access) -> None:
        self.id = f"task_{secrets.token_urlsafe(24)}"  # it is also what lets its owner ask about it
        self.access = access
        self.created = self.updated = time.time()
        self.status: Status = "working"
        self.outcome: JSON = {}
        """`result` or `error`, at the end."""
        self.questions: dict[str, JSON] = {}
        """What the client has not answered yet."""
        self.answers: dict[str, asyncio.Future[JSON]] = {}
        self.work: asyncio.Task[None] | None = None

    @property
    def done(self) -> bool:
        return self.status in ("completed", "cancelled", "failed")

    def set(self, status: Status, **outcome: JSON) -> None:
        self.status, self.outcome, self.updated = status, outcome, time.time()

    def view(self) -> JSON:
        """A `DetailedTask`."""
        shown: JSON = {
            "taskId": self.id, "status": self.status, "createdAt": moment(self.created),
            "lastUpdatedAt": moment(self.updated), "ttlMs": TTL, "pollIntervalMs": POLL, **self.outcome,
        }  # fmt: skip
        return shown | {"inputRequests": self.questions} if self.status == "input_required" else shown


class TaskPeer:
    """The client of a task: it is asked by the state of the task, and told of nothing else."""

    def __init__(self, task: Task, capabilities: JSON, answers: JSON) -> None:
        """`answers` were given before the work began."""
        self._task = task
        self._capabilities = capabilities
        self._given = answers
        self._asked = 0

    @property
    def capabilities(self) -> JSON:
        return self._capabilities

    async def notify(self, method: str, params: JSON) -> None:
        """The extension has none."""

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """The extension has none."""

    async def log(self, level: str, data: Any) -> None:
        """The extension has none."""

    async def ask(self, requests: dict[str, JSON]) -> dict[str, JSON]:
        check_asked(self._capabilities, requests)
        waiting: dict[str, asyncio.Future[JSON]] = {}
        for name, request in requests.items():
            if name in self._given:
                continue
            self._asked += 1
            key = f"{name}-{self._asked}"  # never the same twice
            waiting[name] = self._task.answers[key] = asyncio.get_running_loop().create_future()
            self._task.questions[key] = request
        if waiting:
            self._task.set("input_required")
            await asyncio.gather(*waiting.values())
            self._task.set("working")
        answers = self._given | {name: future.result() for name, future in waiting.items()}
        return {name: check_answer(request, answers[name]) for name, request in requests.items()}

    def hang_up(self) -> None:
        """There is no stream."""


class Tasks:
    """Those of one server."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}

    def start(self, access: Access, capabilities: JSON, answers: JSON, work: Work) -> Task:
        """Raises `McpError` when there are too many."""
        self._forget()
        mine = [task for task in self._tasks.values() if not task.done and is_of(task.access, access)]
        if len(mine) >= AT_ONCE or len(self._tasks) >= MOST:
            raise McpError(INTERNAL_ERROR, "There are too many tasks. Wait for some of them.")
        task = Task(access)
        self._tasks[task.id] = task
        task.work = asyncio.create_task(self._run(task, work(TaskPeer(task, capabilities, answers))))
        return task

    async def _run(self, task: Task, work: Awaitable[JSON]) -> None:
        try:
            task.set("completed", result=await work)
        except McpError as error:
            task.set("failed", error=error.body())
        except asyncio.CancelledError:
            task.set("cancelled")
        finally:
            task.questions.clear()

    def handle(self, method: str, params: JSON, access: Access, capabilities: JSON) -> JSON:
        """`tasks/get`, `tasks/update` and `tasks/cancel`. Raises `McpError`."""
        require_tasks(capabilities)
        self._forget()
        task = self._tasks.get(params.get("taskId", "") if isinstance(params.get("taskId"), str) else "")
        if task is None or not is_of(task.access, access):
            raise invalid_params(f"There is no task {params.get('taskId')!r}.")
        if method == "tasks/get":
            return task.view()
        if method == "tasks/cancel":
            if task.work is not None and not task.done:
                task.work.cancel()
                if task.status == "working":
                    task.set("cancelled")
            return {}
        self._update(task, params.get("inputResponses"))
        return {}

    def _update(self, task: Task, responses: Any) -> None:
        if not isinstance(responses, dict):
            raise invalid_params("`inputResponses` is not an object.")
        checked = {
            key: check_answer(task.questions[key], answer) for key, answer in responses.items() if key in task.questions
        }
        for key, answer in checked.items():
            del task.questions[key]
            task.answers[key].set_result(answer)
            task.updated = time.time()

    def _forget(self) -> None:
        ended = [task for task in self._tasks.values() if time.time() - task.created > TTL / 1000]
        for task in ended:
            del self._tasks[task.id]
            if task.work is not None:
                task.work.cancel()

    async def aclose(self) -> None:
        works = [task.work for task in self._tasks.values() if task.work is not None]
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)


def is_of(one: Access, other: Access) -> bool:
    return (one.scope.tenant, one.person) == (other.scope.tenant, other.person)


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
