"""Traces: what happened to every request."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from guru.gateway.messages import moment
from guru.observe.spans import CallRecord
from guru.server.endpoint import Call, get


class TraceQuery(Struct, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    before: str | None = None
    """Id of the last trace seen."""
    route: str | None = None


class TraceSummary(Struct, kw_only=True):
    id: str
    route: str
    """The door: `chat.completions`, `ask`, `conversations`, ..."""
    requested: str | None
    """The model or alias that was asked for."""
    model: str | None
    key: str | None
    team: str | None
    user: str | None
    tags: list[str]
    cache: str
    variant: str | None
    status: str
    """`ok`, `error` or `cancelled`."""
    error: str | None
    started_at: datetime
    duration: float
    """Seconds, as is `first_token`."""
    first_token: float | None
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    """US dollars; null where the price of a call is not known and no other one has cost anything."""
    unpriced_calls: int
    """Calls of models whose price is not known; `cost` does not have them."""
    preview: str | None


class SpanView(Struct, kw_only=True):
    id: str
    parent_id: str | None
    name: str
    start: float
    """Seconds since the trace's start, as is `end`."""
    end: float
    status: str
    attributes: dict[str, Any]


class TraceView(TraceSummary, kw_only=True):
    attributes: dict[str, Any]
    calls: list[CallRecord]
    """What each call of a model used, as its provider bills it."""
    spans: list[SpanView]


class TracePage(Struct):
    traces: list[TraceSummary]
    next: str | None
    """Give it as `before` to see older ones; null at the end."""


@get("/api/v1/traces")
async def list_traces(call: Call, query: TraceQuery) -> TracePage:
    """Requests, the newest first."""
    rows = await call.services.tracer.list(
        call.caller("traces").visible, limit=query.limit + 1, before=query.before, route=query.route
    )  # fmt: skip
    more = len(rows) > query.limit
    found = [msgspec.convert(shown(row), TraceSummary) for row in rows[: query.limit]]
    return TracePage(found, found[-1].id if more else None)


@get("/api/v1/traces/{trace_id}")
async def show_trace(call: Call, trace_id: str) -> TraceView:
    """One request, step by step, with everything that was sent."""
    row = await call.services.tracer.get(call.caller("traces").visible, trace_id)
    return msgspec.convert(shown(row), TraceView)


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row as people see it: with a date, and with no cost where it is not known."""
    unpriced = sum(call.get("cost", 0.0) is None for call in row["calls"])
    cost = None if unpriced and not row["cost"] else row["cost"]
    return row | {"started_at": moment(row["started_at"]), "cost": cost, "unpriced_calls": unpriced}


DOORS = [list_traces, show_trace]
