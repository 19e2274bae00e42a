"""Routes: every alias with its deployments and how they are."""

from __future__ import annotations

from msgspec import Struct, structs

from guru.gateway.cost import Prices
from guru.gateway.routing.status import DeploymentStatus, RouteStatus
from guru.server.endpoint import Call, get


class Price(Struct):
    """US dollars for a million tokens."""

    input: float
    output: float


class DeploymentView(DeploymentStatus, kw_only=True):
    price: Price | None
    """Null where it is not known."""


class RouteView(Struct, kw_only=True):
    name: str
    strategy: str
    fallbacks: list[str]
    deployments: list[DeploymentView]


class Routes(Struct):
    routes: list[RouteView]
    """The aliases, then the models that were called by their own name since the server's start."""


@get("/api/v1/routes")
async def list_routes(call: Call) -> Routes:
    """Aliases with their deployments: health, breaker, requests in flight, latency, errors, prices."""
    call.require_operator()
    return Routes([view(call, route) for route in call.services.router.status()])


@get("/api/v1/routes/{name:path}")
async def show_route(call: Call, name: str) -> RouteView:
    """One alias, or one `provider/model`."""
    call.require_operator()
    return view(call, call.services.router.describe(name))


def view(call: Call, route: RouteStatus) -> RouteView:
    """A route with what its deployments cost."""
    deployments = [
        DeploymentView(**structs.asdict(deployment), price=price(call, deployment.model))
        for deployment in route.deployments
    ]
    return RouteView(name=route.name, strategy=route.strategy, fallbacks=route.fallbacks, deployments=deployments)


def price(call: Call, model: str) -> Price | None:
    prices = call.services.road.prices
    rates = prices.rates(model) if isinstance(prices, Prices) else None
    return None if rates is None else Price(input=rates.input * 1e6, output=rates.output * 1e6)


DOORS = [list_routes, show_route]
