"""The ledger: who used how much of what, by the hour.

It is written in the transaction that makes rows of traces, from those that were none before: every request counts
once, whenever the process dies, and no question is ever put to all the traces.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import Column, ColumnElement, Connection, func, select
from sqlalchemy.dialects import postgresql, sqlite

from guru.observe.spans import TraceRecord
from guru.store.database import Database
from guru.store.tables import usage

HOUR: Final = 3600
Group = Literal["key", "team", "user", "model", "requested", "route", "tag", "hour", "day"]
Owner = Literal["key", "team", "user"]
DIMENSIONS: Final = ("tenant", "hour", "key", "team", "user", "model", "requested", "route", "tags")
COUNTS: Final = (
    "requests", "errors", "cancelled", "cached_exact", "cached_semantic", "cached_stale", "calls", "estimated_calls",
    "unpriced_calls", "prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens",
    "cost", "seconds",
)  # fmt: skip
COLUMNS: Final[dict[str, ColumnElement[Any]]] = {
    "key": usage.c.key, "team": usage.c.team, "user": usage.c.user, "model": usage.c.model,
    "requested": usage.c.requested, "route": usage.c.route, "tag": usage.c.tags, "hour": usage.c.hour,
    "day": usage.c.hour - usage.c.hour % 24,
}  # fmt: skip
Counts = dict[str, float]
Bucket = tuple[Any, ...]


class UsageFilter(Struct, kw_only=True):
    """Which part of the ledger. Whole hours: `start` and `end` are rounded down; None is without a bound."""

    start: datetime | None = None
    end: datetime | None = None
    """The first hour that is no longer in it."""
    key: str | None = None
    team: str | None = None
    user: str | None = None
    model: str | None = None
    requested: str | None = None
    route: str | None = None
    tag: str | None = None


@functools.cache
def addition(dialect: str) -> Any:
    """The statement that adds counts to their rows; it is made once, as it runs in the writer all the time."""
    make: Any = sqlite.insert if dialect == "sqlite" else postgresql.insert
    statement = make(usage)
    sums = {name: usage.c[name] + statement.excluded[name] for name in COUNTS}
    return statement.on_conflict_do_update(index_elements=DIMENSIONS, set_=sums)


class Ledger:
    """Writes what was used, and answers what was."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, connection: Connection, records: Iterable[TraceRecord]) -> None:
        """Add requests that have ended, in the transaction of `connection`. Each must be given once."""
        buckets: dict[Bucket, Counts] = {}
        for record in records:
            enter(record, buckets)
        rows = [dict(zip(DIMENSIONS, key, strict=True)) | counts for key, counts in sorted(buckets.items())]
        if not rows:
            return
        connection.execute(addition(connection.dialect.name), rows)

    async def spent(self, tenant: str, owner: Owner, since: float) -> dict[str, float]:
        """US dollars that each key, team or user has spent since a moment (seconds since 1970, rounded to its hour).

        Those that have spent nothing are not in it. A call whose price is unknown counts nothing.
        """
        column: Column[str] = usage.c[owner]
        query = (
            select(column, func.sum(usage.c.cost))
            .where(usage.c.tenant == tenant, usage.c.hour >= int(since // HOUR), column != "")
            .group_by(column)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {name: cost for name, cost in rows if cost}

    async def totals(
        self, tenant: str, groups: tuple[Group, ...] = (), chosen: UsageFilter | None = None
    ) -> list[dict[str, Any]]:
        """Sums for each combination of `groups`, in no order; one row when there are none.

        `hour` and `day` are seconds since 1970. A request with two tags counts for both of them.
        """
        chosen = chosen or UsageFilter()
        columns = [COLUMNS[group].label(group) for group in groups]
        sums = [func.coalesce(func.sum(usage.c[name]), 0).label(name) for name in COUNTS]
        # A filter by tag looks into the arrays, so it comes after the sums of each array.
        apart = [usage.c.tags.label("tags")] if chosen.tag is not None and "tag" not in groups else []
        query = select(*columns, *apart, *sums).where(*conditions(tenant, chosen)).group_by(*columns, *apart)
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        plain = [{str(name): value for name, value in row.items()} for row in rows]
        if apart:
            plain = merged([row for row in plain if chosen.tag in tags_of(row.pop("tags"))], groups)
        if "tag" in groups:
            plain = merged(by_tag(plain, chosen.tag), groups)
        for row in plain:
            for name in ("hour", "day"):
                if name in row:
                    row[name] *= HOUR
        return plain


def enter(record: TraceRecord, buckets: dict[Bucket, Counts]) -> None:
    """Add one request to its buckets: itself where its answer came from, its calls where they went."""

    def bucket(model: str | None) -> Counts:
        key = (
            record.tenant, int(record.started_at // HOUR), record.key or "", record.team or "", record.user or "",
            model or "", record.requested or "", record.route, tags,
        )  # fmt: skip
        found = buckets.get(key)
        if found is None:
            found = buckets[key] = dict.fromkeys(COUNTS, 0)
        return found

    tags = msgspec.json.encode(sorted(set(record.tags))).decode() if record.tags else "[]"
    own = bucket(record.model)
    own["requests"] += 1
    own["errors"] += record.status == "error"
    own["cancelled"] += record.status == "cancelled"
    if record.cache in {"exact", "semantic", "stale"}:
        own[f"cached_{record.cache}"] += 1
    own["seconds"] += record.duration
    for call in record.calls:
        counts = bucket(call.model)
        counts["calls"] += 1
        counts["estimated_calls"] += call.estimated
        counts["unpriced_calls"] += call.cost is None
        for name in ("prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens"):
            counts[name] += getattr(call, name)
        counts["cost"] += call.cost or 0.0


def conditions(tenant: str, chosen: UsageFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [usage.c.tenant == tenant]
    if chosen.start is not None:
        found.append(usage.c.hour >= int(chosen.start.timestamp() // HOUR))
    if chosen.end is not None:
        found.append(usage.c.hour < int(chosen.end.timestamp() // HOUR))
    named = ("key", "team", "user", "model", "requested", "route")
    found += [usage.c[name] == value for name in named if (value := getattr(chosen, name)) is not None]
    return found


def by_tag(rows: list[dict[str, Any]], only: str | None) -> list[dict[str, Any]]:
    """One row for each tag of each array; what has none has the empty one."""
    return [row | {"tag": tag} for row in rows for tag in tags_of(row["tag"]) or [""] if only is None or tag == only]


def tags_of(array: str) -> list[str]:
    return msgspec.json.decode(array, type=list[str])


def merged(rows: list[dict[str, Any]], groups: tuple[Group, ...]) -> list[dict[str, Any]]:
    """Rows of the same groups, added up."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        same = found.setdefault(tuple(row[group] for group in groups), dict.fromkeys(COUNTS, 0))
        for name in COUNTS:
            same[name] += row[name]
    rows = [dict(zip(groups, key, strict=True)) | counts for key, counts in found.items()]
    return rows or ([] if groups else [dict.fromkeys(COUNTS, 0)])
