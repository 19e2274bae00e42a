"""`guru config`: is the configuration right, and where does each value come from?"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import click

from guru.cli.options import home_option, json_option

JSON = dict[str, Any]
SECRETS = ("token", "api_key", "webhook_key", "key", "password", "secret")
IN_QUERY = re.compile(rf"([?&](?:{'|'.join(SECRETS)})=)[^&#]*", re.IGNORECASE)
"""A secret among the parameters of an address."""
config_option = click.option(
    "--config", "file", type=click.Path(path_type=Path), metavar="FILE", help="Read FILE instead of guru.toml."
)


@click.group(invoke_without_command=True)
@config_option
@home_option
@json_option
@click.pass_context
def command(context: click.Context, file: Path | None, home: Path, as_json: bool) -> None:
    """Check and show the configuration: defaults, then guru.toml, then GURU_* variables, then flags."""
    if context.invoked_subcommand is None:
        context.invoke(show, file=file, home=home, as_json=as_json)


@command.command
@config_option
@click.option("--offline", is_flag=True, help="Do not ask providers and other addresses whether they answer.")
@home_option
@json_option
def check(file: Path | None, home: Path, offline: bool, as_json: bool) -> None:
    """Say whether the configuration is right: keys and values, models behind aliases, providers that answer.

    A wrong name is answered with the nearest known one. Addresses are asked at once and have 5 seconds. The exit
    status is 1 when there is an error; hints and warnings leave it at 0.
    """
    import asyncio

    from guru.cli.output import print_json
    from guru.config import find_file

    where = str(find_file(file, home) or "The configuration (there is no guru.toml)")
    findings = asyncio.run(look(file, home, connect=not offline))
    failed = any(finding["level"] == "error" for finding in findings)
    if as_json:
        print_json({"file": where, "valid": not failed, "findings": findings})
    else:
        for finding in findings:
            show_finding(finding)
        click.echo(f"{where} has errors." if failed else f"{where} is valid.")
    if failed:
        raise SystemExit(1)


async def look(file: Path | None, home: Path, *, connect: bool) -> list[JSON]:
    """Everything that was looked at, by its place; only what keeps it from being read, where something does."""
    import msgspec

    from guru.config import misnamed_variables, read_settings
    from guru.errors import ConfigurationError
    from guru.gateway.check import check as check_settings
    from guru.server.app import DOORS

    try:
        settings, problems = read_settings(file, home=home)
    except ConfigurationError as error:
        settings, problems = None, [error]
    found = [to_finding(error.param or "file", "error", error.message, error.hint) for error in problems]
    for finding in found:  # a message may begin with the place that is shown before it
        finding["message"] = finding["message"].removeprefix(f"{finding['place']} ")
    for name, near in misnamed_variables(os.environ):
        hint = f"Did you mean {near}?" if near else None
        found.append(to_finding(name, "warning", "No setting is called like this variable.", hint))
    if settings is not None:
        doors = {door.name for door in DOORS if not door.public} | {"chat.socket"}
        findings = check_settings(settings, home, connect=connect, doors=doors)
        found += [msgspec.to_builtins(finding) async for finding in findings]
    return sorted(found, key=lambda finding: (str(finding["place"]), str(finding["message"])))


def to_finding(place: str, level: str, message: str, hint: str | None) -> JSON:
    return {"place": place, "level": level, "message": message} | ({"hint": hint} if hint else {})


def show_finding(finding: JSON) -> None:
    colours = {"ok": "green", "hint": "cyan", "warning": "yellow", "error": "red"}
    click.secho(f"{finding['level']:>7}", fg=colours[finding["level"]], nl=False)
    click.echo(f"  {finding['place']}: {finding['message']}")
    if finding.get("hint"):
        click.echo(f"         {finding['hint']}")


@command.command
@config_option
@home_option
@json_option
def show(file: Path | None, home: Path, as_json: bool) -> None:
    """Show every setting with its value and where that comes from. Secrets are masked."""
    from guru.cli.output import print_json, print_table

    rows = describe(file, home)
    if as_json:
        print_json({"home": str(home), "settings": rows})
        return
    from guru.cli.output import console
    from guru.cli.tables import make_table

    table = make_table("setting", value="<", comes_from="<")
    for row in rows:
        value = "" if row["value"] is None else str(row["value"])
        table.add_row(row["name"], value, row["source"])
    console().print(f"home: {home}", soft_wrap=True)
    print_table(console(), table)


def describe(file: Path | None, home: Path) -> list[JSON]:
    """Every setting: its dotted name, its value as JSON, and its source. Raises `ConfigurationError`."""
    import msgspec

    from guru.config import environment_values, find_file, load_settings, read_toml

    settings = msgspec.to_builtins(load_settings(file, home=home))
    path = find_file(file, home)
    written = set(flatten(read_toml(path))) if path else set()
    variables = {".".join(place) for place, _ in environment_values(os.environ)}

    def source(name: str) -> str:
        if name in variables:
            return f"GURU_{name.replace('.', '_').upper()}"
        return str(path) if name in written else "default"

    return [
        {"name": name, "value": mask(name, value), "source": source(name)} for name, value in flatten(settings).items()
    ]


def flatten(tree: JSON, prefix: str = "") -> JSON:
    """`{"server": {"port": 1}}` as `{"server.port": 1}`."""
    flat: JSON = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def mask(name: str, value: Any) -> Any:
    """`value`, or asterisks where it is a secret: a key by its name, or a password or a key within a URL."""
    if not isinstance(value, str) or not value:
        return value
    if name.rpartition(".")[2] in SECRETS or ".headers." in name or ".query." in name:
        return "********"
    value = IN_QUERY.sub(r"\1********", value)
    scheme, separator, rest = value.partition("://")
    user, at, host = rest.rpartition("@")
    return f"{scheme}{separator}{user.partition(':')[0]}:********@{host}" if at and ":" in user else value
