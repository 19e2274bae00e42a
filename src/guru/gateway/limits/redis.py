"""Limits that several processes share, in Redis: one script run takes from every bucket of a request, or from none.

Everything that goes to Redis waits in one queue and travels in batches over one connection: under load a round trip
carries many requests, and what a request settles is never overtaken by what the next one reserves.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from guru.errors import ConfigurationError
from guru.gateway.limits.budget import bounds
from guru.gateway.limits.headers import rate_headers
from guru.gateway.limits.refusals import Kind, never_fits, refusal
from guru.gateway.limits.rules import Headers, Rule, Spent, nanodollars

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = logging.getLogger(__name__)

SCRIPT = (Path(__file__).parent / "limits.lua").read_text(encoding="utf-8")
LEASE = 120.0
"""Seconds after which what a dead process had reserved is free again."""
PATIENCE = 1.0
"""Seconds that an answer of Redis may take; while it is away, also between two attempts to find it again."""
MAX_BATCH = 256
PROBE = "{guru:limits}:probe"
Action = Literal["reserve", "settle", "redress", "renew", "begin"]


class Check:
    """One line of the script: a bucket, a count of running requests, or a budget."""

    __slots__ = ("amount", "ends", "keys", "kind", "limit", "rule", "starts")

    def __init__(
        self, rule: Rule, kind: Kind, limit: int, amount: int, *, period: str = "", starts: float = 0, ends: float = 0
    ) -> None:
        self.rule = rule
        self.kind: Kind = kind
        self.limit = limit
        self.amount = amount
        self.starts = starts
        self.ends = ends
        # The part in braces sends all keys of a request to the same node of a cluster.
        name = f"{{guru:limits}}:{rule.tenant}:{rule.scope}:{rule.id}:{kind}{period}"
        self.keys = (name, f"{name}:leases")

    @property
    def script_kind(self) -> Literal["bucket", "running", "money"]:
        return "money" if self.kind == "budget" else "running" if self.kind == "concurrency" else "bucket"


def checks_of(rules: Sequence[Rule], tokens: int, cost: int, now: float) -> list[Check]:
    """What a request has to pass. Raises `TooLarge` for one that never can."""
    checks: list[Check] = []
    for rule in rules:
        if (limits := rule.limits) is not None:
            if limits.tpm is not None and tokens > limits.tpm:
                raise never_fits(rule, tokens)
            if limits.concurrency is not None:
                checks.append(Check(rule, "concurrency", limits.concurrency, 1))
            if limits.rpm is not None:
                checks.append(Check(rule, "requests", limits.rpm, 1))
            if limits.tpm is not None:
                checks.append(Check(rule, "tokens", limits.tpm, tokens))
        if (budget := rule.budget) is not None:
            name, starts, ends = bounds(budget.per, now)
            limit = nanodollars(budget.usd)
            checks.append(Check(rule, "budget", limit, cost, period=f":{name}", starts=starts, ends=ends))
    return checks


class Order:
    """One run of the script: what it does, for which reservation, to which buckets."""

    __slots__ = ("action", "checks", "future", "lease", "values")

    def __init__(
        self,
        action: Action,
        lease: str,
        checks: Sequence[Check],
        values: Sequence[tuple[int, int]],
        future: asyncio.Future[list[int]] | None = None,
    ) -> None:
        self.action: Action = action
        self.lease = lease
        self.checks = checks
        self.values = values
        self.future = future

    def command(self, life: float) -> list[Any]:
        """`EVALSHA`'s arguments after the script's hash."""
        keys = [key for check in self.checks for key in check.keys]
        command: list[Any] = [len(keys), *keys, self.action, self.lease, int(life * 1e6)]
        for check, (amount, more) in zip(self.checks, self.values, strict=True):
            command += [check.script_kind, check.limit, amount, more]
        return command

    def redress(self) -> Order | None:
        """What makes good that nobody knows whether this was done: it may be done twice, or for nothing."""
        if self.action in ("renew", "begin"):
            return None
        values = [(0, 0)] * len(self.checks)
        for at, (check, (cost, reserved)) in enumerate(zip(self.checks, self.values, strict=True)):
            if check.kind == "budget":
                values[at] = (0, check.amount) if self.action == "reserve" else (cost, reserved)
        return Order("redress", self.lease, self.checks, values)


class RedisReservation:
    """What one request has taken from the shared accounts."""

    __slots__ = ("_limits", "_measures", "checks", "lease")

    def __init__(self, limits: RedisLimits, lease: str, checks: list[Check], measures: Sequence[int]) -> None:
        self._limits = limits
        self._measures = measures
        self.lease = lease
        self.checks = checks

    @property
    def headers(self) -> Headers:
        return measured(self.checks, self._measures)

    def settle(self, tokens: int, cost: float) -> None:
        self._limits.settle(self, tokens, nanodollars(cost))


class RedisLimits:
    """Shared accounts. `reserve` gives None while Redis is not there: the caller counts by itself then.

    While it is away, no request waits for it: every `patience` seconds it is asked whether it takes a write again.
    """

    def __init__(
        self,
        url: str,
        *,
        spent: Spent | None = None,
        now: Callable[[], float] = time.time,
        lease: float = LEASE,
        patience: float = PATIENCE,
    ) -> None:
        self._client = connect(url, patience)
        self._spent = spent
        self._now = now
        self._lease = lease
        self._patience = patience
        self._sha = ""
        self._waiting: list[Order] = []
        self._owed: deque[tuple[float, Order]] = deque()
        """What is to be done when Redis is there again, and until when a lease needs it."""
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._there = asyncio.Event()
        self._there.set()
        self._live: dict[str, RedisReservation] = {}
        self._told: set[str] = set()
        """Keys of budgets of which Redis was told lately what the ledger says."""
        self._telling = asyncio.Lock()
        self._sender: asyncio.Task[None] | None = None
        self._renewer: asyncio.Task[None] | None = None
        self.outages = 0
        """How often Redis went away."""
        self.failures = 0
        """Requests that Redis did not count."""

    async def reserve(self, rules: Sequence[Rule], tokens: int, cost: float) -> RedisReservation | None:
        """Raises `RateLimited` and `TooLarge`. None when Redis cannot be reached."""
        checks = checks_of(rules, tokens, nanodollars(cost), self._now())
        try:
            for check in checks:
                if check.kind == "budget" and check.keys[0] not in self._told:
                    await self._tell(check)
            return await self._reserve(checks)
        except ConnectionError:
            self.failures += 1
            return None

    async def _reserve(self, checks: list[Check]) -> RedisReservation:
        lease = secrets.token_hex(8)
        values = [(check.amount, int(check.ends * 1000)) for check in checks]
        while True:
            asked = self._ask("reserve", lease, checks, values)
            try:
                answer = await asyncio.shield(asked)
            except asyncio.CancelledError:
                asked.add_done_callback(lambda done: self._give_back(done, lease, checks))
                raise
            refused, wait, *measures = answer
            if refused < 0:  # Redis has forgotten it
                self._told.discard(checks[-refused - 1].keys[0])
                await self._tell(checks[-refused - 1])
                continue
            if refused > 0:
                check = checks[refused - 1]
                raise refusal(check.rule, check.kind, wait, measured(checks, measures), check.ends)
            reservation = self._live[lease] = RedisReservation(self, lease, checks, measures)
            return reservation

    def _give_back(self, done: asyncio.Future[list[int]], lease: str, checks: list[Check]) -> None:
        """The client went away while Redis was asked: what was taken meanwhile is nobody's."""
        if not done.cancelled() and done.exception() is None and done.result()[0] == 0:
            reservation = self._live[lease] = RedisReservation(self, lease, checks, ())
            reservation.settle(0, 0.0)

    def settle(self, reservation: RedisReservation, tokens: int, cost: int) -> None:
        """Send the truth on its way; a second time does nothing."""
        if self._live.pop(reservation.lease, None) is None:
            return
        values = []
        for check in reservation.checks:
            if check.kind == "budget":
                values.append((cost, check.amount))
            else:
                values.append((check.amount - tokens if check.kind == "tokens" else 0, 0))
        self._send(Order("settle", reservation.lease, reservation.checks, values))

    async def aclose(self) -> None:
        """Send what waits, then disconnect."""
        if self._renewer is not None:
            self._renewer.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience * 2):
                await self._idle.wait()
        if self._sender is not None:
            self._sender.cancel()
        await asyncio.gather(*filter(None, (self._sender, self._renewer)), return_exceptions=True)
        await self._client.aclose()

    async def _tell(self, check: Check) -> None:
        """Tell Redis what the ledger says was spent: it keeps the larger of that and what it has.

        Done now and then, not only when a period begins: what was spent by a process that was killed, or while Redis
        was away, is in the ledger alone.
        """
        async with self._telling:
            if check.keys[0] in self._told:
                return  # by somebody else while we waited
            if not self._there.is_set():
                raise ConnectionError("Redis is away")
            rule = check.rule
            spent = await self._spent(rule.scope, rule.tenant, rule.id, check.starts) if self._spent else 0.0
            await self._ask("begin", "", [check], [(nanodollars(spent), int(check.ends * 1000))])
            self._told.add(check.keys[0])

    # ------------------------------------------------------------------ the queue

    def _ask(
        self, action: Action, lease: str, checks: Sequence[Check], values: Sequence[tuple[int, int]]
    ) -> asyncio.Future[list[int]]:
        """The script's answer. Fails with `ConnectionError` when Redis is not there."""
        future: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        if self._there.is_set():
            self._send(Order(action, lease, checks, values, future))
        else:
            future.set_exception(ConnectionError("Redis is away"))
        return future

    def _send(self, order: Order) -> None:
        if not self._there.is_set():
            self._owe(order)
            return
        self._waiting.append(order)
        self._wake.set()
        self._idle.clear()
        if self._sender is None:
            self._sender = asyncio.create_task(self._run())
            self._renewer = asyncio.create_task(self._renew())

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            batch = self._waiting[:MAX_BATCH]
            try:
                answers = await self._execute(batch)
            except Exception as error:
                self._lose(error)
                await self._find_again()
                continue
            del self._waiting[: len(batch)]
            if not self._waiting:
                self._wake.clear()
                self._idle.set()
            for order, answer in zip(batch, answers, strict=True):
                if order.future is not None and not order.future.done():
                    order.future.set_result(answer)

    async def _execute(self, orders: Sequence[Order]) -> list[list[int]]:
        """Run the script once for each. Redis forgets scripts when it restarts: then they are sent anew."""
        from redis.exceptions import NoScriptError

        commands = [order.command(self._lease) for order in orders]
        if not self._sha:
            self._sha = str(await self._client.script_load(SCRIPT))
        try:
            return await self._pipeline(commands)
        except NoScriptError:
            self._sha = str(await self._client.script_load(SCRIPT))
            return await self._pipeline(commands)

    async def _pipeline(self, commands: list[list[Any]]) -> list[list[int]]:
        async with self._client.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command("EVALSHA", self._sha, *command)
            # When the script is unknown it is so for every command of the batch: none has had an effect.
            answers: list[list[int]] = await pipeline.execute()
            return answers

    # ------------------------------------------------------------------ away and back

    def _lose(self, error: Exception) -> None:
        """Redis is not there, is too slow, or takes nothing more: let everybody who waits go on alone."""
        self._there.clear()
        self.outages += 1
        self._told.clear()
        log.error("Redis does not answer (%s): every process counts limits by itself until it does", error)
        waiting, self._waiting = self._waiting, []
        self._wake.clear()
        self._idle.set()
        for order in waiting:
            self._owe(order)
            if order.future is not None and not order.future.done():
                order.future.set_exception(ConnectionError("Redis is not there"))

    def _owe(self, order: Order) -> None:
        """Keep what must still be done about an order that got no answer, as long as its lease can live."""
        now = time.monotonic()
        while self._owed and self._owed[0][0] < now:
            self._owed.popleft()
        if (redress := order.redress()) is not None:
            self._owed.append((now + self._lease, redress))

    async def _find_again(self) -> None:
        """Wait until Redis takes writes, and do first what it missed: what is not running holds no place."""
        while not self._there.is_set():
            await asyncio.sleep(self._patience)
            some: list[tuple[float, Order]] = []
            try:
                # A write: a Redis that is full, or a replica, still answers to reads.
                await self._client.set(PROBE, "", px=1000)
                while self._owed:
                    some = [self._owed.popleft() for _ in range(min(MAX_BATCH, len(self._owed)))]
                    await self._execute([order for _, order in some])
                    some = []
            except Exception as error:
                log.debug("Redis is still away: %s", error)
                self._owed.extendleft(reversed(some))
            else:
                self._there.set()
                log.warning("Redis answers again: limits are shared between processes again")

    async def _renew(self) -> None:
        """Say now and then that the requests that run are still alive."""
        while True:
            await asyncio.sleep(self._lease / 3)
            await self._there.wait()
            self._told.clear()
            for reservation in list(self._live.values()):
                values = [(0, check.amount if check.kind == "budget" else 0) for check in reservation.checks]
                self._send(Order("renew", reservation.lease, reservation.checks, values))


def measured(checks: Sequence[Check], measures: Sequence[int]) -> Headers:
    buckets = [check for check in checks if check.script_kind == "bucket"]
    found = [
        (c.kind, (left, c.limit, full)) for c, left, full in zip(buckets, measures[::2], measures[1::2], strict=True)
    ]
    return rate_headers(
        [measure for kind, measure in found if kind == "requests"],
        [measure for kind, measure in found if kind == "tokens"],
    )


def connect(url: str, patience: float) -> Redis:
    """A client. Raises `ConfigurationError` without the package, or for an address that is none."""
    try:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError:
        raise ConfigurationError(
            "[redis] url is set, but the package `redis` is not installed.", hint='Run: pip install "guru[redis]"'
        ) from None
    try:
        # Not repeated by the client: a script that ran, and whose answer was lost, would take twice.
        return Redis.from_url(
            url, socket_timeout=patience, socket_connect_timeout=patience, retry=Retry(NoBackoff(), 0)
        )
    except ValueError as error:
        raise ConfigurationError(f"[redis] url is not valid: {error}.", hint="Write redis://HOST:6379/0.") from None
