"""Limits of one process. Checking all and taking all happens without an `await` between: nobody comes in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from guru.config import BudgetSettings, LimitSettings
from guru.gateway.limits.bucket import MINUTE, Bucket
from guru.gateway.limits.budget import Period
from guru.gateway.limits.headers import rate_headers
from guru.gateway.limits.refusals import Kind, never_fits, refusal
from guru.gateway.limits.rules import Headers, Rule, Spent, nanodollars


class Account:
    """What one key, user, team or model has left."""

    __slots__ = ("budget", "concurrency", "limit", "period", "requests", "rule", "running", "tokens")

    def __init__(self, rule: Rule, now: int) -> None:
        self.running = 0
        self.period: Period | None = None
        """None until what was spent before is known."""
        self.requests: Bucket | None = None
        self.tokens: Bucket | None = None
        self.change(rule, now)

    def change(self, rule: Rule, now: int) -> None:
        """Follow a changed rule, and keep what was used."""
        limits = rule.limits or LimitSettings()
        self.requests = resized(self.requests, limits.rpm, now)
        self.tokens = resized(self.tokens, limits.tpm, now)
        self.concurrency = limits.concurrency
        before: BudgetSettings | None = getattr(self, "budget", None)
        self.budget = rule.budget
        if self.budget is None or before is None or self.budget.per != before.per:
            self.period = None
        self.limit = nanodollars(self.budget.usd) if self.budget else 0
        self.rule = rule


def resized(bucket: Bucket | None, per_minute: int | None, now: int) -> Bucket | None:
    if per_minute is None:
        return None
    if bucket is None:
        return Bucket(per_minute, now)
    if bucket.per_minute != per_minute:
        bucket.resize(per_minute, now)
    return bucket


class MemoryReservation:
    """What one request has taken from its accounts."""

    __slots__ = ("_accounts", "_buckets", "_cost", "_open", "_periods", "_tokens")

    def __init__(self, accounts: Sequence[Account], tokens: int, cost: int) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._cost = cost
        # Of the moment of the reservation: a request that began in November is paid from November's budget.
        self._periods = [account.period for account in accounts]
        # A limit that comes or goes meanwhile was not reserved from: it is given nothing back, and nothing is taken.
        self._buckets = [account.tokens for account in accounts]
        self._open = True

    @property
    def headers(self) -> Headers:
        return measured(self._accounts)

    def settle(self, tokens: int, cost: float) -> None:
        if not self._open:
            return
        self._open = False
        unused = self._tokens - tokens
        difference = nanodollars(cost) - self._cost
        for account, bucket, period in zip(self._accounts, self._buckets, self._periods, strict=True):
            account.running -= 1
            if bucket is not None:
                bucket.give(unused)
            if period is not None:
                period.used += difference


class MemoryLimits:
    """`clock` gives microseconds that never go back, `now` seconds since 1970."""

    def __init__(self, spent: Spent | None, clock: Callable[[], int], now: Callable[[], float]) -> None:
        self._spent = spent
        self._clock = clock
        self._now = now
        self._loading = asyncio.Lock()

    async def reserve(self, accounts: Sequence[Account], tokens: int, cost: float) -> MemoryReservation:
        """Take the estimates from every account, or from none. Raises `RateLimited` and `TooLarge`."""
        seconds = self._now()
        for account in accounts:
            if account.budget is not None and (account.period is None or account.period.ends <= seconds):
                await self._begin_period(account)
        return self.take(accounts, tokens, nanodollars(cost))

    def take(self, accounts: Sequence[Account], tokens: int, cost: int) -> MemoryReservation:
        now = self._clock()
        for account in accounts:
            if account.concurrency is not None and account.running >= account.concurrency:
                raise self._refused(accounts, account, "concurrency", 0)
            if (bucket := account.requests) is not None and (wait := bucket.wait(1, now)):
                raise self._refused(accounts, account, "requests", wait)
            if (bucket := account.tokens) is not None:
                if tokens * MINUTE > bucket.full:
                    raise never_fits(account.rule, tokens)
                if wait := bucket.wait(tokens, now):
                    raise self._refused(accounts, account, "tokens", wait)
            period = account.period
            if period is not None and (period.used >= account.limit or period.used + cost > account.limit):
                raise self._refused(accounts, account, "budget", int((period.ends - self._now()) * 1e6))
        for account in accounts:
            account.running += 1
            if (bucket := account.requests) is not None:
                bucket.level -= MINUTE
            if (bucket := account.tokens) is not None:
                bucket.level -= tokens * MINUTE
            if (period := account.period) is not None:
                period.used += cost
        return MemoryReservation(accounts, tokens, cost)

    def _refused(self, accounts: Sequence[Account], account: Account, kind: Kind, wait: int) -> Exception:
        ends = account.period.ends if account.period else 0.0
        return refusal(account.rule, kind, wait, measured(accounts), ends)

    async def _begin_period(self, account: Account) -> None:
        """Ask the ledger what this period has cost so far: once at the start, and at every new day or month."""
        async with self._loading:
            budget, now = account.budget, self._now()
            if budget is None or (account.period is not None and account.period.ends > now):
                return  # somebody else was here while we waited
            period = Period(budget.per, now)
            if self._spent is not None:
                rule = account.rule
                period.used = nanodollars(await self._spent(rule.scope, rule.tenant, rule.id, period.starts))
            account.period = period


def measured(accounts: Sequence[Account]) -> Headers:
    return rate_headers(
        [bucket.measure() for account in accounts if (bucket := account.requests) is not None],
        [bucket.measure() for account in accounts if (bucket := account.tokens) is not None],
    )
