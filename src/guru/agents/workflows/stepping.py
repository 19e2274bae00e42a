"""One step on its way: tried, tried again, caught; whatever its kind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Struct

from guru.agents.workflows.asking import Asking
from guru.agents.workflows.conditions import as_timestamp, holds, parse_condition
from guru.agents.workflows.definition import (
    AnyStep,
    Catch,
    Choice,
    Fail,
    Human,
    Map,
    Parallel,
    Pass,
    Task,
    Wait,
    Working,
)
from guru.agents.workflows.errors import (
    NO_CHOICE,
    PARAMETER_PATH,
    RUNTIME,
    RunEnded,
    StepFailed,
    failure_of,
    matches,
)
from guru.agents.workflows.expressions import written
from guru.agents.workflows.fanning import fan_out
from guru.agents.workflows.paths import BadPath, MissingPath
from guru.agents.workflows.performing import perform, text_of
from guru.agents.workflows.records import Attempt, Run, StepRow
from guru.agents.workflows.retrying import pause_of, rule_of
from guru.agents.workflows.runs import Superseded
from guru.agents.workflows.shaping import combined, fill, passed_on, placed, seen
from guru.agents.workflows.work import Place
from guru.errors import StoreError
from guru.types import JSON

if TYPE_CHECKING:
    from guru.agents.workflows.engine import Engine


class Scope(Struct, kw_only=True):
    """What templates see, besides the input of a step."""

    steps: dict[str, Any]
    item: dict[str, Any]
    """`item` and `index`, within a map."""


class StepRun:
    """One step, on its way."""

    def __init__(
        self, engine: Engine, step: AnyStep, row: StepRow, document: Any, scope: Scope, *, fresh: bool
    ) -> None:
        self._engine = engine
        self._step = step
        self._row = row
        self._document = document
        self._scope = scope
        self._fresh = fresh
        self._people = Asking(engine, row)
        run = engine.run
        self._roots: dict[str, Any] = {
            "input": run.input, "steps": scope.steps, **scope.item,
            "run": {"id": run.id, "workflow": run.workflow, "version": run.version},
            "$$": context_object(run, row, scope),
        }  # fmt: skip

    async def carry_out(self) -> None:
        step = self._step
        if isinstance(step, Fail):
            roots = {**self._roots, "$": self._document}
            raise StepFailed(written(fill(step.error, roots)), written(fill(step.cause, roots)))
        self._roots["$"] = seen(step, self._document, self._roots)
        if isinstance(step, Working):
            await self._working(step)
        elif isinstance(step, Choice):
            await self._done(passed_on(step, self._roots["$"], self._roots), self._choose(step))
        elif isinstance(step, Wait):
            await self._wait(step)
        elif isinstance(step, Pass):
            result = self._roots["$"]
            if step.parameters is not UNSET:
                result = fill(step.parameters, self._roots)
            if step.result is not UNSET:
                result = step.result
            await self._done(combined(step, self._document, result, self._roots), step.next)
        else:
            await self._done(passed_on(step, self._roots["$"], self._roots), None)

    async def _done(self, output: Any, following: str | None) -> None:
        self._row.output = self._engine.measure(output)
        if self._row.input is None:
            self._row.input = self._roots["$"]
        await self._engine.write(self._row, "done", next=following)

    def _choose(self, step: Choice) -> str:
        try:
            for rule in step.choices:
                if holds(parse_condition(rule), self._roots):
                    return str(rule["next"])
        except (MissingPath, BadPath) as error:
            raise StepFailed(RUNTIME, str(error)) from None
        if step.default is None:
            raise StepFailed(NO_CHOICE, "No rule holds, and there is no default.")
        return step.default

    async def _wait(self, step: Wait) -> None:
        row = self._row
        if row.wake_at is None:
            until = wake_time(step, self._roots)
            await self._engine.write(row, "waiting", wake_at=until, input=self._roots["$"])
        await self._engine.pulse.until(row.wake_at or 0.0)
        await self._done(passed_on(step, self._roots["$"], self._roots), step.next)

    # ------------------------------------------------------------------ steps with a result

    async def _working(self, step: Working) -> None:
        """Try until it is done, caught, or has failed for good."""
        row, engine = self._row, self._engine
        if self._fresh:
            effective = self._roots["$"] if step.parameters is UNSET else fill(step.parameters, self._roots)
            row.input = engine.measure(effective)
        else:
            effective = row.input
        if row.status == "retrying":
            await engine.pulse.until(row.wake_at or 0.0)
        while True:
            try:
                result = await self._attempt(step, effective)
                output = engine.measure(combined(step, self._document, result, self._roots))
            except StepFailed as failure:
                if not await self._recovers(step, failure):
                    await self._caught(step, failure)
                    return
            else:
                if row.attempts:
                    row.attempts[-1].finished_at = time.time()
                await engine.write(row, "done", output=output, next=step.next)
                return

    async def _recovers(self, step: Working, failure: StepFailed) -> bool:
        """Whether it is tried again; waits until it is time to."""
        row = self._row
        if row.attempts:
            last = row.attempts[-1]
            last.finished_at, last.error, last.cause = time.time(), failure.error, failure.cause
        number = rule_of(step.retry, failure.error)
        if number is None or not row.attempts:
            return False
        rule = step.retry[number]
        used = sum(attempt.rule == number for attempt in row.attempts)
        if used >= rule.attempts:
            return False
        row.attempts[-1].rule = number
        until = time.time() + pause_of(rule, used)
        await self._engine.write(row, "retrying", wake_at=until)
        await self._engine.pulse.until(until)
        return True

    async def _caught(self, step: Working, failure: StepFailed) -> None:
        """Go on where a `catch` says. Raises the failure where none does."""
        catch: Catch | None = next((rule for rule in step.catch if matches(rule.errors, failure.error)), None)
        if catch is None:
            raise failure
        error = {"Error": failure.error, "Cause": failure.cause}
        output = self._engine.measure(placed(catch.result_path, self._document, error))
        change = {"output": output, "next": catch.next, "error": failure.error, "cause": failure.cause}
        await self._engine.write(self._row, "caught", **change)

    async def _attempt(self, step: Working, effective: Any) -> Any:
        """One try. Raises `StepFailed`."""
        row = self._row
        if isinstance(step, Human):
            return await self._people.answer(step, self._roots)
        if isinstance(step, Task) and step.does == "tool":
            await self._people.approve(step, effective)
        if row.unsure and isinstance(step, Task) and (decided := await self._people.decide(step)) is not None:
            return decided.get("output")
        if row.attempts and row.status == "again" and not isinstance(step, Task):
            row.attempts[-1] = Attempt(started_at=time.time())  # what was done within it stays done
        elif not row.unsure:
            row.attempts.append(Attempt(started_at=time.time()))
            row.agent_run = None
        elif row.status == "again":
            row.attempts[-1].started_at = time.time()
        number = len(row.attempts)
        try:
            if row.status == "again" and row.agent_run is not None:
                await self._engine.work.take_up(row.agent_run)
            await self._engine.write(row, "running", wake_at=None)
            if not isinstance(step, Task):
                return await self._fan(step, effective, number)
            place = Place(self._engine.run.id, f"{self._engine.run.id}:{row.path}:{number}")
            roots = {**self._roots, "$": effective}
            if step.does == "agent":
                return await self._agent(step, text_of(step.prompt, roots), place)
            async with self._engine.hands, asyncio.timeout(step.timeout):
                return await perform(step, effective, roots, self._engine.work, place)
        except (StepFailed, RunEnded, Superseded, StoreError):
            raise
        except Exception as error:
            raise failure_of(error) from error

    async def _fan(self, step: Working, effective: Any, number: int) -> list[Any]:
        prefix = f"{self._row.path}~{number}/" if number > 1 else f"{self._row.path}/"
        works: list[Callable[[], Awaitable[Any]]]
        if isinstance(step, Map):
            works = self._items(step, effective, prefix)
            tolerated = max(step.tolerated, int(len(works) * step.tolerated_percent / 100))
        else:
            assert isinstance(step, Parallel)
            works = [
                self._inner(branch.steps, branch.start, effective, f"{prefix}{number}/", {})
                for number, branch in enumerate(step.branches)
            ]
            tolerated = step.tolerated
        limit = min(step.concurrency or self._engine.limits.concurrency, self._engine.limits.concurrency)
        try:
            found = await fan_out(works, limit, tolerated, self._engine.pulse)
        except StepFailed:
            await self._engine.store.close_steps(self._engine.run, prefix)
            raise
        return [{"Error": one.error, "Cause": one.cause} if isinstance(one, StepFailed) else one for one in found]

    def _items(self, step: Map, effective: Any, prefix: str) -> list[Callable[[], Awaitable[Any]]]:
        items = fill(step.items, {**self._roots, "$": effective})
        if not isinstance(items, list):
            raise StepFailed(PARAMETER_PATH, f"`items` gives no list, but {type(items).__name__}.")
        if len(items) > self._engine.most:
            raise RunEnded(RUNTIME, f"{len(items):,} items are more than the {self._engine.most:,} steps of a run.")
        works = []
        for index, item in enumerate(items):
            given = {"item": item, "index": index}
            mapped = {"Item": {"Index": index, "Value": item}}
            roots = {**self._roots, **given, "$": effective, "$$": {**self._roots["$$"], "Map": mapped}}
            document = item if step.item is UNSET else fill(step.item, roots)
            works.append(self._inner(step.steps, step.start, document, f"{prefix}{index}/", given))
        return works

    def _inner(
        self, steps: dict[str, AnyStep], start: str, document: Any, prefix: str, item: dict[str, Any]
    ) -> Callable[[], Awaitable[Any]]:
        def begin() -> Awaitable[Any]:
            scope = Scope(steps=dict(self._scope.steps), item={**self._scope.item, **item})
            return self._engine.block(steps, start, document, scope, prefix)

        return begin

    async def _agent(self, step: Task, prompt: str, place: Place) -> JSON:
        """What an agent comes to. One that the step gives up on is ended."""
        row, engine = self._row, self._engine
        until = None if step.timeout is None else row.attempts[-1].started_at + step.timeout
        try:
            while True:
                async with engine.hands:
                    if row.agent_run is None:
                        note = engine.store.note_agent(engine.run, row.path)
                        row.agent_run = await engine.work.begin(step.agent or "", prompt, place, note)
                    async with asyncio.timeout(None if until is None else until - time.time()):
                        result = await engine.work.follow(row.agent_run)
                if result is not None:
                    return result
                await engine.write(row, "parked", wake_at=until)
                if await engine.pulse.answer(row.path, until) is None:
                    raise TimeoutError
        except (StoreError, Superseded):
            raise
        except Exception:
            await engine.store.end_agent(engine.run, row.path)
            raise


def wake_time(step: Wait, roots: dict[str, Any]) -> float:
    """When a wait is over."""
    if step.until is not None:
        if (until := as_timestamp(fill(step.until, roots))) is None:
            raise StepFailed(RUNTIME, "`until` gives no time such as 2027-03-01T09:00:00Z.")
        return until.timestamp()
    seconds = fill(step.seconds, roots)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 3.2e7:
        raise StepFailed(RUNTIME, "`seconds` gives no number between 0 and a year.")
    return time.time() + seconds


def context_object(run: Run, row: StepRow, scope: Scope) -> dict[str, Any]:
    """What `$$` is, as in Amazon States Language, "Context Object"."""
    found: dict[str, Any] = {
        "Execution": {"Id": run.id, "Name": run.id, "Input": run.input, "StartTime": stamp(run.started_at or 0.0)},
        "State": {"Name": row.name, "EnteredTime": stamp(row.started_at),
                  "RetryCount": sum(attempt.error is not None for attempt in row.attempts)},
        "StateMachine": {"Id": f"{run.workflow}:{run.version}", "Name": run.workflow},
    }  # fmt: skip
    if scope.item:
        found["Map"] = {"Item": {"Index": scope.item["index"], "Value": scope.item["item"]}}
    return found


def stamp(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).isoformat().replace("+00:00", "Z")
