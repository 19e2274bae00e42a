"""`guru keys`: make, list, show, change, rotate and revoke API keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from guru.cli.holders import ROLES, limit_options, organisation_option
from guru.cli.options import asynchronous, default_group, home_option, json_option

HOUR = 3600.0


@default_group("list")
def command() -> None:
    """Make, list, change, rotate and revoke API keys."""


def scope_options(command: Any) -> Any:
    """What a key belongs to and what it may do."""
    for option in (
        click.option("--days", type=click.FloatRange(min=0, min_open=True), help="Days after which it expires."),
        click.option("--tag", "tags", multiple=True, metavar="TAG", help="Booked with its usage; may be repeated."),
        click.option(
            "--route", "routes", multiple=True, metavar="NAME", help="A door that it may use; may be repeated."
        ),
        click.option("--model", "models", multiple=True, metavar="NAME", help="A model or pattern; may be repeated."),
        click.option("--user", metavar="NAME", help="The user to whom it belongs."),
        click.option("--team", metavar="NAME", help="The team to which it belongs."),
        click.option("--role", type=ROLES, help="What it may do.  [default: member]"),
    ):
        command = option(command)
    return command


@command.command
@click.argument("name")
@scope_options
@limit_options
@organisation_option
@home_option
@json_option
@asynchronous
async def create(name: str, organisation: str | None, home: Path, as_json: bool, **options: Any) -> None:
    """Make the key NAME, and print it. It is shown this once: only its hash is kept."""
    from guru.cli.client import connect
    from guru.cli.holders import place

    body = {"name": name, "organisation": organisation} | wanted(None, options)
    async with connect(home) as client:
        show_secret(await client.post(place("keys"), body), as_json)


@command.command("list")
@organisation_option
@home_option
@json_option
@asynchronous
async def list_keys(organisation: str | None, home: Path, as_json: bool) -> None:
    """List the keys."""
    from guru.cli.client import connect
    from guru.cli.holders import place, show_budget, show_limits, show_time
    from guru.cli.output import print_list
    from guru.cli.tables import make_table

    async with connect(home) as client:
        found = await client.get(place("keys"), organisation=organisation)
    table = make_table("name", key="<", status="<", role="<", team="<", limits="<", budget="<", last_used="<")
    for key in found["keys"]:
        table.add_row(
            key["name"], key["prefix"], key["status"], key["role"], key["team"] or "", show_limits(key),
            show_budget(key), show_time(key["last_used_at"]) or "never",
        )  # fmt: skip
    print_list(found, table, "There are no keys yet. Make one: guru keys create NAME", as_json=as_json)


@command.command
@click.argument("name")
@organisation_option
@home_option
@json_option
@asynchronous
async def show(name: str, organisation: str | None, home: Path, as_json: bool) -> None:
    """Show the key NAME (or its id): what it may do, and when it was used."""
    from guru.cli.client import connect
    from guru.cli.holders import place, show_item
    from guru.cli.output import print_json

    async with connect(home) as client:
        key = await client.get(place("keys", name), organisation=organisation)
    print_json(key) if as_json else show_item(key)


@command.command("set")
@click.argument("name")
@scope_options
@limit_options
@organisation_option
@home_option
@json_option
@asynchronous
async def change(name: str, organisation: str | None, home: Path, as_json: bool, **options: Any) -> None:
    """Change what the key NAME may do. What is not given stays as it is; `none` takes a limit, team or user away."""
    from guru.cli.client import connect
    from guru.cli.holders import place, show_item
    from guru.cli.output import print_json

    async with connect(home) as client:
        before = await client.get(place("keys", name), organisation=organisation)
        body = {"organisation": organisation} | wanted(before, options)
        key = await client.request("PATCH", place("keys", before["id"]), body=body)
    print_json(key) if as_json else show_item(key)


@command.command
@click.argument("name")
@click.option("--grace", type=click.FloatRange(0, 2160), default=24, show_default=True, help="Hours that the old one still opens.")  # fmt: skip  # noqa: E501
@organisation_option
@home_option
@json_option
@asynchronous
async def rotate(name: str, grace: float, organisation: str | None, home: Path, as_json: bool) -> None:
    """Replace the key NAME by a new one, and print it. Limits, usage and rights stay."""
    from guru.cli.client import connect
    from guru.cli.holders import place

    body = {"grace_seconds": grace * HOUR, "organisation": organisation}
    async with connect(home) as client:
        show_secret(await client.post(place("keys", name, "/rotate"), body), as_json)


@command.command
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@organisation_option
@home_option
@asynchronous
async def revoke(name: str, yes: bool, organisation: str | None, home: Path) -> None:
    """Let the key NAME open nothing any more."""
    from guru.cli.client import connect
    from guru.cli.holders import place

    async with connect(home) as client:
        key = await client.get(place("keys", name), organisation=organisation)
        if not yes:
            click.confirm(f"Revoke {key['name']} ({key['prefix']})?", abort=True, err=True)
        await client.request("DELETE", place("keys", key["id"]), params={"organisation": organisation})
    click.echo(f"Revoked {key['name']}.")


def wanted(before: dict[str, Any] | None, options: dict[str, Any]) -> dict[str, Any]:
    """The body of a request from the options that were given."""
    from guru.cli.holders import changes, or_none

    names = ("rpm", "tpm", "concurrency", "budget", "per")
    body = changes(before, **{name: options[name] for name in names})
    for name in ("models", "routes", "tags"):
        if options[name]:
            body[name] = list(options[name])
    if options["role"] is not None:
        body["role"] = options["role"]
    for name in ("team", "user"):
        if options[name] is not None:
            body[name] = or_none(options[name])
    if options["days"] is not None:
        body["expires_in_days"] = options["days"]
    return body


def show_secret(made: dict[str, Any], as_json: bool) -> None:
    from guru.cli.output import print_json

    if as_json:
        print_json(made)
        return
    click.echo(made["key"])
    click.echo(f"This is {made['name']}. Keep it: it is shown this once.", err=True)
