"""Whether the server lives, whether it is ready, and what it has counted."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import text
from starlette.responses import Response

from guru.errors import Forbidden
from guru.gateway.identity import LOCAL_TENANT
from guru.observe.metrics import Gauge
from guru.server.endpoint import Call, get

log = logging.getLogger(__name__)


class Health(Struct):
    status: str


class Readiness(Struct):
    ready: bool
    checks: dict[str, str]
    """`ok`, or what is wrong."""


@get("/healthz", public=True)
async def healthz(call: Call) -> Health:
    """Whether the process answers."""
    return Health("ok")


@get("/readyz", answer=Readiness, public=True)
async def readyz(call: Call) -> Any:
    """Whether requests can be served: 503 as long as something that they need is not there."""
    checks = {"database": "ok", "server": "stopping" if call.services.closing.is_set() else "ok"}
    try:
        async with asyncio.timeout(2):
            await call.services.database.read(lambda connection: connection.execute(text("SELECT 1")).scalar())
    except Exception as error:
        log.error("the database does not answer: %s", error)
        checks["database"] = type(error).__name__  # anybody may ask, and the text may name servers and people
    ready = all(state == "ok" for state in checks.values())
    body = msgspec.json.encode(Readiness(ready, checks))
    return Response(body, 200 if ready else 503, media_type="application/json")


@get("/metrics", media_type="text/plain")
async def metrics(call: Call) -> Any:
    """Counters, histograms and gauges as Prometheus text."""
    services = call.services
    if call.tenant != LOCAL_TENANT:
        raise Forbidden("These numbers are of the whole server, not of one organisation.", hint="See /api/v1/usage.")
    collections = await services.knowledge.collections.list(call.visible)
    sizes: dict[tuple[str, ...], float] = {(item.name,): float(item.chunks) for item in collections}
    chunks = Gauge("guru_collection_chunks", "Chunks in a collection.", lambda: sizes, ("collection",))
    text = services.metrics.render(chunks)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


DOORS = [healthz, readyz, metrics]
