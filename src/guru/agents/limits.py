"""What a run may use: steps, time, money, and the same call again."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from guru.agents.agent import Agent
from guru.agents.steps import Part, Reply, Result, ToolCall
from guru.errors import GuruError


class LimitReached(GuruError):
    """A run has used all that it may. It can be resumed with more."""

    status = 429
    type = "rate_limit_error"
    code = "run_limit_reached"


class Limits:
    """Counts what a run uses, and says when it is enough."""

    def __init__(self, agent: Agent, *, seconds: float = 0.0) -> None:
        """`seconds` that the run has worked before, in other processes."""
        self._agent = agent
        self._before = seconds
        self._began = time.monotonic()
        self._stopped: list[float] = []
        """When each wait for a person began that is not over."""
        self._calls: Counter[tuple[str, str]] = Counter()
        self.tokens = 0
        self.cost = 0.0

    @property
    def seconds(self) -> float:
        """Of work, all in all."""
        now = self._stopped[0] if self._stopped else time.monotonic()
        return self._before + now - self._began

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """While a person is waited for, no time of work passes."""
        self._stopped.append(time.monotonic())
        try:
            yield
        finally:
            if len(self._stopped) == 1:
                self._began += time.monotonic() - self._stopped[0]
                self._stopped.clear()
            else:
                self._stopped.pop()

    @property
    def left(self) -> float:
        """Seconds that the run may still work."""
        return max(0.0, self._agent.max_seconds - self.seconds)

    def check(self, number: int) -> None:
        """Before step `number`. Raises `LimitReached`."""
        agent = self._agent
        if number > agent.max_steps:
            raise reached(f"{agent.max_steps:,} steps", "max_steps")
        if not self.left:
            raise reached(f"{agent.max_seconds:g} seconds", "max_seconds")
        if agent.max_usd is not None and self.cost > agent.max_usd:
            raise reached(f"{agent.max_usd:g} US dollars", "max_usd")

    def count(self, parts: Sequence[Part], results: Sequence[Result]) -> None:
        """What a step has used. Raises `LimitReached` for a call that was made far too often."""
        for result in results:
            if isinstance(result, Reply):
                self.tokens += result.tokens
                self.cost += result.cost or 0.0
        for part in parts:
            if isinstance(part, ToolCall):
                self._calls[same(part)] += 1
                if self._calls[same(part)] > 2 * self._agent.max_repeats:
                    raise reached(f"{2 * self._agent.max_repeats} equal calls of {part.name}", "max_repeats")

    def repeated(self, call: ToolCall) -> bool:
        """Whether the same call was made so often that the model is told so instead."""
        return self._calls[same(call)] >= self._agent.max_repeats


def same(call: ToolCall) -> tuple[str, str]:
    """What two equal calls have in common, however their arguments are written."""
    try:
        arguments = json.dumps(json.loads(call.arguments or "{}"), sort_keys=True)
    except (ValueError, RecursionError):
        arguments = call.arguments
    return call.name, arguments


def reached(what: str, setting: str) -> LimitReached:
    return LimitReached(
        f"The run has reached its limit of {what}.", param=setting,
        hint=f"Give it more, and go on: guru agent resume RUN --set {setting}=...",
    )  # fmt: skip
