"""`guru collections`: list, show, create, configure, re-embed and delete them, and see what in them is alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from guru.cli.around import COMMANDS
from guru.cli.embedding import model_advice, reembed, rollback, vector_lines
from guru.cli.options import STRATEGIES, asynchronous, chunk_options, default_group, home_option, json_option
from guru.cli.summarize import summarize
from guru.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from guru.cli.client import Client


@default_group("list")
def command() -> None:
    """List, show, create, configure and delete collections."""


@command.command("list")
@home_option
@json_option
@asynchronous
async def list_collections(home: Path, as_json: bool) -> None:
    """List the collections."""
    from guru.cli.client import connect
    from guru.cli.output import human_bytes, print_list
    from guru.cli.tables import make_table

    async with connect(home) as client:
        found = await client.get("/api/v1/collections")
    table = make_table("name", documents=">", chunks=">", size=">", updated="<")
    for item in found["collections"]:
        size, updated = human_bytes(item["bytes"]), item["updated_at"][:16].replace("T", " ")
        table.add_row(item["name"], f"{item['documents']:,}", f"{item['chunks']:,}", size, updated)
    nothing = "There are no collections yet. Make one: guru ingest PATH --collection NAME"
    print_list(found, table, nothing, as_json=as_json)
    for item in found["collections"] if not as_json else ():
        if advice := model_advice(item):
            click.echo(advice, err=True)


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
        documents = [item async for item in documents_of(client, name)]
    if as_json:
        print_json({**collection, "documents": documents})
        return
    screen = console()
    counts = f"{plural(collection['documents'], 'document')}, {plural(collection['chunks'], 'chunk')}"
    screen.print(f"{name}: {counts}, embedded with {collection['embedding_model']}", soft_wrap=True)
    screen.print(f"Cut: {how(collection)}", soft_wrap=True)
    for line in vector_lines(collection):
        screen.print(line, soft_wrap=True, markup=False)
    if advice := model_advice(collection):
        click.echo(advice, err=True)
    table = make_table("document", title="<", pages=">", chunks=">", size=">", access="<", warnings="<")
    for item in documents:
        table.add_row(
            clean(item["name"]),
            clean(item["title"] or ""),
            str(item["pages"] or ""),
            str(item["chunks"]),
            human_bytes(item["bytes"]),
            clean(", ".join(item["access"])),
            clean("; ".join(map(to_text, item["warnings"]))),
        )
    print_table(screen, table)


def how(collection: dict[str, Any]) -> str:
    """How documents are cut, for people: `heading, up to 150 tokens, overlap 40 (chunking is its own)`."""
    settings, own = collection["settings"], collection["own"]
    parts = [settings["chunking"], f"up to {settings['chunk_tokens']} tokens"]
    if settings["chunking"] != "code":
        parts.append(f"overlap {settings['chunk_overlap']}")
    if settings["chunking"] == "hierarchical":
        parts.append(f"parents of up to {settings['parent_tokens']}")
    if settings["chunking"] == "semantic":
        parts.append(f"percentile {settings['semantic_percentile']:g}")
    return ", ".join(parts) + (f" (its own: {', '.join(own)})" if own else " (as configured)")


def chunking_option(command: Any) -> Any:
    return click.option("--chunking", type=click.Choice(STRATEGIES), help="How its documents are cut.")(command)


@command.command
@click.argument("name")
@chunking_option
@chunk_options
@home_option
@json_option
@asynchronous
async def create(name: str, home: Path, as_json: bool, **settings: Any) -> None:
    """Make the empty collection NAME. What is not given is as configured."""
    from guru.cli.client import connect
    from guru.cli.output import print_json

    chosen = {key: value for key, value in settings.items() if value is not None}
    async with connect(home) as client:
        made = await client.post("/api/v1/collections", {"name": name, **chosen})
    if as_json:
        print_json(made)
    else:
        click.echo(f"Made {name}. Its documents are cut: {how(made)}.")


@command.command
@click.argument("name")
@chunking_option
@chunk_options
@click.option("--reset", is_flag=True, help="Take what is not given back to the configuration.")
@home_option
@json_option
@asynchronous
async def configure(name: str, reset: bool, home: Path, as_json: bool, **settings: Any) -> None:
    """Change how the documents of the collection NAME are cut, from their next ingest on."""
    from guru.cli.client import collection_path, connect
    from guru.cli.output import print_json

    changes = {key: value for key, value in settings.items() if reset or value is not None}
    if not changes:
        raise click.UsageError("Nothing to change: give an option, as --chunking heading, or --reset.")
    async with connect(home) as client:
        changed = await client.request("PATCH", collection_path(name), body=changes)
    if as_json:
        print_json(changed)
        return
    click.echo(f"{name} is cut: {how(changed)}.")
    if changed["documents"]:
        click.echo("Ingest its documents again for it to hold for them: guru ingest PATH --collection " + name)


@command.command
@click.argument("name")
@click.argument("documents", nargs=-1, required=True, metavar="DOCUMENT...")
@click.option("--access", multiple=True, metavar="NAME", help="Who may see them: user:anna, team:legal, key:ID.")
@click.option("--everybody", is_flag=True, help="Take their access lists away.")
@home_option
@json_option
@asynchronous
async def access(
    name: str, documents: tuple[str, ...], access: tuple[str, ...], everybody: bool, home: Path, as_json: bool
) -> None:
    """Show or change who may see documents of the collection NAME, besides administrators.

    DOCUMENT is a name as `guru collections show` prints it. --access puts a list in place of the one before.
    """
    from guru.cli.client import connect
    from guru.cli.options import access_list
    from guru.cli.output import clean, print_json

    wanted = access_list(access, everybody)
    async with connect(home) as client:
        there = {item["name"]: item async for item in documents_of(client, name)}
        if missing := [document for document in documents if document not in there]:
            message = f"There is no document {missing[0]!r} in {name}. Nothing was changed."
            raise NotFound(message, hint=f"`guru collections show {name}` lists them.")
        found = [there[document] for document in dict.fromkeys(documents)]
        if wanted is not None:
            paths = [f"/api/v1/documents/{item['id']}" for item in found]
            found = [await client.request("PATCH", path, body={"access": wanted}) for path in paths]
    if as_json:
        print_json({"documents": [{"document": item["name"], "access": item["access"]} for item in found]})
        return
    for item in found:
        click.echo(f"{clean(item['name'])}: {clean(', '.join(item['access']) or 'everybody')}")


async def documents_of(client: Client, name: str) -> AsyncIterator[dict[str, Any]]:
    """All documents of a collection, which are read a page at a time."""
    from guru.cli.client import collection_path

    after = None
    while True:
        page = await client.get(collection_path(name, "/documents"), limit=1000, after=after)
        for item in page["documents"]:
            yield item
        if (after := page.get("next")) is None:
            return


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


@command.command
@click.argument("name")
@click.option(
    "--threshold",
    type=click.FloatRange(0.5, 1),
    default=0.8,
    show_default=True,
    help="The share that must be the same.",
)
@home_option
@json_option
@asynchronous
async def duplicates(name: str, threshold: float, home: Path, as_json: bool) -> None:
    """Show which documents of the collection NAME say nearly the same.

    The oldest of a group stands first, and after each other one how much of both is the same.
    """
    from guru.cli.client import collection_path, connect
    from guru.cli.output import clean, plural, print_json

    async with connect(home) as client:
        found = await client.get(collection_path(name, "/duplicates"), threshold=threshold)
    if as_json:
        print_json(found)
        return
    for group in found["groups"]:
        click.echo(clean(group["name"]))
        for item in group["duplicates"]:
            click.echo(f"  {item['similarity']:.0%}  {clean(item['name'])}")
    more = sum(len(group["duplicates"]) for group in found["groups"])
    click.echo(f"{plural(more, 'duplicate')} among {plural(found['documents'], 'document')}", err=True)


@command.command
@click.argument("name")
@click.argument("document")
@click.option("-k", type=click.IntRange(1, 100), default=10, show_default=True, help="How many.")
@home_option
@json_option
@asynchronous
async def similar(name: str, document: str, k: int, home: Path, as_json: bool) -> None:
    """Show which documents of the collection NAME are about the same as DOCUMENT, the name of another one."""
    from guru.cli.client import connect
    from guru.cli.output import clean, one_line, print_json

    async with connect(home) as client:
        document_id = await find_document(client, name, document)
        found = await client.get(f"/api/v1/documents/{document_id}/similar", k=k)
    if as_json:
        print_json(found)
        return
    for item in found["documents"]:
        click.echo(f"{item['score']:.3f}  {clean(item['name'])}\n       {one_line(item['text'], 120)}")


async def find_document(client: Client, collection: str, name: str) -> str:
    """The id of the document of that name. Raises `NotFound`."""
    async for item in documents_of(client, collection):
        if item["name"] == name:
            return str(item["id"])
    hint = f"guru collections show {collection} lists its documents."
    raise NotFound(f"There is no document {name!r} in {collection}.", hint=hint)


for around in (*COMMANDS, summarize):
    command.add_command(around)
command.add_command(reembed)
command.add_command(rollback)
