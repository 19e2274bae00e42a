"""From a request to an attempt that has begun to answer: deployment after deployment, alias after alias."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from guru.config import Deployment
from guru.errors import ContextTooLong, GuruError
from guru.gateway.identity import Caller
from guru.gateway.routing.attempt import Attempt, Outcome, Pumped
from guru.gateway.routing.deadline import Watch
from guru.gateway.routing.hedge import Lost, race
from guru.gateway.routing.plan import Asked, Group, Target, Turns
from guru.gateway.routing.retry import Failures, Verdict, judge
from guru.gateway.whole import whole_of
from guru.protocols import ChatModel
from guru.types import Event

if TYPE_CHECKING:
    from guru.gateway.routing.router import Router

log = logging.getLogger(__name__)

Wrap = Callable[[ChatModel, Deployment], ChatModel]
"""Wraps the model of each attempt, to trace it."""
Ask = Callable[[ChatModel], AsyncIterator[Event]]


class Journey:
    """One request's way through the deployments."""

    def __init__(
        self, router: Router, group: Group, asked: Asked, caller: Caller, *, wrap: Wrap, ask: Ask, whole: bool = False
    ) -> None:
        """`whole`: the answer is wanted as one piece, from models that give it so."""
        self.failures = Failures(group.name)
        self.ends = monotonic() + group.settings.timeout
        self._router = router
        self._group = group
        self._asked = asked
        self._caller = caller
        self._wrap = wrap
        self._ask = ask
        self._whole = whole
        self._fallbacks: Iterator[Group] | None = None
        self._turns: Turns | None = None
        self._first = True
        self._wanted: Target | None = None
        self._larger_than = 0

    async def begin(self) -> tuple[Attempt, list[Event]] | None:
        """An attempt that has begun, and its first events; None when nobody is left to ask (see `failures`).

        Raises what is the caller's to mend.
        """
        while (turn := await self._turn()) is not None:
            attempt = self._start(*turn)
            hedge_after = self._group.settings.hedge_after
            try:
                if hedge_after is None:
                    return attempt, await attempt.begin()
                return await race(attempt, self._second, hedge_after, self._lost)
            except Lost as lost:
                await lost.attempt.close(lost.error)
                self.failed(lost.attempt.target, lost.error)
            except Exception as error:
                await attempt.close(error)
                self.failed(attempt.target, error)
            except BaseException:
                await attempt.close()
                raise
        return None

    def cut(self, attempt: Attempt, error: Exception) -> bool:
        """Note that an attempt failed after it had begun; whether another could be asked for the same."""
        verdict = judge(error)
        self._lost(attempt, error)
        return verdict in (Verdict.AGAIN, Verdict.ELSEWHERE)

    async def _turn(self) -> tuple[Target, int] | None:
        """The next deployment, and its breaker's ticket."""
        while self.failures.last is None or monotonic() < self.ends:
            if self._turns is not None:
                turn = await self._turns.next(self.ends, self._larger_than)
                if turn is not None:
                    return turn
            if self._turns is not None and not self._fall_back():
                return None
            group = self._group
            order = await self._router.order(group, self._asked, self._caller)
            self._wanted = order[0] if order else None
            self._turns = Turns(
                group, order, self.failures, fallback=self._router.has_fallback(self._group),
                random=self._router.random, sleep=self._router.sleep,
            )  # fmt: skip
        return None

    def _fall_back(self) -> bool:
        """Go on with the next alias, if there is one."""
        if self._fallbacks is None:
            self._fallbacks = self._router.fallbacks(self._group)
        group = next(self._fallbacks, None)
        if group is None:
            return False
        log.info("falling back from %s to %s", self._group.name, group.name)
        self._group = group
        self._first = True
        return True

    def _start(self, target: Target, ticket: int, *, hedge: bool = False) -> Attempt:
        settings, deployment = self._group.settings, target.deployment
        total = settings.timeout
        ends = self.ends
        if deployment.timeout is not None and monotonic() + deployment.timeout < ends:
            total, ends = deployment.timeout, monotonic() + deployment.timeout
        watch = Watch(
            target.model, self._router.alarm, ends=ends, total=total,
            first_token=settings.first_token_timeout, idle=settings.idle_timeout,
        )  # fmt: skip
        outcome = Outcome(
            alias=self._group.name, model=target.model, label=target.label, status="ok", first=self._first,
            trace_id=self._caller.trace_id,
        )  # fmt: skip
        wanted = self._wanted
        if self._first and wanted is not None and wanted.label != target.label and not wanted.busy:
            outcome.instead_of = wanted.label
        self._first = False
        events: AsyncIterator[Event] | None = None
        whole: Callable[[], Awaitable[list[Event]]] | None = None
        try:
            model = self._wrap(self._router.models.chat_model(target.model), deployment)
            if self._whole and (at_once := whole_of(model)) is not None:
                whole = partial(at_once, self._asked.request)
            else:
                events = self._ask(model)
        except Exception as error:
            events = Failing(error)
        if events is not None and (hedge or settings.hedge_after is not None):
            events = Pumped(events)
        observe = self._router.observe
        return Attempt(target, ticket, events, whole=whole, watch=watch, outcome=outcome, observe=observe)

    def _second(self) -> Attempt | None:
        """Another deployment, for a hedged request."""
        turn = self._turns.first(self._larger_than) if self._turns is not None else None
        return self._start(*turn, hedge=True) if turn is not None else None

    def _lost(self, attempt: Attempt, error: BaseException) -> None:
        self.failures.add(attempt.target.model, error)
        if judge(error) is Verdict.AGAIN and self._turns is not None:
            self._turns.once_more(attempt.target)

    def failed(self, target: Target, error: BaseException) -> None:
        """Note a failure before anybody was shown anything. Raises it when asking somebody else makes no sense."""
        shown = self.failures.add(target.model, error)
        if not isinstance(error, GuruError):
            log.error("the call to %s broke", target.model, exc_info=error)
        verdict = judge(error)
        if verdict is Verdict.RAISE:
            raise shown
        if verdict is Verdict.AGAIN and self._turns is not None:
            self._turns.once_more(target)
        elif isinstance(error, ContextTooLong):
            if not target.learn_context(self._router.models):
                raise shown
            self._larger_than = max(self._larger_than, target.context)


class Failing:
    """An answer that fails at once."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __aiter__(self) -> Failing:
        return self

    async def __anext__(self) -> Event:
        raise self._error
