"""Carries a run out. It goes through the definition from the beginning each time: a step that is done gives what is
kept of it, the first that is not is done. So a crash costs nothing but the step that it hit.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct

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
    Workflow,
    Working,
    from_plain,
)
from guru.agents.workflows.errors import (
    DATA_LIMIT,
    NO_CHOICE,
    PARAMETER_PATH,
    REJECTED,
    RUNTIME,
    TIMEOUT,
    StepFailed,
    failure_of,
    matches,
)
from guru.agents.workflows.expressions import written
from guru.agents.workflows.fanning import fan_out
from guru.agents.workflows.paths import BadPath, MissingPath
from guru.agents.workflows.performing import perform, text_of
from guru.agents.workflows.pulse import Pulse
from guru.agents.workflows.records import Ask, Attempt, Run, StepRow, StepStatus
from guru.agents.workflows.retrying import pause_of, rule_of
from guru.agents.workflows.runs import RunStore, Superseded
from guru.agents.workflows.shaping import combined, fill, passed_on, placed, seen
from guru.agents.workflows.work import Place, Work
from guru.errors import StoreError
from guru.types import JSON

LOOK_EVERY: Final = 0.5
"""Seconds between two looks for answers, while other branches work."""
SHOWN: Final = 2000
"""Characters of arguments that a person is shown with a question."""
INTERRUPTED: Final = "Interrupted"
encode = msgspec.json.Encoder().encode


class RunEnded(Exception):
    """The run as a whole has failed: no step catches that."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(cause)
        self.error = error
        self.cause = cause


class Limits(Struct, kw_only=True):
    """What a run may take."""

    steps: int = 10_000
    data: int = 1 << 20
    """Bytes of what one step gives."""
    total: int = 64 << 20
    """Bytes of all that a run keeps."""
    concurrency: int = 16
    """Items or branches of one step at a time, and tasks of the whole run."""


class Scope(Struct, kw_only=True):
    """What templates see, besides the input of a step."""

    steps: dict[str, Any]
    item: dict[str, Any]
    """`item` and `index`, within a map."""


