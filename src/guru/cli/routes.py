"""`guru routes`: which deployments stand behind which name, and how they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from guru.cli.options import asynchronous, home_option, json_option


@click.command
@home_option
@json_option
@asynchronous
async def command(home: Path, as_json: bool) -> None:
    """List aliases with their deployments: health, requests in flight, latency, errors, price of a million tokens."""
    from guru.cli.client import connect
    from guru.cli.output import one_line, print_list
    from guru.cli.tables import make_table

    async with connect(home) as client:
        found = await client.get("/api/v1/routes")
    columns = {"weight": ">", "state": "<", "in_flight": ">", "requests": ">", "failures": ">", "first_token": ">"}
    table = make_table("route", deployment="<", **columns, price=">", last_error="<")
    for route in found["routes"]:
        for number, deployment in enumerate(route["deployments"]):
            table.add_row(
                f"{route['name']} ({route['strategy']})" if number == 0 else "",
                deployment["model"] + (f" [{deployment['label']}]" if deployment["label"] else ""),
                f"{deployment['weight']:g}",
                state(deployment),
                str(deployment["in_flight"]),
                f"{deployment['requests']:,}",
                f"{deployment['failures']:,}",
                "" if deployment["first_token"] is None else f"{deployment['first_token']:.3f} s",
                price(deployment["price"]),
                one_line(deployment["last_error"] or "", 60),
            )
    nothing = "There are no aliases, and nothing was asked yet. See docs/routing.md for [models.NAME]."
    print_list(found, table, nothing, as_json=as_json)


def price(rates: dict[str, float] | None) -> str:
    """US dollars for a million tokens of prompt and of answer."""
    if rates is None:
        return "unknown"
    return "free" if not any(rates.values()) else f"${rates['input']:g} / ${rates['output']:g}"


def state(deployment: dict[str, Any]) -> str:
    """In a word or two, why it is asked or not."""
    if deployment["rests_for"]:
        return f"rests {deployment['rests_for']:.0f} s"
    if deployment["breaker"] == "open":
        return f"out {deployment['opens_in']:.0f} s"
    if deployment["breaker"] == "half-open":
        return "on trial"
    if deployment["alive"] is False:
        return "check failed"
    return "ready" if deployment["available"] else "busy"
