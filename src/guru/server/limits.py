"""The limits of this server: what the configuration and the administrators have set, in memory or in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guru.config import Settings
from guru.gateway.cost.ledger import Ledger
from guru.gateway.identity import Caller, Directory
from guru.gateway.limits import Limiter, Reservation, Rule, Scope
from guru.gateway.limits.hold import hold
from guru.observe.metrics import Gauge, Metrics

if TYPE_CHECKING:
    from guru.gateway.limits.redis import RedisLimits


class Limits:
    """What the road asks before a request: may the caller use the model, and has it any of its limits left?"""

    def __init__(self, settings: Settings, directory: Directory, ledger: Ledger, metrics: Metrics) -> None:
        self._directory = directory
        self._ledger = ledger
        self.limiter = Limiter(spent=self._spent, shared=self._shared(settings))
        directory.on_change.append(self._follow)
        self.reload(settings)
        metrics.add(
            Gauge(
                "guru_limits_uncounted_total",
                "Requests that this process counted alone, because Redis did not answer.",
                lambda: self.limiter.shared_failures, kind="counter",
            )
        )  # fmt: skip

    async def admit(self, caller: Caller, model: str, tokens: int, cost: float) -> Reservation:
        """Raises `Forbidden`, `RateLimited` and `TooLarge`."""
        self._directory.allow(caller, model)
        return await self.limiter.admit(caller, model, tokens, cost)

    def allow(self, caller: Caller, model: str) -> None:
        """For a model that is asked within a request that was let in. Raises `Forbidden`."""
        self._directory.allow(caller, model)

    async def hold(self, caller: Caller, model: str, cost: float) -> Reservation:
        """Money alone, for a batch at a provider. Raises `Forbidden` and `BudgetExceeded`."""
        self._directory.allow(caller, model)
        return await hold(self.limiter, caller, model, cost)

    def reload(self, settings: Settings) -> None:
        """Take the keys, teams and models of a changed configuration."""
        self._directory.configure(settings)
        models = [Rule(scope="model", id=name, limits=alias.limits) for name, alias in settings.models.items()]
        self.limiter.configure(models, "models")
        self._follow()

    async def aclose(self) -> None:
        await self.limiter.aclose()

    def _follow(self) -> None:
        rules = [
            Rule(scope=scope, tenant=tenant, id=place, name=name, limits=limits, budget=budget)
            for scope, tenant, place, name, limits, budget in self._directory.limited()
        ]
        self.limiter.configure(rules, "directory")

    def _shared(self, settings: Settings) -> RedisLimits | None:
        if settings.redis.url is None:
            return None
        from guru.gateway.limits.redis import RedisLimits

        return RedisLimits(settings.redis.url, spent=self._spent)

    async def _spent(self, scope: Scope, tenant: str, id: str, since: float) -> float:
        """US dollars since a moment, as the ledger has them. A model has no budget."""
        if scope == "model":
            return 0.0
        return (await self._ledger.spent(tenant, scope, since)).get(id, 0.0)
