"""How much a caller may ask: requests, tokens, how many at once, and money.

`Limiter` is what the road uses. In one process everything is in memory and costs microseconds; with Redis, several
processes share the same counts.
"""

from guru.gateway.limits.limiter import Limiter
from guru.gateway.limits.rules import Reservation, Rule, Scope, Spent

__all__ = ["Limiter", "Reservation", "Rule", "Scope", "Spent"]
