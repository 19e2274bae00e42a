"""Money held for hours, for a batch at a provider: it takes no slot and no rate, which are for requests of minutes."""

from __future__ import annotations

import msgspec

from guru.gateway.identity.caller import Caller
from guru.gateway.limits.limiter import Limiter
from guru.gateway.limits.memory import Account, MemoryLimits
from guru.gateway.limits.rules import UNLIMITED, Reservation, nanodollars


async def hold(limiter: Limiter, caller: Caller, model: str, cost: float) -> Reservation:
    """Reserve `cost` (US dollars) with every budget that the request concerns, until it is settled.

    Raises `BudgetExceeded`.
    """
    accounts = [account for account in limiter._find(caller, model) if account.budget is not None]
    if not accounts:
        return UNLIMITED
    if limiter._shared is not None:
        rules = [msgspec.structs.replace(account.rule, limits=None) for account in accounts]
        reservation = await limiter._shared.reserve(rules, 0, cost)
        if reservation is not None:
            return reservation
    return limiter._local.take([await purse(limiter._local, account) for account in accounts], 0, nanodollars(cost))


async def purse(local: MemoryLimits, account: Account) -> Account:
    """The account's money without its other limits: what is taken from the one is taken from the other."""
    await local._begin_period(account)
    found = Account(msgspec.structs.replace(account.rule, limits=None), 0)
    found.period = account.period
    return found
