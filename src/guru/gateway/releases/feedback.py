"""What users think of answers: a score from 0 to 1 for a trace. Releases compare their versions by it."""

from __future__ import annotations

import time
from typing import Protocol

from sqlalchemy import Connection, insert, select, update

from guru.gateway.identity import Caller
from guru.store.database import Database
from guru.store.ids import new_id
from guru.store.tables.releases import feedback


class Judge(Protocol):
    def __call__(self, alias: str, label: str | None, change: float, *, first: bool, at: float | None = None) -> None:
        """Count the change of a score of an answer of the time `at`; `first` where its author had given none."""
        ...


class Feedback:
    """Keeps one opinion of each author about each answer: the last."""

    def __init__(self, database: Database, judge: Judge | None = None) -> None:
        self._database = database
        self._judge = judge

    async def give(
        self,
        caller: Caller,
        trace_id: str,
        *,
        score: float,
        comment: str | None,
        alias: str | None,
        variant: str | None,
        answered_at: float | None = None,
        prompt: tuple[str, str] | None = None,
    ) -> None:
        """Note a score. `alias`, `variant` and `answered_at` are what the trace was asked for, by what, and when;
        `prompt` is the label of a prompt that it was asked with, and the version."""
        author = caller.person
        table = feedback.c
        mine = (table.tenant == caller.tenant, table.trace_id == trace_id, table.author == author)
        values = {"score": score, "comment": comment, "at": time.time()}

        def write(connection: Connection) -> float | None:
            before: float | None = connection.scalar(select(table.score).where(*mine))
            if before is not None:
                connection.execute(update(feedback).where(*mine).values(values))
            else:
                row = {"id": new_id("feedback"), "tenant": caller.tenant, "trace_id": trace_id, "author": author}
                connection.execute(insert(feedback).values(row | values | {"alias": alias, "variant": variant}))
            return before

        before = await self._database.write(write)
        for asked, answered in ((alias, variant), prompt or (None, None)):
            if self._judge is not None and asked is not None:
                self._judge(asked, answered, score - (before or 0.0), first=before is None, at=answered_at)
