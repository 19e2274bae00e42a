"""`guru mcp`: this server for MCP's clients, and other servers' tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from guru.cli.options import asynchronous, home_option, json_option

JSON = dict[str, Any]
SERVERS = "/api/v1/mcp/servers"


@click.group
def command() -> None:
    """Serve to MCP clients, and use the tools of MCP servers that the configuration names."""


@command.command
@home_option
@asynchronous
async def serve(home: Path) -> None:
    """Speak MCP over standard input and output, for a client that starts programs.

    It serves what /mcp of the server on this home serves, through that server where one runs.
    """
    from guru.cli.client import connect
    from guru.cli.mcp_serve import bridge

    async with connect(home) as client:
        await bridge(client)


@command.command
@home_option
@json_option
@asynchronous
async def servers(home: Path, as_json: bool) -> None:
    """List the MCP servers of the configuration."""
    from guru.cli.client import connect
    from guru.cli.output import clean, print_json

    async with connect(home) as client:
        found = await client.get(SERVERS)
    if as_json:
        print_json(found)
        return
    for server in found["servers"]:
        facts = [server["transport"], server["state"], server["revision"] or "", clean(server["error"] or "")]
        click.echo("  ".join([server["name"], *(fact for fact in facts if fact)]))
    if not found["servers"]:
        click.echo("There are none. Name one in guru.toml, as [mcp.servers.NAME].")


@command.command
@click.argument("server")
@home_option
@json_option
@asynchronous
async def tools(server: str, home: Path, as_json: bool) -> None:
    """List the tools of SERVER, and which of them wait to be accepted."""
    from guru.cli.client import connect
    from guru.cli.output import print_json

    async with connect(home) as client:
        found = await client.get(server_path(server, "/tools"))
    if as_json:
        print_json(found)
        return
    for tool in found["tools"]:
        show_tool(tool)
    if not found["tools"]:
        click.echo(f"{server} has no tools.")


@command.command
@click.argument("server")
@click.argument("tool")
@click.option("--yes", is_flag=True, help="Accept it without a question.")
@home_option
@json_option
@asynchronous
async def approve(server: str, tool: str, yes: bool, home: Path, as_json: bool) -> None:
    """Look at TOOL of SERVER as it is described now, and accept it."""
    from guru.cli.client import connect
    from guru.cli.output import print_json
    from guru.errors import NotFound

    async with connect(home) as client:
        found = await client.get(server_path(server, "/tools"))
        shown = next((item for item in found["tools"] if item["name"] == tool), None)
        if shown is None:
            raise NotFound(f"{server} has no tool {tool!r}.", hint=f"guru mcp tools {server} lists them.")
        if not as_json:
            show_tool(shown, whole=True)
        if not yes:
            click.confirm("Accept it as it is?", abort=True, err=as_json)
        body = {"tool": tool, "fingerprint": shown["fingerprint"]}
        accepted = await client.post(server_path(server, "/accept"), body)
    if as_json:
        print_json(accepted)
    else:
        click.echo(f"{tool} is accepted.")


@command.command
@click.argument("server")
@click.argument("tool")
@click.argument("arguments", default="{}")
@home_option
@json_option
@asynchronous
async def call(server: str, tool: str, arguments: str, home: Path, as_json: bool) -> None:
    """Call TOOL of SERVER with ARGUMENTS, a JSON object."""
    from guru.cli.client import connect
    from guru.cli.output import clean, print_json
    from guru.errors import GuruError

    try:
        values = json.loads(arguments)
    except ValueError as error:
        raise click.UsageError(f"ARGUMENTS are not JSON: {error}") from None
    if not isinstance(values, dict):
        raise click.UsageError("ARGUMENTS are not a JSON object.")
    async with connect(home) as client:
        result = await client.post(server_path(server, "/call"), {"tool": tool, "arguments": values})
    if as_json:
        print_json(result)
    elif not result["failed"]:
        click.echo(clean(result["text"]))
    if result["failed"]:
        raise GuruError(f"{tool} failed: {clean(result['text'])}", hint="Call it with other arguments.")


@command.command
@click.argument("server")
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The configuration.")
@home_option
@asynchronous
async def login(server: str, config: Path | None, home: Path) -> None:
    """Allow Guru to use SERVER, in a browser, where it wants OAuth."""
    from guru.cli.mcp_login import log_in

    await log_in(server, home, config)
    click.echo(f"Guru may use {server}.")


def server_path(server: str, rest: str) -> str:
    return f"{SERVERS}/{quote(server, safe='')}{rest}"


def show_tool(tool: JSON, *, whole: bool = False) -> None:
    """A tool, with all that is to be known before it is accepted."""
    from guru.cli.output import clean, one_line

    colour = {"accepted": "green", "excluded": None}.get(tool["status"], "red")
    click.secho(f"{clean(tool['name'])}  {tool['status']}", fg=colour, bold=True)
    description = clean(tool["description"]) if whole else one_line(tool["description"], 400)
    click.echo(f"    {description}")
    for finding in tool["findings"]:
        click.secho(f"    suspicious: {clean(finding)}", fg="red")
    for field in tool["changed"]:
        click.secho(f"    changed: {field}", fg="red")
        if whole:
            before = (tool["before"] or {}).get(field)
            click.echo(f"      was {shown_json(before)}")
            click.echo(f"      is  {shown_json(tool['definition'].get(field))}")
    if whole:
        click.echo(f"    takes {shown_json(tool['definition'].get('inputSchema'))}")


def shown_json(value: Any) -> str:
    """JSON in ASCII: what is hidden in it shows as its numbers."""
    return json.dumps(value)
