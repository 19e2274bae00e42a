"""`guru teams`: make, list, change and delete teams."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from guru.cli.holders import limit_options, organisation_option
from guru.cli.options import asynchronous, default_group, home_option, json_option

MODELS = click.option("--model", "models", multiple=True, metavar="NAME", help="A model or pattern; may be repeated.")


@default_group("list")
def command() -> None:
    """Make, list, change and delete teams, whose keys share limits and a budget."""


@command.command("list")
@organisation_option
@home_option
@json_option
@asynchronous
async def list_teams(organisation: str | None, home: Path, as_json: bool) -> None:
    """List the teams."""
    from guru.cli.client import connect
    from guru.cli.holders import place, show_budget, show_limits
    from guru.cli.output import print_list
    from guru.cli.tables import make_table

    async with connect(home) as client:
        found = await client.get(place("teams"), organisation=organisation)
    table = make_table("name", models="<", limits="<", budget="<")
    for team in found["teams"]:
        table.add_row(team["name"], ", ".join(team["models"]), show_limits(team), show_budget(team))
    print_list(found, table, "There are no teams yet. Make one: guru teams create NAME", as_json=as_json)


@command.command
@click.argument("name")
@MODELS
@limit_options
@organisation_option
@home_option
@json_option
@asynchronous
async def create(name: str, models: tuple[str, ...], organisation: str | None, home: Path, as_json: bool, **options: Any) -> None:  # fmt: skip  # noqa: E501
    """Make the team NAME."""
    await send("POST", None, name, models, organisation, home, as_json, options)


@command.command("set")
@click.argument("name")
@MODELS
@limit_options
@organisation_option
@home_option
@json_option
@asynchronous
async def change(name: str, models: tuple[str, ...], organisation: str | None, home: Path, as_json: bool, **options: Any) -> None:  # fmt: skip  # noqa: E501
    """Change the team NAME. What is not given stays as it is; `none` takes a limit or the budget away."""
    await send("PATCH", name, name, models, organisation, home, as_json, options)


async def send(
    method: str, there: str | None, name: str, models: tuple[str, ...], organisation: str | None, home: Path,
    as_json: bool, options: dict[str, Any],
) -> None:  # fmt: skip
    from guru.cli.client import connect
    from guru.cli.holders import changes, place, show_item
    from guru.cli.output import print_json

    async with connect(home) as client:
        before = await client.get(place("teams", there), organisation=organisation) if there else None
        body: dict[str, Any] = {"organisation": organisation} | changes(before, **options)
        if models:
            body["models"] = list(models)
        if before is None:
            body["name"] = name
        team = await client.request(method, place("teams", there or ""), body=body)
    print_json(team) if as_json else show_item(team)


@command.command
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@organisation_option
@home_option
@asynchronous
async def delete(name: str, yes: bool, organisation: str | None, home: Path) -> None:
    """Delete the team NAME, to which no key and no user belongs any more."""
    from guru.cli.client import connect
    from guru.cli.holders import place

    if not yes:
        click.confirm(f"Delete the team {name}?", abort=True, err=True)
    async with connect(home) as client:
        await client.request("DELETE", place("teams", name), params={"organisation": organisation})
    click.echo(f"Deleted {name}.")
