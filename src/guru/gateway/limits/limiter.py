"""The limiter that the road asks before every request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from guru.gateway.identity.caller import Caller
from guru.gateway.limits.memory import Account, MemoryLimits
from guru.gateway.limits.rules import UNLIMITED, Reservation, Rule, Scope, Spent

if TYPE_CHECKING:
    from guru.gateway.limits.redis import RedisLimits


def microseconds() -> int:
    return time.monotonic_ns() // 1000


class Limiter:
    """Reserves the estimate of a request before the call, and settles the truth after it.

    `shared` counts for several processes; while it cannot be reached, this process counts alone, with the whole of
    every limit. `spent` is asked what a budget's day or month has cost before.
    """

    def __init__(
        self,
        *,
        spent: Spent | None = None,
        shared: RedisLimits | None = None,
        clock: Callable[[], int] = microseconds,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._local = MemoryLimits(spent, clock, now)
        self._shared = shared
        self._outages = 0
        self._accounts: dict[tuple[Scope, str, str], Account] = {}
        self._sources: dict[str, list[Rule]] = {}

    def configure(self, rules: Iterable[Rule], source: str = "rules") -> None:
        """Take the rules of one `source` (the configuration, the database) in place of those that it gave before.

        What was used stays used.
        """
        self._sources[source] = list(rules)
        now = self._clock()
        before, self._accounts = self._accounts, {}
        for rule in (rule for rules in self._sources.values() for rule in rules):
            if rule.limits is None and rule.budget is None:
                continue
            account = before.get(rule.place)
            if account is None:
                account = Account(rule, now)
            elif account.rule != rule:
                account.change(rule, now)
            self._accounts[rule.place] = account

    async def admit(self, caller: Caller, model: str, tokens: int, cost: float) -> Reservation:
        """Reserve `tokens` and `cost` (US dollars; both are estimates) with everybody whom the request concerns.

        Raises `RateLimited` with `retry_after` and headers, its kind `BudgetExceeded`, and `TooLarge` for a request
        that a limit can never let through.
        """
        found = self._find(caller, model) if self._accounts else None
        if not found:
            return UNLIMITED
        if self._shared is not None:
            reservation = await self._shared.reserve([account.rule for account in found], tokens, cost)
            if reservation is not None:
                return reservation
            if self._outages != self._shared.outages:  # what all have spent meanwhile is in the ledger
                self._outages = self._shared.outages
                for account in self._accounts.values():
                    account.period = None
        return await self._local.reserve(found, tokens, cost)

    def _find(self, caller: Caller, model: str) -> list[Account]:
        get, tenant = self._accounts.get, caller.tenant
        found = [
            get(("key", tenant, caller.key)) if caller.key else None,
            get(("user", tenant, caller.user)) if caller.user else None,
            get(("team", tenant, caller.team)) if caller.team else None,
            get(("model", "", model)),
        ]
        return [account for account in found if account is not None]

    @property
    def shared_failures(self) -> int:
        """Requests that were counted by this process alone because the shared store was not there."""
        return self._shared.failures if self._shared is not None else 0

    async def aclose(self) -> None:
        """Settle what is still on its way."""
        if self._shared is not None:
            await self._shared.aclose()
