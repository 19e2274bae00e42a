"""What was used and what it cost."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field
from starlette.responses import Response

from guru.errors import Forbidden, InvalidParameter
from guru.gateway.cost.ledger import COUNTS, Group, UsageFilter
from guru.server.endpoint import Call, get

GROUPS: tuple[Group, ...] = get_args(Group)
DAYS = 30
"""Shown when no beginning is asked for, today included."""


class UsageQuery(Struct, forbid_unknown_fields=True, kw_only=True):
    group_by: str = ""
    """One or more of key, team, user, model, requested, route, tag, hour and day, with commas between; empty: the
    total alone."""
    start: str | None = field(default=None, name="from")
    """The first hour: a date or a date with time (ISO 8601), UTC where it does not say. Else 30 days ago."""
    end: str | None = field(default=None, name="to")
    """The first hour that does not count any more; else now."""
    key: str | None = None
    team: str | None = None
    user: str | None = None
    model: str | None = None
    requested: str | None = None
    """The model or alias that was asked for."""
    route: str | None = None
    tag: str | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    offset: Annotated[int, Meta(ge=0)] = 0
    format: Literal["json", "csv"] | None = None
    """`csv` gives all rows at once; `Accept: text/csv` asks for the same."""


class Totals(Struct, kw_only=True):
    requests: int = 0
    errors: int = 0
    cancelled: int = 0
    """The client went away, or the server stopped."""
    cached_exact: int = 0
    """Requests answered from the cache by the same request before, and by one that means the same."""
    cached_semantic: int = 0
    cached_stale: int = 0
    """Answered with an old answer, because all else had failed."""
    calls: int = 0
    """Of models: retries, fallbacks and mirrored calls included."""
    estimated_calls: int = 0
    """Calls whose tokens were counted here, because the answer was cut off."""
    unpriced_calls: int = 0
    """Calls whose price is not known; `cost` does not have them."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost: float | None = 0.0
    """US dollars; null where the price of calls is not known and nothing else has cost anything."""
    seconds: float = 0.0
    """Of all requests together."""


class UsageRow(Totals, kw_only=True, omit_defaults=False):
    """The sums of one combination; of the groups, those that were asked for are there. Null is: none."""

    key: str | UnsetType | None = UNSET
    """The key's id; beside it stands its name."""
    key_name: str | UnsetType | None = UNSET
    team: str | UnsetType | None = UNSET
    user: str | UnsetType | None = UNSET
    model: str | UnsetType | None = UNSET
    requested: str | UnsetType | None = UNSET
    route: str | UnsetType | None = UNSET
    tag: str | UnsetType | None = UNSET
    hour: datetime | UnsetType = UNSET
    day: datetime | UnsetType = UNSET


class UsageReport(Struct, kw_only=True):
    start: datetime = field(name="from")
    end: datetime = field(name="to")
    group_by: list[str]
    rows: list[UsageRow]
    """By time where that was asked for; then what cost most comes first."""
    total: Totals
    """Of everything chosen, not of this page alone. A request with several tags counts once."""
    next: int | None
    """Give it as `offset` to see more; null at the end."""


@get("/api/v1/usage", answer=UsageReport)
async def show_usage(call: Call, query: UsageQuery) -> UsageReport | Response:
    """Requests, tokens and costs, added up by the hour, as JSON or CSV.

    A key of the role `member` sees what it used itself.
    """
    groups = parse_groups(query.group_by)
    chosen = choose(call, query)
    ledger = call.services.ledger
    rows = ordered(await ledger.totals(call.tenant, groups, chosen), groups) if groups else []
    (total,) = await ledger.totals(call.tenant, (), chosen)
    names = {key.id: key.name for key in call.services.directory.keys(call.tenant)} if "key" in groups else {}
    if query.format == "csv" or (query.format is None and "text/csv" in call.request.headers.get("accept", "")):
        return csv_response(rows if groups else [total], groups, names)
    page = rows[query.offset : query.offset + query.limit]
    end = query.offset + len(page)
    assert chosen.start and chosen.end
    return UsageReport(
        start=chosen.start, end=chosen.end, group_by=list(groups),
        rows=[to_row(row, groups, names) for row in page], total=msgspec.convert(known(total), Totals, strict=False),
        next=end if end < len(rows) else None,
    )  # fmt: skip


