"""What is written down of a run before and after each step: what a kill leaves, another process goes on from."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update

from guru.agents.approvals import Approvals
from guru.agents.limits import Limits
from guru.agents.records import StepRecord
from guru.agents.steps import Part, Result, kind_of, name_of, read_result, shown, write_result
from guru.errors import Conflict, GuruError
from guru.store.database import Database
from guru.store.tables import agent_runs, agent_steps

# Made once: to put a statement together takes longer than to carry it out, and there are four for each step of a run.
_MINE: Final = (agent_runs.c.tenant == bindparam("of_tenant"), agent_runs.c.id == bindparam("of_run"))
_STATUS: Final = select(agent_runs.c.status).where(*_MINE)
_CHANGE_RUN: Final = update(agent_runs).where(*_MINE)
_NEW_STEP: Final = insert(agent_steps)
_CHANGE_STEP: Final = update(agent_steps).where(
    agent_steps.c.tenant == bindparam("of_tenant"), agent_steps.c.run_id == bindparam("of_run"),
    agent_steps.c.number == bindparam("at"), agent_steps.c.part == bindparam("place"),
)  # fmt: skip


class Stopped(GuruError):
    """A person has paused or cancelled the run."""


class Checkpoints:
    """The steps of one run, in memory and in their rows. Implements `guru.agents.loop.Journal`."""

    def __init__(
        self, database: Database | None, tenant: str, run_id: str, *, approvals: Approvals, limits: Limits,
        steps: Sequence[StepRecord] = (), changed: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        """`steps` are those that were written down before. Without a database they are kept in memory alone."""
        self._database = database
        self._tenant = tenant
        self._run = run_id
        self._approvals = approvals
        self._limits = limits
        self._changed = changed
        self._steps = {(step.number, step.part): step for step in steps}
        self._parts: dict[tuple[int, int], Part] = {}
        self._ended: list[StepRecord] = []
        """Parts that were the last of their step, and are written with the beginning of the next."""
        for step in steps:
            step.left = step.status == "begun"

    def step(self, number: int, place: int) -> StepRecord:
        return self._steps[number, place]

    @property
    def steps(self) -> list[StepRecord]:
        return [self._steps[key] for key in sorted(self._steps)]

    def began(self, number: int) -> bool:
        return (number, 0) in self._steps

    async def begin(self, number: int, parts: Sequence[Part]) -> list[Result | None]:
        had = [step for key, step in self._steps.items() if key[0] == number]
        if had and [(step.kind, step.name) for step in had] != [(kind_of(part), name_of(part)) for part in parts]:
            raise Conflict(
                f"Step {number} of the run was something else: {', '.join(step.name for step in had)}.",
                hint=f"Begin there anew: guru agent replay {self._run} --from {number}",
            )
        self._parts |= {(number, place): part for place, part in enumerate(parts)}
        if not had:
            had = [self._new(number, place, part) for place, part in enumerate(parts)]
            await self._write(lambda connection: self._insert(connection, had))
        elif any(step.status != "done" for step in had):
            await self._write(self._check)
        results = [read_result(step.kind, step.result) if step.status == "done" else None for step in had]
        for part, result in zip(parts, results, strict=True):
            self._approvals.note(part, result)
        return results

    async def end(self, number: int, part: int, result: Result) -> None:
        step = self._steps[number, part]
        step.status, step.result, step.ended_at = "done", write_result(result), time.time()
        self._approvals.note(self._parts[number, part], result)
        self._ended.append(step)
        if any(other.status != "done" for key, other in self._steps.items() if key[0] == number):
            await self.flush()

    async def flush(self) -> None:
        """Write down what has ended and is not yet written."""
        if self._ended:
            await self._write(lambda connection: None)

    async def wait(self, number: int, part: int, reason: str) -> None:
        """A person must say something first. What was said before no longer holds."""
        step = self._steps[number, part]
        step.status, step.reason, step.decision = "waiting", reason, None
        await self._write(
            lambda connection: self._update(connection, step, status="waiting", reason=reason, decision=None)
        )

    async def start(self, number: int, part: int) -> None:
        """What waited for a person is being done."""
        step = self._steps[number, part]
        step.status = "begun"
        await self._write(lambda connection: self._update(connection, step, status="begun", begun_at=time.time()))

    def _new(self, number: int, place: int, part: Part) -> StepRecord:
        reason = self._approvals.reason(part)
        step = StepRecord(
            number=number, part=place, kind=kind_of(part), name=name_of(part), request=shown(part), reason=reason,
            status="begun" if reason is None else "waiting", begun_at=time.time(),
        )  # fmt: skip
        self._steps[number, place] = step
        return step

    def _insert(self, connection: Connection, steps: Sequence[StepRecord]) -> None:
        self._check(connection)
        rows: list[dict[str, Any]] = [msgspec.structs.asdict(step) for step in steps]
        for row in rows:
            row |= {"run_id": self._run, "tenant": self._tenant}
            del row["left"]
        connection.execute(_NEW_STEP, rows)

    def _check(self, connection: Connection) -> None:
        """Raises `Stopped`."""
        status = connection.scalar(_STATUS, self._mine)
        if status != "running":
            raise Stopped(f"The run is {status}.")

    @property
    def _mine(self) -> dict[str, str]:
        return {"of_tenant": self._tenant, "of_run": self._run}

    def _update(self, connection: Connection, step: StepRecord, **values: Any) -> None:
        connection.execute(_CHANGE_STEP, {**self._mine, "at": step.number, "place": step.part, **values})

    async def _write(self, change: Callable[[Connection], None]) -> None:
        """Write what has ended, and `change`, in one transaction."""
        ended, limits = list(self._ended), self._limits

        def write(connection: Connection) -> None:
            for step in ended:
                self._update(connection, step, status="done", result=step.result, ended_at=step.ended_at)
            if ended:
                used = {"tokens": limits.tokens, "cost": limits.cost, "seconds": limits.seconds}
                values = used | {"steps": max(step.number for step in ended)}
                connection.execute(_CHANGE_RUN, {**self._mine, **values})
            change(connection)

        if self._database is not None:
            await self._database.write(write, beside=True)
        self._ended = [step for step in self._ended if step not in ended]
        self._changed()
