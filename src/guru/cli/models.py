"""`guru models`: what is here, what can be had, and how to get it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from guru.cli.options import asynchronous, default_group, home_option, json_option

if TYPE_CHECKING:
    from guru.cli.client import Client

JSON = dict[str, Any]


@default_group("list")
def command() -> None:
    """List, pull, show and remove models."""


@command.command("list")
@home_option
@json_option
@asynchronous
async def list_models(home: Path, as_json: bool) -> None:
    """List the models that this home has and that the catalogue knows."""
    from guru.cli.client import connect
    from guru.cli.output import human_bytes, print_list
    from guru.cli.tables import make_table

    async with connect(home) as client:
        found = await client.get("/api/v1/models")
    table = make_table("name", kind="<", status="<", size=">", memory=">", context=">", licence="<", alias="<")
    for model in found["models"]:
        table.add_row(
            model["name"],
            model["kind"],
            model["status"],
            human_bytes(model["size_bytes"]),
            human_bytes(model["memory_bytes"]),
            f"{model['context_length']:,}" if model["context_length"] else "–",
            model["licence"] or "",
            ", ".join(model["aliases"]),
        )
    print_list(found, table, as_json=as_json)


@command.command
@click.argument("name")
@home_option
@json_option
@asynchronous
async def show(name: str, home: Path, as_json: bool) -> None:
    """Show all that is known of the model NAME."""
    from guru.cli.client import connect
    from guru.cli.output import print_json

    async with connect(home) as client:
        model = await find_model(client, name)
    if as_json:
        print_json(model)
        return
    for key, value in model.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        click.echo(f"{key.replace('_', ' '):16} {shown if shown not in (None, '') else '–'}")


@command.command
@click.argument("name", default="default")
@home_option
@json_option
@asynchronous
async def pull(name: str, home: Path, as_json: bool) -> None:
    """Fetch the model NAME: of the catalogue, or another source that docs/models.md lists.

    A download that was cut goes on where it stopped; what arrives is verified.
    """
    from guru.cli.client import connect
    from guru.cli.output import print_json
    from guru.errors import ModelNotFound

    async with connect(home) as client:
        try:
            model = await find_model(client, name)
        except ModelNotFound:  # a file, an address or a repository, which the server tells apart from a typing error
            result = await pull_model(client, to_source(name))
            model = await find_model(client, result.get("name", name))
        if model["status"] == "not installed":
            await pull_model(client, model["name"])
            model = await find_model(client, model["name"])
    if as_json:
        print_json(model)
    else:
        click.echo(f"{model['name']} is here.")


def to_source(name: str) -> str:
    """`file:` and the absolute path where `name` is a file; the server works in another folder."""
    return f"file:{Path(name).absolute()}" if Path(name).is_file() else name


async def pull_model(client: Client, name: str) -> JSON:
    """Run a pull job to its end; returns its result. Raises `GuruError` when it fails."""
    from guru.cli.jobs import follow, result_of

    started = await client.post("/api/v1/models/pull", {"name": name})
    return result_of(await follow(client, started["job"], f"Fetching {name}", unit="bytes"))


@command.command
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@home_option
@asynchronous
async def remove(name: str, yes: bool, home: Path) -> None:
    """Remove the files of the model NAME from this home."""
    from guru.cli.client import connect
    from guru.cli.output import human_bytes

    async with connect(home) as client:
        model = await find_model(client, name)
        if not yes:
            click.confirm(f"Remove {model['name']} ({human_bytes(model['size_bytes'])})?", abort=True, err=True)
        await client.request("DELETE", f"/api/v1/models/{model['name']}")
    click.echo(f"Removed {model['name']}.")


async def find_model(client: Client, name: str) -> JSON:
    """The model called `name`, by its name, its name without `local/`, or an alias. Raises `ModelNotFound`."""
    import difflib

    from guru.errors import ModelNotFound

    models: list[JSON] = (await client.get("/api/v1/models"))["models"]
    for model in models:
        if name in (model["name"], model["name"].partition("/")[2], *model["aliases"]):
            return model
    near = difflib.get_close_matches(name, [name for model in models for name in (model["name"], *model["aliases"])], 1)
    hint = f"Did you mean {near[0]}?" if near else "`guru models list` names them all."
    raise ModelNotFound(f"There is no model {name!r}.", hint=hint)
