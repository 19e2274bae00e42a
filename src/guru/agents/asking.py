"""Asking a person during a call of a run: the run waits with the question, its step is where the answer is given.

Where the call can be gone on from later, it ends, and so does the leg of the run: the answer can come days later, to
another process. Else the call is kept open here for a while; should this process die meanwhile, nobody knows what the
call has done, and the step is one that a process has left.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from guru.agents.checkpoints import Checkpoints
from guru.agents.limits import Limits
from guru.agents.live import News
from guru.agents.records import Asked, Decision
from guru.agents.tools.asking import MODES, Elicitation, Elicited, Suspended
from guru.types import JSON

ACTIONS: Final = {"yes": "accept", "no": "decline", "cancel": "cancel"}
"""What a decision is to MCP."""
MOST_OPEN: Final = 8
"""Calls that one process keeps open for answers: each holds one of the places where runs are worked on."""
MOST_QUESTIONS: Final = 10
"""Of one call that is kept open: a server that asks again and again is not answered."""


class Open:
    """How many calls are kept open by this process."""

    def __init__(self) -> None:
        self.count = 0


class RunPerson:
    """Implements `guru.agents.tools.asking.Person` for one call of a run."""

    modes = MODES

    def __init__(
        self, checkpoints: Checkpoints, number: int, part: int, *, limits: Limits, open: Open,
        watching: Callable[[], AbstractContextManager[News]],
    ) -> None:  # fmt: skip
        self._checkpoints = checkpoints
        self._place = (number, part)
        self._limits = limits
        self._open = open
        self._watching = watching
        self._one = asyncio.Lock()
        self._questions = 0
        self._away = False
        """Whether the person has not answered in time: they are not waited for once more."""
        self.asked = False
        """Whether there was a question. What a person has answered is not asked again because the call has failed."""

    async def ask(self, question: Elicitation, state: JSON | None) -> Elicited:
        self.asked = True
        async with self._one:
            if state is not None:
                await self._checkpoints.suspend(*self._place, Asked(question=question, state=state))
                raise Suspended
            self._questions += 1
            if self._open.count >= MOST_OPEN or self._questions > MOST_QUESTIONS or self._away:
                return Elicited(action="cancel")
            self._open.count += 1
            try:
                with self._limits.stopped():
                    return await self._held(question)
            finally:
                self._open.count -= 1

    async def _held(self, question: Elicitation) -> Elicited:
        """The answer while the call is open; `cancel` when it takes too long."""
        until = time.time() + question.seconds
        await self._checkpoints.hold(*self._place, Asked(question=question, until=until))
        said: Decision | None = None
        try:
            async with asyncio.timeout(question.seconds):
                await self._decided()
        except TimeoutError:
            self._away = True
        finally:
            # Also where the call has ended or the run is cancelled: nothing waits for an answer any more.
            said = await asyncio.shield(self._checkpoints.close(*self._place))
        return to_answer(said) if said is not None else Elicited(action="cancel")

    async def _decided(self) -> None:
        """Returns when the person has decided, wherever that was said."""
        with self._watching() as news:
            while not await self._checkpoints.decided(*self._place):
                async for _ in news.until_changed():
                    pass


def to_answer(said: Decision) -> Elicited:
    return Elicited(action=ACTIONS[said.say], content=said.content or {})  # type: ignore[arg-type]
