"""`guru trace`: the road that a request took, step by step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from guru.cli.options import asynchronous, default_group, home_option, json_option

JSON = dict[str, Any]
BAR_WIDTH = 40


@default_group("list")
def command() -> None:
    """See what happened on a request's road."""


@command.command("list")
@click.option("-n", "--limit", type=click.IntRange(1, 500), default=20, show_default=True)
@home_option
@json_option
@asynchronous
async def list_traces(limit: int, home: Path, as_json: bool) -> None:
    """List the latest requests."""
    from guru.cli.client import connect
    from guru.cli.output import human_seconds, one_line, print_list
    from guru.cli.tables import make_table
    from guru.cli.usage import dollars

    async with connect(home) as client:
        found = await client.get("/api/v1/traces", limit=limit)
    table = make_table(
        "id", started="<", route="<", model="<", status="<", total=">", tokens=">", cost=">", request="<"
    )
    for trace in found["traces"]:
        table.add_row(
            trace["id"],
            trace["started_at"][:19].replace("T", " "),
            trace["route"],
            trace["model"] or "",
            trace["status"],
            human_seconds(trace["duration"]),
            f"{trace['prompt_tokens']}+{trace['completion_tokens']}",
            dollars(trace["cost"], trace["unpriced_calls"]),
            one_line(trace["preview"] or "", 60),
        )
    print_list(found, table, 'There are no traces yet. Ask something: guru ask "…"', as_json=as_json)


@command.command
@click.argument("trace_id", metavar="ID")
@home_option
@json_option
@asynchronous
async def show(trace_id: str, home: Path, as_json: bool) -> None:
    """Draw the waterfall of the request ID, with what each step was given and gave."""
    from guru.cli.client import connect
    from guru.cli.output import human_seconds, one_line, print_json
    from guru.cli.usage import dollars

    async with connect(home) as client:
        trace = await client.get(f"/api/v1/traces/{trace_id}")
    if as_json:
        print_json(trace)
        return
    total = max([trace["duration"], *(span["end"] for span in trace["spans"])], default=0.0) or 1e-9
    click.echo(f"{trace['id']}  {trace['route']}  {trace['model'] or ''}  {trace['status']}")
    cost = dollars(trace["cost"], trace["unpriced_calls"])
    click.echo(f"{trace['started_at']}  {human_seconds(trace['duration'])}  {cost}")
    click.echo()
    for depth, span in in_order(trace["spans"]):
        name = f"{'  ' * depth}{span['name']}"
        seconds = human_seconds(span["end"] - span["start"])
        mark = "" if span["status"] == "ok" else f"  {span['status']}"
        click.echo(f"{name:<24} {bar(span['start'], span['end'], total)} {seconds:>8}{mark}")
    click.echo()
    for _, span in in_order(trace["spans"]):
        for key, value in span["attributes"].items():
            click.echo(f"{span['name']}.{key}: {one_line(show_value(value), 500)}")


def in_order(spans: list[JSON], parent: str | None = None, depth: int = 0) -> list[tuple[int, JSON]]:
    """Spans as a tree, in the order they began, with their depth. A span whose parent is not here stands at the top."""
    known = {span["id"] for span in spans}
    own = [span for span in spans if (span["parent_id"] if span["parent_id"] in known else None) == parent]
    result = []
    for span in sorted(own, key=lambda span: span["start"]):
        result += [(depth, span), *in_order(spans, span["id"], depth + 1)]
    return result


def bar(start: float, end: float, total: float) -> str:
    """A span on the time line of the whole request."""
    first = min(BAR_WIDTH - 1, int(start / total * BAR_WIDTH))
    last = min(BAR_WIDTH, max(first + 1, round(end / total * BAR_WIDTH)))
    return f"│{' ' * first}{'█' * (last - first)}{' ' * (BAR_WIDTH - last)}│"


def show_value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