def parse_groups(text: str) -> tuple[Group, ...]:
    """Raises `InvalidParameter`."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in GROUPS:
            raise InvalidParameter(
                f"Usage cannot be grouped by {name!r}.", param="group_by", hint=f"Known are: {', '.join(GROUPS)}."
            )
    return tuple(dict.fromkeys(names))  # type: ignore[arg-type]


def choose(call: Call, query: UsageQuery) -> UsageFilter:
    """What the caller asks for, as far as it may see it. Raises `Forbidden` and `InvalidParameter`."""
    now = datetime.now(UTC)
    start = moment("from", query.start) or midnight(now) - timedelta(days=DAYS - 1)
    end = moment("to", query.end) or hour_of(now) + timedelta(hours=1)
    if start >= end:
        raise InvalidParameter("`from` is not before `to`.", param="from", hint="Give an earlier beginning.")
    caller, key = call.caller("usage"), query.key
    if caller.role == "member":
        if key not in {None, caller.key}:
            raise Forbidden("A key sees what it used itself.", hint="Ask with a key of the role `admin` or `viewer`.")
        key = caller.key or ""
    return UsageFilter(
        start=start, end=end, key=key, team=query.team, user=query.user, model=query.model,
        requested=query.requested, route=query.route, tag=query.tag,
    )  # fmt: skip


def moment(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
        return hour_of(found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise InvalidParameter(
            f"`{name}` is not a date: {text[:40]!r}.", param=name, hint="Write 2026-01-31 or 2026-01-31T12:00:00Z."
        ) from None


def midnight(time: datetime) -> datetime:
    return time.replace(hour=0, minute=0, second=0, microsecond=0)


def hour_of(time: datetime) -> datetime:
    return time.replace(minute=0, second=0, microsecond=0)


def ordered(rows: list[dict[str, Any]], groups: tuple[Group, ...]) -> list[dict[str, Any]]:
    def place(row: dict[str, Any]) -> tuple[Any, ...]:
        times = [row[name] for name in ("day", "hour") if name in row]
        names = [row[name] for name in groups]
        return (*times, -row["cost"], -row["requests"], *names)

    return sorted(rows, key=place)


def known(row: dict[str, Any]) -> dict[str, Any]:
    """A cost of which nothing is known is no 0: neither is it 0 because others were free or failed."""
    if row["unpriced_calls"] and not row["cost"]:
        return row | {"cost": None}
    return row


def to_row(row: dict[str, Any], groups: tuple[Group, ...], names: Mapping[str, str]) -> UsageRow:
    """`names` are those of the keys, by their ids."""
    shown: dict[str, Any] = {name: row[name] or None for name in groups}
    if "key" in groups:
        shown["key_name"] = names.get(row["key"])
    for name in ("hour", "day"):
        if name in row:
            shown[name] = datetime.fromtimestamp(row[name], UTC)
    return msgspec.convert(known({name: row[name] for name in COUNTS}) | shown, UsageRow, strict=False)


def csv_response(rows: list[dict[str, Any]], groups: tuple[Group, ...], names: Mapping[str, str]) -> Response:
    """All rows with a head (RFC 4180); a cost of which nothing is known is the word `unknown`."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    heads = [head for name in groups for head in ((name, "key_name") if name == "key" else (name,))]
    writer.writerow([*heads, *COUNTS])
    for row in map(known, rows):
        texts: dict[str, str] = {name: cell(name, row[name]) for name in groups}
        if "key" in texts:
            texts["key_name"] = cell("key", names.get(row["key"], ""))
        counts = ("unknown" if row[count] is None else row[count] for count in COUNTS)
        writer.writerow([*(texts[head] for head in heads), *counts])
    headers = {"content-disposition": 'attachment; filename="usage.csv"'}
    return Response(buffer.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def cell(group: Group, value: Any) -> str:
    if group in {"hour", "day"}:
        time = datetime.fromtimestamp(value, UTC)
        return f"{time:%Y-%m-%d}" if group == "day" else f"{time:%Y-%m-%dT%H:%M:%SZ}"
    # A spreadsheet would take a name that begins like this for a formula.
    return f"'{value}" if str(value).startswith(("=", "+", "-", "@", "\t", "\r")) else str(value)


DOORS = [show_usage]
