"""Who has which limits, and what a limiter gives out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

from msgspec import Struct

from guru.config import BudgetSettings, LimitSettings

Scope = Literal["key", "user", "team", "model"]
Spent = Callable[[Scope, str, str, float], Awaitable[float]]
"""US dollars spent by `(scope, tenant, id)` since a moment (seconds since 1970), as the usage ledger has it."""
Headers = dict[str, str]


class Rule(Struct, frozen=True, kw_only=True):
    """The limits and the budget of one key, user, team or model."""

    scope: Scope
    id: str
    tenant: str = ""
    """Empty for a model, whose limits hold for all tenants together."""
    name: str = ""
    """What people call it, for messages; the id where it is empty."""
    limits: LimitSettings | None = None
    budget: BudgetSettings | None = None

    @property
    def place(self) -> tuple[Scope, str, str]:
        return self.scope, self.tenant, self.id

    @property
    def title(self) -> str:
        return f"{self.scope.capitalize()} {self.name or self.id}"


class Reservation(Protocol):
    """What was reserved for one request."""

    @property
    def headers(self) -> Headers:
        """`x-ratelimit-*`, as OpenAI names them, of the limit that is nearest to its end."""
        ...

    def settle(self, tokens: int, cost: float) -> None:
        """Replace the estimates by the truth. Called once for each request, however it ended; a second call is void."""
        ...


class Unlimited:
    """The reservation of a request that no limit concerns."""

    headers: Headers

    def __init__(self) -> None:
        self.headers = {}

    def settle(self, tokens: int, cost: float) -> None:
        pass


UNLIMITED = Unlimited()
NANO = 1_000_000_000


def nanodollars(dollars: float) -> int:
    """Money is added and taken away as whole billionths of a dollar, so that nothing is lost to rounding."""
    return round(dollars * NANO)
