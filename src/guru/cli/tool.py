"""`guru tool`: which tools there are, and calling one by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from guru.cli.options import asynchronous, default_group, home_option, json_option


@default_group("list")
def command() -> None:
    """See the tools that models may use, and call them by hand."""


@command.command("list")
@home_option
@json_option
@asynchronous
async def list_tools(home: Path, as_json: bool) -> None:
    """List the tools: what each does, whether it changes something, and whether a person says yes to each call."""
    from guru.cli.client import connect
    from guru.cli.output import clean, one_line, print_list
    from guru.cli.tables import make_table

    async with connect(home) as client:
        found = await client.get("/api/v1/tools")
    table = make_table("tool", effect="<", approval="<", description="<")
    for tool in found["tools"]:
        table.add_row(
            tool["name"], tool["effect"], "each call" if tool["approval"] else "", one_line(tool["description"], 90)
        )
    print_list(found, table, as_json=as_json)
    for problem in found["problems"] if not as_json else ():
        click.echo(f"[{problem['place']}] is not offered: {clean(problem['message'])}", err=True)


@command.command
@click.argument("name")
@home_option
@json_option
@asynchronous
async def show(name: str, home: Path, as_json: bool) -> None:
    """Show the tool NAME with the arguments that it takes."""
    import difflib

    from guru.cli.client import connect
    from guru.cli.output import clean, print_json
    from guru.errors import NotFound

    async with connect(home) as client:
        found = (await client.get("/api/v1/tools"))["tools"]
    tool = next((item for item in found if item["name"] == name), None)
    if tool is None:
        near = difflib.get_close_matches(name, [item["name"] for item in found], n=1)
        hint = f"Did you mean {near[0]!r}?" if near else "See: guru tool list"
        raise NotFound(f"There is no tool {name!r}.", hint=hint)
    if as_json:
        print_json(tool)
        return
    click.echo(f"{tool['name']} ({tool['effect']}{', a person approves each call' if tool['approval'] else ''})\n")
    click.echo(clean(tool["description"]))
    required = tool["parameters"].get("required") or []
    for argument, schema in (tool["parameters"].get("properties") or {}).items():
        needed = "" if argument in required else ", may be left out"
        described = f": {clean(schema['description'])}" if "description" in schema else ""
        click.echo(f"\n  {argument} ({kind(schema)}{needed}){described}")


@command.command
@click.argument("name")
@click.option("--arguments", default="{}", metavar="JSON", help="The arguments, as one JSON object; - reads stdin.")
@home_option
@json_option
@asynchronous
async def call(name: str, arguments: str, home: Path, as_json: bool) -> None:
    """Call the tool NAME. Status 1 when the call fails."""
    from guru.cli.client import connect
    from guru.cli.output import clean, print_json

    values = read_arguments(arguments)
    async with connect(home) as client:
        result = await client.post(f"/api/v1/tools/{quote(name, safe='')}/call", {"arguments": values})
    if as_json:
        print_json(result)
    else:
        click.echo(clean(result["text"]), err=result["failed"])
    if result["failed"]:
        raise SystemExit(1)


def read_arguments(text: str) -> dict[str, Any]:
    """The arguments of the command line. Raises `click.BadParameter`."""
    try:
        values = json.loads(sys.stdin.read() if text == "-" else text)
    except ValueError as error:
        raise click.BadParameter(f"not JSON: {error}", param_hint="--arguments") from error
    if not isinstance(values, dict):
        raise click.BadParameter("a JSON object is wanted", param_hint="--arguments")
    return values


def kind(schema: dict[str, Any]) -> str:
    """The type of an argument in a word."""
    if "enum" in schema:
        return " | ".join(json.dumps(option) for option in schema["enum"])
    found = schema.get("type", "any")
    return " or ".join(found) if isinstance(found, list) else str(found)
