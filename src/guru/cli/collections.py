"""`guru collections`: list, show and delete them."""

from __future__ import annotations

import json
from pathlib import Path

import click

from guru.cli.options import asynchronous, home_option, json_option


@click.group(invoke_without_command=True)
@home_option
@json_option
@click.pass_context
def command(context: click.Context, home: Path, as_json: bool) -> None:
    """List, show and delete collections."""
    if context.invoked_subcommand is None:
        context.invoke(list_collections, home=home, as_json=as_json)


@command.command("list")
@home_option
@json_option
@asynchronous
async def list_collections(home: Path, as_json: bool) -> None:
    """List the collections."""
    from guru.cli.client import connect
    from guru.cli.output import console, human_bytes, print_json, print_table

    async with connect(home) as client:
        found = await client.get("/api/v1/collections")
    if as_json:
        print_json(found)
        return
    if not found["collections"]:
        click.echo("There are no collections yet. Make one: guru ingest PATH --collection NAME")
        return
    from guru.cli.tables import make_table

    table = make_table("name", documents=">", chunks=">", size=">", updated="<")
    for item in found["collections"]:
        size, updated = human_bytes(item["bytes"]), item["updated_at"][:16].replace("T", " ")
        table.add_row(item["name"], f"{item['documents']:,}", f"{item['chunks']:,}", size, updated)
    print_table(console(), table)


@command.command
@click.argument("name")
@home_option
@json_option
@asynchronous
async def show(name: str, home: Path, as_json: bool) -> None:
    """Show the documents of the collection NAME."""
    from guru.cli.client import collection_path, connect
    from guru.cli.output import clean, console, human_bytes, plural, print_json, print_table
    from guru.cli.tables import make_table

    async with connect(home) as client:
        collection = await client.get(collection_path(name))
        documents, after = [], None
        while True:
            page = await client.get(collection_path(name, "/documents"), limit=200, after=after)
            documents += page["documents"]
            if (after := page.get("next")) is None:
                break
    if as_json:
        print_json({**collection, "documents": documents})
        return
    screen = console()
    counts = f"{plural(collection['documents'], 'document')}, {plural(collection['chunks'], 'chunk')}"
    screen.print(f"{name}: {counts}, embedded with {collection['embedding_model']}", soft_wrap=True)
    table = make_table("document", title="<", pages=">", chunks=">", size=">", warnings="<")
    for item in documents:
        table.add_row(
            clean(item["name"]),
            clean(item["title"] or ""),
            str(item["pages"] or ""),
            str(item["chunks"]),
            human_bytes(item["bytes"]),
            clean("; ".join(map(to_text, item["warnings"]))),
        )
    print_table(screen, table)


def to_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@command.command
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@home_option
@asynchronous
async def delete(name: str, yes: bool, home: Path) -> None:
    """Delete the collection NAME with all its documents. The files that were ingested stay where they are."""
    from guru.cli.client import collection_path, connect

    async with connect(home) as client:
        collection = await client.get(collection_path(name))
        if not yes:
            click.confirm(f"Delete {name} with its {collection['documents']} documents?", abort=True, err=True)
        await client.request("DELETE", collection_path(name))
    click.echo(f"Deleted {name}.")
