"""Carries a run out. It goes through the definition from the beginning each time: a step that is done gives what is
kept of it, the first that is not is done. So a crash costs nothing but the step that it hit.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from guru.agents.workflows.definition import AnyStep, Workflow, from_plain
from guru.agents.workflows.errors import DATA_LIMIT, RUNTIME, TIMEOUT, RunEnded, StepFailed
from guru.agents.workflows.pulse import Pulse
from guru.agents.workflows.records import Run, StepRow, StepStatus
from guru.agents.workflows.runs import RunStore
from guru.agents.workflows.stepping import Scope, StepRun
from guru.agents.workflows.work import Work

LOOK_EVERY: Final = 0.5
"""Seconds between two looks for answers, while other branches work."""
encode = msgspec.json.Encoder().encode


class Limits(Struct, kw_only=True):
    """What a run may take."""

    steps: int = 10_000
    data: int = 1 << 20
    """Bytes of what one step gives."""
    total: int = 64 << 20
    """Bytes of all that a run keeps."""
    concurrency: int = 16
    """Items or branches of one step at a time, and tasks of the whole run."""


class Engine:
    """One carrying out of one run."""

    def __init__(self, run: Run, rows: Sequence[StepRow], store: RunStore, work: Work, limits: Limits) -> None:
        self.run = run
        self._workflow: Workflow = from_plain(run.definition)
        self._rows = {row.path: row for row in rows}
        self.store = store
        self.work = work
        self.limits = limits
        self._steps = 0
        self.most = min(self._workflow.max_steps or limits.steps, limits.steps)
        self._bytes = run.bytes
        self.pulse = Pulse()
        self.hands = asyncio.Semaphore(limits.concurrency)

    async def carry_out(self) -> None:
        """To its end, or until all of it waits. Raises `Superseded` when somebody else has the run."""
        whole = asyncio.ensure_future(self._whole())
        listener = asyncio.ensure_future(self._listen())
        remaining = None if self.run.deadline_at is None else max(0.0, self.run.deadline_at - time.time())
        try:
            await asyncio.wait((whole, self.pulse.still), timeout=remaining, return_when=asyncio.FIRST_COMPLETED)
            if whole.done():
                await self._end(whole)
            elif self.pulse.still.done():
                await stop(whole)
                times = [when for when in (self.pulse.still.result(), self.run.deadline_at) if when is not None]
                await self.store.suspend(self.run, min(times, default=None))
            else:
                await stop(whole)
                cause = "The run took longer than its deadline allows."
                await self.store.finish(self.run, "failed", error=TIMEOUT, cause=cause)
        finally:
            await stop(whole)
            await stop(listener)

    async def _whole(self) -> Any:
        if self.run.deadline_at is not None and self.run.deadline_at <= time.time():
            raise RunEnded(TIMEOUT, "The run took longer than its deadline allows.")
        scope = Scope(steps={}, item={})
        return await self.block(self._workflow.steps, self._workflow.start, self.run.input, scope, "")

    async def _end(self, whole: asyncio.Future[Any]) -> None:
        try:
            output = whole.result()
        except (StepFailed, RunEnded) as failure:
            await self.store.finish(self.run, "failed", error=failure.error, cause=failure.cause)
        else:
            await self.store.finish(self.run, "done", output=output)

    async def _listen(self) -> None:
        """Hand answers to the steps that wait for them, while others work."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if paths := self.pulse.asked:
                for path, answers in (await self.store.answered(self.run, paths)).items():
                    self.pulse.give(path, answers)

    # ------------------------------------------------------------------ blocks and steps

    async def block(self, steps: dict[str, AnyStep], start: str, document: Any, scope: Scope, prefix: str) -> Any:
        """From `start` to an end; what the last step gives."""
        visits: Counter[str] = Counter()
        name: str | None = start
        while name is not None:
            visits[name] += 1
            path = f"{prefix}{name}" + (f"#{visits[name]}" if visits[name] > 1 else "")
            self._steps += 1
            if self._steps > self.most:
                raise RunEnded(RUNTIME, f"The run has taken {self.most:,} steps, which is the most that it may.")
            row = await self._step(path, name, steps[name], document, scope)
            told = {"output": row.output} | ({"error": row.error, "cause": row.cause} if row.status == "caught" else {})
            scope.steps[name] = told
            document, name = row.output, row.next
        return document

    async def _step(self, path: str, name: str, step: AnyStep, document: Any, scope: Scope) -> StepRow:
        """The row of a step that has ended well, or was caught. Raises `StepFailed`."""
        row = self._rows.get(path)
        if row is not None and row.status in ("done", "caught"):
            return row
        if row is not None and row.status == "failed":
            raise StepFailed(row.error or RUNTIME, row.cause or "")
        fresh = row is None
        if row is None:
            row = StepRow(path=path, name=name, kind=kind_of(step), status="running", attempts=[], answers={},
                          started_at=time.time())  # fmt: skip
            self._rows[path] = row
        step_run = StepRun(self, step, row, document, scope, fresh=fresh)
        try:
            await step_run.carry_out()
        except StepFailed as failure:
            row.error, row.cause = failure.error, failure.cause
            row.input = document if row.input is None else row.input
            await self.write(row, "failed")
            raise
        return row

    async def write(self, row: StepRow, status: StepStatus, **change: Any) -> None:
        for field, value in change.items():
            setattr(row, field, value)
        row.status = status
        if status in ("done", "caught", "failed"):
            row.finished_at, row.wake_at = time.time(), None
        await self.store.put_step(self.run, row, self._bytes)

    def measure(self, value: Any) -> Any:
        """`value` as JSON has it, which is not too large. Raises `StepFailed` and `RunEnded`."""
        try:
            text = encode(value)
        except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
            raise StepFailed(RUNTIME, f"What a step gives must be JSON: {error}") from None
        if (size := len(text)) > self.limits.data:
            raise StepFailed(DATA_LIMIT, f"{size:,} bytes are more than the {self.limits.data:,} that a step may give.")
        self._bytes += size
        if self._bytes > self.limits.total:
            raise RunEnded(DATA_LIMIT, f"The run keeps more than the {self.limits.total:,} bytes that it may.")
        return msgspec.json.decode(text)


async def stop(task: asyncio.Future[Any]) -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def kind_of(step: AnyStep) -> str:
    return type(step).__name__.lower()
