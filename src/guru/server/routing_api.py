"""Routes: every alias with its deployments and how they are."""

from __future__ import annotations

from msgspec import Struct

from guru.gateway.routing.status import RouteStatus
from guru.server.endpoint import Call, get


class Routes(Struct):
    routes: list[RouteStatus]
    """The aliases, then the models that were called by their own name since the server's start."""


@get("/api/v1/routes")
async def list_routes(call: Call) -> Routes:
    """Aliases with their deployments: health, breaker, requests in flight, latency, errors."""
    call.require_operator()
    return Routes(call.services.router.status())


@get("/api/v1/routes/{name:path}")
async def show_route(call: Call, name: str) -> RouteStatus:
    """One alias, or one `provider/model`."""
    call.require_operator()
    return call.services.router.describe(name)


DOORS = [list_routes, show_route]