class Engine:
    """One carrying out of one run."""

    def __init__(self, run: Run, rows: Sequence[StepRow], store: RunStore, work: Work, limits: Limits) -> None:
        self._run = run
        self._workflow: Workflow = from_plain(run.definition)
        self._rows = {row.path: row for row in rows}
        self._store = store
        self._work = work
        self._limits = limits
        self._steps = 0
        self._most = min(self._workflow.max_steps or limits.steps, limits.steps)
        self._bytes = run.bytes
        self._pulse = Pulse()
        self._hands = asyncio.Semaphore(limits.concurrency)

    async def carry_out(self) -> None:
        """To its end, or until all of it waits. Raises `Superseded` when somebody else has the run."""
        whole = asyncio.ensure_future(self._whole())
        listener = asyncio.ensure_future(self._listen())
        remaining = None if self._run.deadline_at is None else max(0.0, self._run.deadline_at - time.time())
        try:
            await asyncio.wait((whole, self._pulse.still), timeout=remaining, return_when=asyncio.FIRST_COMPLETED)
            if whole.done():
                await self._end(whole)
            elif self._pulse.still.done():
                await stop(whole)
                times = [when for when in (self._pulse.still.result(), self._run.deadline_at) if when is not None]
                await self._store.suspend(self._run, min(times, default=None))
            else:
                await stop(whole)
                cause = "The run took longer than its deadline allows."
                await self._store.finish(self._run, "failed", error=TIMEOUT, cause=cause)
        finally:
            await stop(whole)
            await stop(listener)

    async def _whole(self) -> Any:
        if self._run.deadline_at is not None and self._run.deadline_at <= time.time():
            raise RunEnded(TIMEOUT, "The run took longer than its deadline allows.")
        scope = Scope(steps={}, item={})
        return await self._block(self._workflow.steps, self._workflow.start, self._run.input, scope, "")

    async def _end(self, whole: asyncio.Future[Any]) -> None:
        try:
            output = whole.result()
        except (StepFailed, RunEnded) as failure:
            await self._store.finish(self._run, "failed", error=failure.error, cause=failure.cause)
        else:
            await self._store.finish(self._run, "done", output=output)

    async def _listen(self) -> None:
        """Hand answers to the steps that wait for them, while others work."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if paths := self._pulse.asked:
                for path, answers in (await self._store.answered(self._run, paths)).items():
                    self._pulse.give(path, answers)

    # ------------------------------------------------------------------ blocks and steps

    async def _block(self, steps: dict[str, AnyStep], start: str, document: Any, scope: Scope, prefix: str) -> Any:
        """From `start` to an end; what the last step gives."""
        visits: Counter[str] = Counter()
        name: str | None = start
        while name is not None:
            visits[name] += 1
            path = f"{prefix}{name}" + (f"#{visits[name]}" if visits[name] > 1 else "")
            self._steps += 1
            if self._steps > self._most:
                raise RunEnded(RUNTIME, f"The run has taken {self._most:,} steps, which is the most that it may.")
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
            await self._write(row, "failed")
            raise
        return row

    async def _write(self, row: StepRow, status: StepStatus, **change: Any) -> None:
        for field, value in change.items():
            setattr(row, field, value)
        row.status = status
        if status in ("done", "caught", "failed"):
            row.finished_at, row.wake_at = time.time(), None
        await self._store.put_step(self._run, row, self._bytes)

    def _measure(self, value: Any) -> Any:
        """`value` as JSON has it, which is not too large. Raises `StepFailed` and `RunEnded`."""
        try:
            text = encode(value)
        except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
            raise StepFailed(RUNTIME, f"What a step gives must be JSON: {error}") from None
        if (size := len(text)) > self._limits.data:
            raise StepFailed(
                DATA_LIMIT, f"{size:,} bytes are more than the {self._limits.data:,} that a step may give."
            )
        self._bytes += size
        if self._bytes > self._limits.total:
            raise RunEnded(DATA_LIMIT, f"The run keeps more than the {self._limits.total:,} bytes that it may.")
        return msgspec.json.decode(text)


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
        run = engine._run
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
        self._row.output = self._engine._measure(output)
        if self._row.input is None:
            self._row.input = self._roots["$"]
        await self._engine._write(self._row, "done", next=following)

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
            await self._engine._write(row, "waiting", wake_at=until, input=self._roots["$"])
        await self._engine._pulse.until(row.wake_at or 0.0)
        await self._done(passed_on(step, self._roots["$"], self._roots), step.next)

    # ------------------------------------------------------------------ steps with a result

    async def _working(self, step: Working) -> None:
        """Try until it is done, caught, or has failed for good."""
        row, engine = self._row, self._engine
        if self._fresh:
            effective = self._roots["$"] if step.parameters is UNSET else fill(step.parameters, self._roots)
            row.input = engine._measure(effective)
        else:
            effective = row.input
        if row.status == "retrying":
            await engine._pulse.until(row.wake_at or 0.0)
        while True:
            try:
                result = await self._attempt(step, effective)
                output = engine._measure(combined(step, self._document, result, self._roots))
            except StepFailed as failure:
                if not await self._recovers(step, failure):
                    await self._caught(step, failure)
                    return
            else:
                if row.attempts:
                    row.attempts[-1].finished_at = time.time()
                await engine._write(row, "done", output=output, next=step.next)
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
        await self._engine._write(row, "retrying", wake_at=until)
        await self._engine._pulse.until(until)
        return True

    async def _caught(self, step: Working, failure: StepFailed) -> None:
        """Go on where a `catch` says. Raises the failure where none does."""
        catch: Catch | None = next((rule for rule in step.catch if matches(rule.errors, failure.error)), None)
        if catch is None:
            raise failure
        error = {"Error": failure.error, "Cause": failure.cause}
        output = self._engine._measure(placed(catch.result_path, self._document, error))
        change = {"output": output, "next": catch.next, "error": failure.error, "cause": failure.cause}
        await self._engine._write(self._row, "caught", **change)

    async def _attempt(self, step: Working, effective: Any) -> Any:
        """One try. Raises `StepFailed`."""
        row = self._row
        if isinstance(step, Human):
            return await self._ask_person(step)
        if isinstance(step, Task) and step.does == "tool":
            await self._approved(step, effective)
        if row.unsure and isinstance(step, Task) and (decided := await self._decided(step)) is not None:
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
                await self._engine._work.take_up(row.agent_run)
            await self._engine._write(row, "running", wake_at=None)
            if not isinstance(step, Task):
                return await self._fan(step, effective, number)
            place = Place(self._engine._run.id, f"{self._engine._run.id}:{row.path}:{number}")
            roots = {**self._roots, "$": effective}
            if step.does == "agent":
                return await self._agent(step, text_of(step.prompt, roots), place)
            async with self._engine._hands, asyncio.timeout(step.timeout):
                return await perform(step, effective, roots, self._engine._work, place)
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
        limit = min(step.concurrency or self._engine._limits.concurrency, self._engine._limits.concurrency)
        try:
            found = await fan_out(works, limit, tolerated, self._engine._pulse)
        except StepFailed:
            await self._engine._store.close_steps(self._engine._run, prefix)
            raise
        return [{"Error": one.error, "Cause": one.cause} if isinstance(one, StepFailed) else one for one in found]

    def _items(self, step: Map, effective: Any, prefix: str) -> list[Callable[[], Awaitable[Any]]]:
        items = fill(step.items, {**self._roots, "$": effective})
        if not isinstance(items, list):
            raise StepFailed(PARAMETER_PATH, f"`items` gives no list, but {type(items).__name__}.")
        if len(items) > self._engine._most:
            raise RunEnded(RUNTIME, f"{len(items):,} items are more than the {self._engine._most:,} steps of a run.")
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
            return self._engine._block(steps, start, document, scope, prefix)

        return begin

    async def _agent(self, step: Task, prompt: str, place: Place) -> JSON:
        """What an agent comes to. One that the step gives up on is ended."""
        row, engine = self._row, self._engine
        until = None if step.timeout is None else row.attempts[-1].started_at + step.timeout
        try:
            while True:
                async with engine._hands:
                    if row.agent_run is None:
                        note = engine._store.note_agent(engine._run, row.path)
                        row.agent_run = await engine._work.begin(step.agent or "", prompt, place, note)
                    async with asyncio.timeout(None if until is None else until - time.time()):
                        result = await engine._work.follow(row.agent_run)
                if result is not None:
                    return result
                await engine._write(row, "parked", wake_at=until)
                if await engine._pulse.answer(row.path, until) is None:
                    raise TimeoutError
        except (StoreError, Superseded):
            raise
        except Exception:
            await engine._store.end_agent(engine._run, row.path)
            raise

    # ------------------------------------------------------------------ people

    async def _person(self, ask: Ask, until: float | None) -> dict[str, Any] | None:
        """What a person says; None when nobody has in time."""
        row = self._row
        if ask.id not in row.answers:
            if row.ask is None or row.ask.id != ask.id or row.status != "asked":
                await self._engine._write(row, "asked", ask=ask, wake_at=until)
            answers = await self._engine._pulse.answer(row.path, row.wake_at)
            if answers is None:
                return None
            row.answers = answers
        return row.answers[ask.id]

    async def _ask_person(self, step: Human) -> dict[str, Any]:
        text, title = fill(step.text, self._roots), fill(step.title, self._roots)
        ask = Ask(id="human", title=written(title), text=written(text), decisions=step.decisions, form=step.form,
                  people=step.people)  # fmt: skip
        begun = time.time() if self._row.status == "again" else self._row.started_at
        until = None if step.timeout is None else begun + step.timeout
        answer = await self._person(ask, until)
        if answer is None:
            raise StepFailed(TIMEOUT, "Nobody has answered in time.")
        return answer

    async def _approved(self, step: Task, effective: Any) -> None:
        """A tool that needs a person's yes gets it before its first call."""
        if not self._engine._work.spec(step.tool or "").approval:
            return
        ask = Ask(id="approval", title=f"May {step.tool} be called?", text=written(effective)[:SHOWN],
                  decisions=["approve", "reject"])  # fmt: skip
        answer = await self._person(ask, None)
        if answer is None or answer.get("decision") != "approve":
            raise StepFailed(REJECTED, f"The call of {step.tool} was not approved.")

    async def _decided(self, step: Task) -> dict[str, Any] | None:
        """Of an attempt that a crash cut off: None to make it (again), else what a person says came of it."""
        if step.does != "tool" or self._engine._work.spec(step.tool or "").repeatable:
            return None
        number = len(self._row.attempts)
        text = (
            f"The server stopped while {step.tool} was called with {written(self._row.input)[:SHOWN]}. It may have "
            "done its work. Look whether it has: say `done` (with the output that it gave, if a step needs it), "
            "`again` to call it once more, or `failed`."
        )
        ask = Ask(id=f"unsure:{number}", title=f"Has {step.tool} done its work?", text=text,
                  decisions=["done", "again", "failed"])  # fmt: skip
        answer = await self._person(ask, None)
        decision = (answer or {}).get("decision")
        if decision == "failed":
            raise StepFailed(REJECTED, f"The call of {step.tool} had failed, a person says.")
        if decision == "done":
            return answer
        last = self._row.attempts[-1]
        last.finished_at, last.error = time.time(), INTERRUPTED
        return None


# --------------------------------------------------------------------------- small things


async def stop(task: asyncio.Future[Any]) -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def kind_of(step: AnyStep) -> str:
    return type(step).__name__.lower()


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
