"""Requests that are asked a second time of a candidate whose answers nobody sees."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from time import monotonic

from guru.errors import GuruError
from guru.gateway.identity import Caller
from guru.gateway.releases.release import Live, Request
from guru.gateway.releases.store import ShadowAnswer
from guru.gateway.routing.retry import is_failure
from guru.store.ids import new_id
from guru.types import Completed, Delta, Event

Ask = Callable[[Request, Caller], AsyncIterator[Event]]
"""The road: a shadow takes it like any request, as a trace of its own."""

MOST_AT_ONCE = 8
"""Shadows in flight. Further requests are not mirrored: a slow candidate must not pile up."""
LONGEST = 300.0
MOST_TEXT = 20_000
ROUTE = "shadow"


class Shadows:
    """Runs mirrored requests beside the road. Nothing here waits for, delays or fails a caller."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._tasks: set[asyncio.Task[None]] = set()
        self.skipped = 0
        """Requests that were not mirrored because `MOST_AT_ONCE` were in flight."""
        self.answers: list[tuple[str, ShadowAnswer]] = []
        """(release id, answer) that are to be written down."""

    @property
    def in_flight(self) -> int:
        return len(self._tasks)

    def begin(self, live: Live, request: Request, caller: Caller) -> None:
        if len(self._tasks) >= MOST_AT_ONCE:
            self.skipped += 1
            return
        task = asyncio.create_task(self._run(live, request, caller))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, live: Live, request: Request, caller: Caller) -> None:
        trace_id = new_id("tr")
        mirrored = live.mirrored(request)
        # Nobody's limits, budget or account: the request's owner did not ask for it.
        shadow = Caller(
            tenant=caller.tenant, route=ROUTE, trace_id=trace_id, role="admin", cache="off",
            tags=("shadow", f"shadow-of:{caller.trace_id}"),
        )  # fmt: skip
        started, first, texts = monotonic(), None, []
        cost: float | None = 0.0
        error: Exception | None = None
        try:
            async with asyncio.timeout(LONGEST), aclosing(self._ask(mirrored, shadow)) as events:  # type: ignore[type-var]
                async for event in events:
                    if isinstance(event, Delta):
                        first = first or monotonic() - started
                        texts.append(event.text)
                    elif isinstance(event, Completed):
                        cost = event.cost
        except Exception as caught:
            error = caught
        failed = error is not None and bool(is_failure(error))
        if error is None or failed:
            live.count("candidate").add(failed=failed, seconds=first, dollars=cost)
        answer = ShadowAnswer(
            trace_id=caller.trace_id, shadow_trace_id=trace_id, at=time.time(),
            status="ok" if error is None else "error", error=shown(error), text="".join(texts)[:MOST_TEXT],
            duration=monotonic() - started, cost=cost or 0.0,
        )  # fmt: skip
        self.answers.append((live.release.id, answer))


def shown(error: Exception | None) -> str | None:
    if error is None:
        return None
    return error.message if isinstance(error, GuruError) else type(error).__name__
