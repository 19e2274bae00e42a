"""`guru usage`: who used how much, and what it cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from guru.cli.options import asynchronous, home_option, json_option

GROUPS = ("key", "team", "user", "model", "requested", "route", "tag", "day", "hour")


@click.command
@click.option(
    "--by",
    "groups",
    multiple=True,
    type=click.Choice(GROUPS),
    help="Group by this; may be given again.  [default: model]",
)
@click.option(
    "--days", type=click.IntRange(1, 3660), default=30, show_default=True, help="How far back, today included (UTC)."
)
@click.option(
    "--from", "start", metavar="TIME", help="The beginning, as 2026-01-31 or 2026-01-31T12:00; in place of --days."
)
@click.option("--to", "end", metavar="TIME", help="The end.  [default: now]")
@click.option("--csv", "as_csv", is_flag=True, help="Print everything as CSV.")
@home_option
@json_option
@asynchronous
async def command(
    groups: tuple[str, ...], days: int, start: str | None, end: str | None, as_csv: bool, home: Path, as_json: bool
) -> None:
    """See who used how much of which model, and what it cost."""
    from guru.cli.client import connect
    from guru.cli.output import console, print_json, print_table
    from guru.cli.tables import make_table

    chosen = groups or ("model",)
    first = start or f"{datetime.now(UTC) - timedelta(days=days - 1):%Y-%m-%d}"
    query = {"group_by": ",".join(chosen), "from": first, "to": end, "limit": 1000}
    async with connect(home) as client:
        if as_csv:
            click.echo(await client.text("/api/v1/usage", **query, format="csv"), nl=False)
            return
        report = await client.get("/api/v1/usage", **query)
    if as_json:
        print_json(report)
        return
    columns = dict.fromkeys(chosen[1:], "<")
    table = make_table(chosen[0], **columns, requests=">", errors=">", cached=">", prompt=">", completion=">", cost=">")
    label_keys(report["rows"])
    for row in [*report["rows"], report["total"]]:
        is_total = row is report["total"]
        names = [shown(name, row.get(name)) for name in chosen] if not is_total else ["total", *[""] * len(columns)]
        table.add_row(
            *names,
            f"{row['requests']:,}",
            f"{row['errors']:,}",
            f"{row['cached_exact'] + row['cached_semantic'] + row['cached_stale']:,}",
            f"{row['prompt_tokens']:,}",
            f"{row['completion_tokens']:,}",
            dollars(row["cost"], row["unpriced_calls"]),
            end_section=not is_total and row is report["rows"][-1],
        )
    print_table(console(), table)
    if report["next"] is not None:
        click.echo("There is more: --csv prints everything.")


def label_keys(rows: list[dict[str, Any]]) -> None:
    """Put names in place of the keys' ids; where a name was given again, the id stands beside it."""
    bearers: dict[str, set[str]] = {}
    for row in rows:
        if row.get("key_name"):
            bearers.setdefault(row["key_name"], set()).add(row["key"])
    for row in rows:
        if name := row.get("key_name"):
            row["key"] = name if len(bearers[name]) == 1 else f"{name} ({row['key']})"


def shown(group: str, value: str | None) -> str:
    """A name, or the day or hour in short."""
    if value is None:
        return "–"
    return {"day": value[:10], "hour": value[:16].replace("T", " ")}.get(group, value)


def dollars(cost: float | None, unpriced: int) -> str:
    """`$1.25`; with a plus where the price of some calls is not known."""
    if cost is None:
        return "unknown"
    text = f"${cost:,.2f}" if cost >= 1 or cost == 0 else f"${cost:.4f}"
    return f"{text} + unknown" if unpriced else text
