"""`guru users`: make, list, change and delete users."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from guru.cli.holders import ROLES, limit_options, organisation_option
from guru.cli.options import asynchronous, default_group, home_option, json_option

ROLE = click.option("--role", type=ROLES, help="The most that a key of the user may do.  [default: member]")
TEAM = click.option("--team", metavar="NAME", help="The team of keys that name none themselves.")


@default_group("list")
def command() -> None:
    """Make, list, change and delete users, to whom keys belong."""


@command.command("list")
@organisation_option
@home_option
@json_option
@asynchronous
async def list_users(organisation: str | None, home: Path, as_json: bool) -> None:
    """List the users."""
    from guru.cli.client import connect
    from guru.cli.holders import place, show_budget, show_limits
    from guru.cli.output import print_list
    from guru.cli.tables import make_table

    async with connect(home) as client:
        found = await client.get(place("users"), organisation=organisation)
    table = make_table("name", role="<", team="<", limits="<", budget="<", disabled="<")
    for user in found["users"]:
        disabled = "yes" if user["disabled"] else ""
        table.add_row(user["name"], user["role"], user["team"] or "", show_limits(user), show_budget(user), disabled)
    print_list(found, table, "There are no users yet. Make one: guru users create NAME", as_json=as_json)


@command.command
@click.argument("name")
@ROLE
@TEAM
@limit_options
@organisation_option
@home_option
@json_option
@asynchronous
async def create(name: str, organisation: str | None, home: Path, as_json: bool, **options: Any) -> None:
    """Make the user NAME."""
    await send("POST", None, {"name": name}, organisation, home, as_json, options)


@command.command("set")
@click.argument("name")
@ROLE
@TEAM
@click.option("--disable/--enable", "disabled", default=None, help="Whether no key of the user opens anything.")
@limit_options
@organisation_option
@home_option
@json_option
@asynchronous
async def change(
    name: str, disabled: bool | None, organisation: str | None, home: Path, as_json: bool, **options: Any
) -> None:
    """Change the user NAME. What is not given stays as it is; `none` takes a limit, the budget or the team away."""
    body = {} if disabled is None else {"disabled": disabled}
    await send("PATCH", name, body, organisation, home, as_json, options)


async def send(
    method: str, there: str | None, body: dict[str, Any], organisation: str | None, home: Path, as_json: bool,
    options: dict[str, Any],
) -> None:  # fmt: skip
    from guru.cli.client import connect
    from guru.cli.holders import changes, or_none, place, show_item
    from guru.cli.output import print_json

    role, team = options.pop("role"), options.pop("team")
    body = body | {"organisation": organisation}
    body |= {"role": role} if role else {}
    body |= {"team": or_none(team)} if team else {}
    async with connect(home) as client:
        before = await client.get(place("users", there), organisation=organisation) if there else None
        user = await client.request(method, place("users", there or ""), body=body | changes(before, **options))
    print_json(user) if as_json else show_item(user)


@command.command
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@organisation_option
@home_option
@asynchronous
async def delete(name: str, yes: bool, organisation: str | None, home: Path) -> None:
    """Delete the user NAME, who has no keys any more."""
    from guru.cli.client import connect
    from guru.cli.holders import place

    if not yes:
        click.confirm(f"Delete the user {name}?", abort=True, err=True)
    async with connect(home) as client:
        await client.request("DELETE", place("users", name), params={"organisation": organisation})
    click.echo(f"Deleted {name}.")
