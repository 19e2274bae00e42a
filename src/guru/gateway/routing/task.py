"""Retries, fallbacks and breakers for what is not chat: one call, one result."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from guru.errors import GuruError, ModelTimeout
from guru.gateway.identity import Caller
from guru.gateway.routing.attempt import Outcome
from guru.gateway.routing.plan import Asked, Group, Target, Turns
from guru.gateway.routing.retry import Failures, Verdict, is_failure, judge

if TYPE_CHECKING:
    from guru.gateway.routing.router import Router

log = logging.getLogger(__name__)
T = TypeVar("T")


async def call(router: Router, group: Group, caller: Caller, work: Callable[[str], Awaitable[T]]) -> T:
    """The result of the first deployment that has one. Raises the caller's errors, and one error for all others."""
    failures = Failures(group.name)
    asked = Asked(None)
    ends = monotonic() + group.settings.timeout
    for alias in router.chain(group):
        order = await router.order(alias, asked, caller)
        turns = Turns(
            alias, order, failures, fallback=router.has_fallback(alias), random=router.random, sleep=router.sleep
        )
        first = True
        while (turn := await turns.next(ends)) is not None:
            target, ticket = turn
            outcome = Outcome(
                alias=alias.name, model=target.model, label=target.label, status="ok", first=first,
                trace_id=caller.trace_id,
            )  # fmt: skip
            first = False
            try:
                return await attempt(router, target, ticket, outcome=outcome, work=work, ends=ends)
            except Exception as error:
                shown = failures.add(target.model, error)
                if not isinstance(error, GuruError):
                    log.error("the call to %s broke", target.model, exc_info=error)
                verdict = judge(error)
                if verdict in (Verdict.RAISE, Verdict.LARGER):
                    raise shown from error
                if verdict is Verdict.AGAIN:
                    turns.once_more(target)
    raise failures.error()


async def attempt(
    router: Router, target: Target, ticket: int, *, outcome: Outcome, work: Callable[[str], Awaitable[T]], ends: float
) -> T:
    """One call, counted in and out, within the time that is left."""
    started = monotonic()
    left = ends - started
    allowed = min(left, target.deployment.timeout or left)
    failed: bool | None = None
    error: BaseException | None = None
    try:
        limit = asyncio.timeout(allowed)
        try:
            async with limit:
                result = await work(target.model)
        except TimeoutError:
            if not limit.expired():
                raise
            raise ModelTimeout(
                f"{target.model} took longer than {allowed:.3g} seconds.", hint="Try again, or raise the time limit."
            ) from None
        failed = False
        outcome.cost = getattr(result, "cost", 0.0)
        return result
    except Exception as caught:
        error, failed = caught, is_failure(caught)
        outcome.status, outcome.error, outcome.failed = "error", caught, bool(failed)
        raise
    finally:
        if failed is None and error is None:
            outcome.status = "cancelled"
        target.health.leave(ticket, error, failed=failed)
        outcome.duration = monotonic() - started
        if router.observe is not None:
            router.observe(outcome)
