"""One call of one deployment: counted in and out exactly once, watched, and begun before anybody is shown anything."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from typing import Literal

from msgspec import Struct

from guru.errors import ModelNotFound, StreamCut
from guru.gateway.routing.deadline import Watch
from guru.gateway.routing.plan import Target
from guru.gateway.routing.retry import is_failure
from guru.types import Completed, Delta, Event, Started

log = logging.getLogger(__name__)

NOTHING = Delta()


class Outcome(Struct, kw_only=True):
    """How an attempt went, for releases and metrics. Times are seconds."""

    alias: str
    model: str
    label: str | None
    status: Literal["ok", "error", "cancelled"]
    error: BaseException | None = None
    failed: bool = False
    """Whether the error speaks against the deployment; a bad request does not."""
    first: bool = True
    """Whether it was the first attempt of its request in this alias: what the variant did by itself."""
    instead_of: str | None = None
    """The label that a release had chosen, where its deployments are out after failures or pauses."""
    first_token: float | None = None
    duration: float = 0.0
    cost: float | None = 0.0
    trace_id: str = ""


class Attempt:
    """`begin` until the first token, `next` for the rest, `close` in every case."""

    __slots__ = (
        "_entered", "_events", "_next", "_observe", "_outcome", "_started", "_ticket", "_watch", "_whole", "completed",
        "model", "target",
    )  # fmt: skip

    def __init__(
        self,
        target: Target,
        ticket: int,
        events: AsyncIterator[Event] | None,
        *,
        whole: Callable[[], Awaitable[list[Event]]] | None = None,
        watch: Watch,
        outcome: Outcome,
        observe: Callable[[Outcome], None] | None,
    ) -> None:
        """Either `events` or `whole`, which gives them all at once: then `begin` gives them all."""
        self.target = target
        self.model = target.model
        """What the answer says it comes from."""
        self.completed = False
        self._ticket = ticket
        self._entered = True
        self._events = events
        self._next = events.__anext__ if events is not None else None
        self._whole = whole
        self._watch = watch
        self._outcome = outcome
        self._observe = observe
        self._started = monotonic()

    async def begin(self) -> list[Event]:
        """What comes until there is something to show. Raises what the model raises, `ModelTimeout`, `StreamCut`."""
        held: list[Event] = []
        if self._whole is not None:
            return await self._all(self._whole)
        while True:
            event = await self.next()
            if event is None:
                raise cut(self.target.model)
            if type(event) is Started:
                self.model = event.model
                continue
            held.append(event)
            if type(event) is not Delta or event != NOTHING:
                break
        self._began()
        return held

    def _began(self) -> None:
        self._watch.began()
        self._outcome.first_token = seconds = monotonic() - self._started
        self.target.health.began(seconds)

    async def _all(self, whole: Callable[[], Awaitable[list[Event]]]) -> list[Event]:
        """Everything, once it is complete."""
        watch = self._watch
        watch.wait()
        try:
            events = await whole()
        except BaseException as error:
            watch.done()
            if (timeout := watch.expired()) is not None:
                raise timeout from error
            raise
        watch.done()
        if watch.fired and (timeout := watch.expired()) is not None:
            raise timeout
        last = events[-1] if events else None
        if type(last) is not Completed:
            raise cut(self.target.model)
        self.completed = True
        self._outcome.cost = last.cost
        self._began()
        return events

    async def next(self) -> Event | None:
        """The next event; None after `Completed`. Raises as `begin` does; a stream that just ends was cut."""
        if self._next is None:
            return None  # `begin` gave everything
        watch = self._watch
        watch.wait()
        try:
            event = await self._next()
        except StopAsyncIteration:
            watch.done()
            if self.completed:
                return None
            raise cut(self.target.model) from None
        except BaseException as error:
            watch.done()
            timeout = watch.expired()
            if self.completed and (timeout is not None or isinstance(error, Exception)):
                log.warning("%s failed after its answer was complete: %r", self.target.model, timeout or error)
                return None
            if timeout is not None:
                raise timeout from error
            raise
        watch.done()
        if watch.fired and (timeout := watch.expired()) is not None:
            raise timeout
        if type(event) is Completed:
            self.completed = True
            self._outcome.cost = event.cost
        return event

    @property
    def waited(self) -> float:
        """Seconds since it began."""
        return monotonic() - self._started

    async def close(self, error: BaseException | None = None) -> None:
        """Stop the upstream, and count the attempt out: as failed with `error`, as done, or as cancelled."""
        if not self._entered:
            return
        self._entered = False
        self._watch.stop()
        try:
            aclose = getattr(self._events, "aclose", None)
            if aclose is not None:
                await aclose()
        finally:
            self._count(error)

    def _count(self, error: BaseException | None) -> None:
        outcome = self._outcome
        failed: bool | None
        if isinstance(error, Exception):
            failed = None if self.target.plain and isinstance(error, ModelNotFound) else is_failure(error)
            outcome.status, outcome.error, outcome.failed = "error", error, bool(failed)
        elif self.completed and error is None:
            failed = False
        else:
            failed = None
            outcome.status = "cancelled"
        self.target.health.leave(self._ticket, error, failed=failed)
        if self._observe is not None:
            outcome.duration = self.waited
            self._observe(outcome)


class Pumped:
    """An iterator that is run by a task of its own, so that different tasks may wait for it one after the other.

    Generators may hold what belongs to the task that entered it (`asyncio.timeout`, cancel scopes).
    """

    def __init__(self, events: AsyncIterator[Event]) -> None:
        self._queue: asyncio.Queue[Event | BaseException | None] = asyncio.Queue(8)
        self._task = asyncio.create_task(self._run(events))

    def __aiter__(self) -> Pumped:
        return self

    async def __anext__(self) -> Event:
        item = await self._queue.get()
        if item is None:
            raise StopAsyncIteration
        if isinstance(item, BaseException):
            raise item
        return item

    async def aclose(self) -> None:
        self._task.cancel()
        await asyncio.wait((self._task,))

    async def _run(self, events: AsyncIterator[Event]) -> None:
        try:
            async for event in events:
                await self._queue.put(event)
        except Exception as error:
            await self._queue.put(error)
        else:
            await self._queue.put(None)
        finally:
            aclose = getattr(events, "aclose", None)
            if aclose is not None:
                await aclose()


def cut(model: str) -> StreamCut:
    return StreamCut(f"The answer of {model} ended before it was complete.", hint="Try again.")
