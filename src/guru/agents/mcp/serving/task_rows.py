"""Tasks as the store keeps them: any server on the database answers for them, also after a restart.

The work itself is with one server. When that dies, whoever looks at the task next finds that it has failed: a tool that
may have changed something is not begun anew.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Sequence
from typing import Any, Final, Literal

from msgspec import Struct
from sqlalchemy import Connection, delete, func, insert, select, update

from guru.agents.mcp.protocol import INTERNAL_ERROR, McpError, invalid_params
from guru.agents.mcp.serving.left import LEASE_SECONDS, STOPPED
from guru.agents.mcp.serving.peer import check_answer
from guru.agents.mcp.serving.provider import Access
from guru.store.database import Database
from guru.store.tables import mcp_tasks
from guru.types import JSON

TTL: Final = 3_600_000
"""Milliseconds from its creation for which a task can be asked about."""
AT_ONCE: Final = 32
"""Tasks of one person that are not yet done."""
MOST: Final = 10_000
"""Tasks that are remembered; of one person, a twentieth of it."""
Status = Literal["working", "input_required", "completed", "cancelled", "failed"]
OPEN: Final = ("working", "input_required")
Kind = Literal["task", "held"]
NAME: Final = re.compile(r"(task|held)_[\w-]{32}", re.ASCII)


class TaskRow(Struct, kw_only=True):
    id: str
    tenant: str
    status: Status
    outcome: JSON
    """`result` or `error`, at the end."""
    questions: dict[str, JSON]
    """What the client has not answered yet."""
    answers: dict[str, JSON]
    created_at: float
    updated_at: float
    alive_at: float
    """When its server said last that it works on it."""

    @property
    def open(self) -> bool:
        return self.status in OPEN


class TaskRows:
    def __init__(self, database: Database, kind: Kind = "task") -> None:
        """`kind` is how the ids of these begin: those of others are not found."""
        self._database = database
        self._kind = kind

    async def add(self, access: Access) -> TaskRow:
        """A new one. Raises `McpError` when there are too many."""
        now = time.time()
        made = TaskRow(
            id=f"{self._kind}_{secrets.token_urlsafe(24)}",  # it is also what lets its owner ask about it
            tenant=access.scope.tenant, status="working", outcome={}, questions={}, answers={}, created_at=now,
            updated_at=now, alive_at=now,
        )  # fmt: skip
        values = {name: getattr(made, name) for name in TaskRow.__struct_fields__}
        values |= {"person": access.person, "key": access.key}
        table = mcp_tasks.c

        def write(connection: Connection) -> None:
            connection.execute(delete(mcp_tasks).where(table.created_at < now - TTL / 1000))
            count = select(func.count()).select_from(mcp_tasks)
            mine = count.where(table.tenant == made.tenant, table.person == access.person)
            working = mine.where(table.status.in_(OPEN), table.alive_at >= now - LEASE_SECONDS)
            limits = ((working, AT_ONCE), (mine, MOST // 20), (count, MOST))
            if any((connection.scalar(query) or 0) >= most for query, most in limits):
                raise McpError(INTERNAL_ERROR, "There are too many tasks. Wait for some of them.")
            connection.execute(insert(mcp_tasks).values(values))

        await self._database.write(write)
        return made

    async def get(self, id: object, access: Access) -> TaskRow:
        """Raises `McpError` for one that is not there any more, or is of somebody else or of another key."""
        row = await self._database.read(lambda connection: find(connection, self._kind, id, access))
        if row.open and row.alive_at < time.time() - LEASE_SECONDS:
            await self.set(row.id, row.tenant, "failed", {"error": STOPPED.body()})
            row = await self._database.read(lambda connection: find(connection, self._kind, id, access))
        return row

    async def set(self, id: str, tenant: str, status: Status, outcome: JSON) -> bool:
        """Its state from now on; False for one that has ended. What was answered is not kept."""
        return await self._change(id, tenant, status=status, outcome=outcome, questions={}, answers={})

    async def ask(self, id: str, tenant: str, questions: dict[str, JSON], *, until: float | None = None) -> bool:
        """It waits for answers now, and is not forgotten sooner than if it had been made at `until`; False for one that
        has ended."""
        more = {} if until is None else {"created_at": until}
        return await self._change(id, tenant, status="input_required", questions=questions, answers={}, **more)

    async def remove(self, id: str, tenant: str) -> None:
        """Forget it: nobody asks about it any more."""
        mine = delete(mcp_tasks).where(mcp_tasks.c.id == id, mcp_tasks.c.tenant == tenant)
        await self._database.write(lambda connection: connection.execute(mine), beside=True)

    async def answer(self, id: object, access: Access, responses: JSON) -> TaskRow:
        """Keep answers for its server; those to no question are read over. Raises `McpError` for what answers none."""

        def write(connection: Connection) -> TaskRow:
            row = find(connection, self._kind, id, access)
            given = {name: said for name, said in responses.items() if name in row.questions}
            row.answers |= {name: check_answer(row.questions[name], said) for name, said in given.items()}
            row.questions = {name: asked for name, asked in row.questions.items() if name not in given}
            row.updated_at = time.time()
            values = {"answers": row.answers, "questions": row.questions, "updated_at": row.updated_at}
            if given:
                connection.execute(update(mcp_tasks).where(*open_one(row.id, row.tenant)).values(values))
            return row

        return await self._database.write(write)

    async def look(self, ids: Sequence[str]) -> list[TaskRow]:
        """Those that a server works on, as they are now. Whoever looks says that it works on them."""

        def write(connection: Connection) -> list[TaskRow]:
            mine = mcp_tasks.c.id.in_(ids)
            rows = connection.execute(select(mcp_tasks).where(mine)).all()
            if any(row.alive_at < time.time() - LEASE_SECONDS / 4 for row in rows):
                connection.execute(update(mcp_tasks).where(mine).values(alive_at=time.time()))
            return [to_task(row) for row in rows]

        return await self._database.write(write, beside=True)

    async def _change(self, id: str, tenant: str, **values: Any) -> bool:
        now = time.time()
        changed = update(mcp_tasks).where(*open_one(id, tenant)).values(updated_at=now, alive_at=now, **values)
        return await self._database.write(lambda connection: connection.execute(changed).rowcount > 0, beside=True)


def open_one(id: str, tenant: str) -> tuple[Any, ...]:
    """One that has not ended: whatever ends it first, holds."""
    return (mcp_tasks.c.id == id, mcp_tasks.c.tenant == tenant, mcp_tasks.c.status.in_(OPEN))


def find(connection: Connection, kind: Kind, id: object, access: Access) -> TaskRow:
    """Raises `McpError`."""
    row = None
    if isinstance(id, str) and (found := NAME.fullmatch(id)) and found[1] == kind:
        table = mcp_tasks.c
        query = select(mcp_tasks).where(
            table.id == id, table.tenant == access.scope.tenant, table.person == access.person,
            table.key == access.key, table.created_at >= time.time() - TTL / 1000,
        )  # fmt: skip
        row = connection.execute(query).one_or_none()
    if row is None:
        raise invalid_params(f"There is no task {id!r}.")
    return to_task(row)


def to_task(row: Any) -> TaskRow:
    return TaskRow(**{name: getattr(row, name) for name in TaskRow.__struct_fields__})
