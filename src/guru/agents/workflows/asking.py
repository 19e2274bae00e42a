"""What a step asks people."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from guru.agents.workflows.definition import Human, Task
from guru.agents.workflows.errors import REJECTED, TIMEOUT, StepFailed
from guru.agents.workflows.expressions import written
from guru.agents.workflows.records import Ask, StepRow
from guru.agents.workflows.shaping import fill

if TYPE_CHECKING:
    from guru.agents.workflows.engine import Engine

SHOWN: Final = 2000
"""Characters of arguments that a person is shown with a question."""
INTERRUPTED: Final = "Interrupted"


class Asking:
    """Questions of one step. What was answered once is not asked again."""

    def __init__(self, engine: Engine, row: StepRow) -> None:
        self._engine = engine
        self._row = row

    async def _person(self, ask: Ask, until: float | None) -> dict[str, Any] | None:
        """What a person says; None when nobody has in time."""
        row = self._row
        if ask.id not in row.answers:
            if row.ask is None or row.ask.id != ask.id or row.status != "asked":
                await self._engine.write(row, "asked", ask=ask, wake_at=until)
            answers = await self._engine.pulse.answer(row.path, row.wake_at)
            if answers is None:
                return None
            row.answers = answers
        return row.answers[ask.id]

    async def answer(self, step: Human, roots: dict[str, Any]) -> dict[str, Any]:
        """What a person says to a step that is for people. Raises `StepFailed` when nobody does in time."""
        text, title = fill(step.text, roots), fill(step.title, roots)
        ask = Ask(id="human", title=written(title), text=written(text), decisions=step.decisions, form=step.form,
                  people=step.people)  # fmt: skip
        begun = time.time() if self._row.status == "again" else self._row.started_at
        until = None if step.timeout is None else begun + step.timeout
        answer = await self._person(ask, until)
        if answer is None:
            raise StepFailed(TIMEOUT, "Nobody has answered in time.")
        return answer

    async def approve(self, step: Task, effective: Any) -> None:
        """A tool that needs a person's yes gets it before its first call. Raises `StepFailed` for a no."""
        if not self._engine.work.spec(step.tool or "").approval:
            return
        ask = Ask(id="approval", title=f"May {step.tool} be called?", text=written(effective)[:SHOWN],
                  decisions=["approve", "reject"])  # fmt: skip
        answer = await self._person(ask, None)
        if answer is None or answer.get("decision") != "approve":
            raise StepFailed(REJECTED, f"The call of {step.tool} was not approved.")

    async def decide(self, step: Task) -> dict[str, Any] | None:
        """Of an attempt that a crash cut off: None to make it (again), else what a person says came of it."""
        if step.does != "tool" or self._engine.work.spec(step.tool or "").repeatable:
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
