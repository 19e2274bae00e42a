"""Evaluations as rows: what was asked for, what came of every question, and the report."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, delete, func, insert, select, update

from guru.errors import NotFound
from guru.evaluate.dataset import Question
from guru.store.database import Database
from guru.store.ids import new_id
from guru.store.tables import evaluation_items, evaluations
from guru.types import JSON


class Evaluation(Struct, kw_only=True):
    """An evaluation as it was last seen. Times are seconds since 1970."""

    id: str
    tenant: str
    kind: str
    collection: str
    job_id: str | None
    caller: JSON
    options: JSON
    report: JSON | None
    created_at: float
    finished_at: float | None


class Item(Struct):
    """A question, and what is known of it so far."""

    number: int
    question: Question
    searched: Any = None
    answered: Any = None


COLUMNS = [evaluations.c[name] for name in Evaluation.__struct_fields__]


class EvaluationStore:
    """The evaluations of every tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, tenant: str, kind: str, collection: str, *, options: JSON, caller: JSON, questions: Sequence[Question]
    ) -> str:
        """Keep what is to be done; returns its id."""
        made = new_id("eval")
        row = {
            "id": made, "tenant": tenant, "kind": kind, "collection": collection, "options": options, "caller": caller,
            "created_at": time.time(),
        }  # fmt: skip
        items = [
            {"evaluation_id": made, "number": number, "tenant": tenant, "question": msgspec.to_builtins(question)}
            for number, question in enumerate(questions, start=1)
        ]

        def write(connection: Connection) -> None:
            connection.execute(insert(evaluations).values(row))
            if items:
                connection.execute(insert(evaluation_items), items)

        await self._database.write(write)
        return made

    async def get(self, tenant: str, evaluation_id: str) -> Evaluation:
        """Raises `NotFound`."""
        query = select(*COLUMNS).where(evaluations.c.tenant == tenant, evaluations.c.id == evaluation_id)
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            raise NotFound(f"There is no evaluation {evaluation_id!r}.", hint="GET /api/v1/evaluations lists them.")
        return Evaluation(**row._mapping)

    async def list(self, tenant: str, *, collection: str | None = None, limit: int = 50) -> list[Evaluation]:
        """The newest first, without their reports."""
        columns = [column for column in COLUMNS if column.name != "report"]
        query = select(*columns).where(evaluations.c.tenant == tenant)
        if collection is not None:
            query = query.where(evaluations.c.collection == collection)
        query = query.order_by(evaluations.c.created_at.desc()).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [Evaluation(**row._mapping, report=None) for row in rows]

    async def delete(self, tenant: str, evaluation_id: str) -> None:
        """Raises `NotFound`."""
        mine = delete(evaluations).where(evaluations.c.tenant == tenant, evaluations.c.id == evaluation_id)
        if not await self._database.write(lambda connection: connection.execute(mine).rowcount):
            await self.get(tenant, evaluation_id)

    async def change(self, tenant: str, evaluation_id: str, **values: Any) -> None:
        mine = update(evaluations).where(evaluations.c.tenant == tenant, evaluations.c.id == evaluation_id)
        await self._database.write(lambda connection: connection.execute(mine.values(values)))

    async def items(self, tenant: str, evaluation_id: str) -> Sequence[Item]:
        """Every question, in order."""
        columns = [evaluation_items.c[name] for name in Item.__struct_fields__]
        mine = (evaluation_items.c.tenant == tenant, evaluation_items.c.evaluation_id == evaluation_id)
        query = select(*columns).where(*mine).order_by(evaluation_items.c.number)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [Item(row.number, msgspec.convert(row.question, Question), row.searched, row.answered) for row in rows]

    async def add(self, tenant: str, evaluation_id: str, question: Question) -> None:
        """One more question."""
        mine = evaluation_items.c.evaluation_id == evaluation_id

        def write(connection: Connection) -> None:
            last = connection.scalar(select(func.max(evaluation_items.c.number)).where(mine)) or 0
            row = {"number": last + 1, "question": msgspec.to_builtins(question)}
            owned = {"evaluation_id": evaluation_id, "tenant": tenant}
            connection.execute(insert(evaluation_items).values(row | owned))

        await self._database.write(write)

    async def keep(self, tenant: str, evaluation_id: str, column: str, results: Mapping[int, Any]) -> None:
        """What came of some questions, by their numbers; `column` is `searched` or `answered`."""
        mine = (evaluation_items.c.tenant == tenant, evaluation_items.c.evaluation_id == evaluation_id)

        def write(connection: Connection) -> None:
            for number, result in results.items():
                row = update(evaluation_items).where(*mine, evaluation_items.c.number == number)
                connection.execute(row.values({column: msgspec.to_builtins(result)}))

        if results:
            await self._database.write(write)
