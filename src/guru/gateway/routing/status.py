"""Routes as the API, the metrics and the pages show them."""

from __future__ import annotations

from msgspec import Struct

from guru.gateway.routing.breaker import BreakerState
from guru.gateway.routing.plan import Group, Target


class DeploymentStatus(Struct, kw_only=True):
    model: str
    label: str | None
    weight: float
    priority: int
    available: bool
    """Whether it would be asked now."""
    why_not: str | None
    breaker: BreakerState
    opened: int
    """How many times the breaker has opened."""
    opens_in: float
    """Seconds until the breaker lets a request pass."""
    rests_for: float
    """Seconds that the provider asked for."""
    alive: bool | None
    """What the last active check found; null when there is none."""
    in_flight: int
    concurrency: int | None
    requests: int
    failures: int
    cancelled: int
    errors: dict[str, int]
    """Failures by kind."""
    last_error: str | None
    first_token: float | None
    """Seconds, exponentially weighted."""


class RouteStatus(Struct, kw_only=True):
    name: str
    strategy: str
    fallbacks: list[str]
    deployments: list[DeploymentStatus]


def describe(group: Group) -> RouteStatus:
    return RouteStatus(
        name=group.name,
        strategy=group.settings.strategy,
        fallbacks=group.settings.fallbacks,
        deployments=[describe_target(target) for target in group.targets],
    )


def describe_target(target: Target) -> DeploymentStatus:
    health = target.health
    return DeploymentStatus(
        model=target.model,
        label=target.label,
        weight=target.weight,
        priority=target.deployment.priority,
        available=health.available and not target.busy,
        why_not=None if health.available else health.why_not(),
        breaker=health.breaker.state,
        opened=health.breaker.opened,
        opens_in=round(health.breaker.opens_in, 3),
        rests_for=round(health.rests_for, 3),
        alive=health.alive,
        in_flight=health.in_flight,
        concurrency=target.deployment.concurrency,
        requests=health.requests,
        failures=health.failures,
        cancelled=health.cancelled,
        errors=dict(health.errors),
        last_error=health.last_error,
        first_token=health.first_token,
    )
