"""`guru memory`: see, search, add, correct, erase and export what is remembered of you."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from guru.cli.options import asynchronous, default_group, home_option, json_option

PATH = "/api/v1/memories"
KIND = click.Choice(["summary", "user", "episode", "fact"])
WRITTEN = click.Choice(["user", "fact"])
IMPORTANCE = click.FloatRange(0, 1)


@default_group("list")
def command() -> None:
    """See, search, add, correct, erase and export what is remembered of you."""


@command.command("list")
@click.option("--kind", type=KIND, help="Of one kind.")
@click.option("--superseded", is_flag=True, help="Also what something newer has replaced.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="How many at most.")
@home_option
@json_option
@asynchronous
async def list_memories(kind: str | None, superseded: bool, limit: int, home: Path, as_json: bool) -> None:
    """List what is remembered, the newest first."""
    from guru.cli.client import connect
    from guru.cli.output import one_line, plural, print_list
    from guru.cli.tables import make_table

    async with connect(home) as client:
        found = await client.get(PATH, kind=kind, superseded=str(superseded).lower(), limit=limit)
    table = make_table("id", kind="<", importance=">", since="<", text="<")
    for memory in found["memories"]:
        text = one_line(memory["text"]) + (" (replaced)" if memory["superseded_at"] else "")
        table.add_row(memory["id"], memory["kind"], f"{memory['importance']:.2f}", memory["created_at"][:10], text)
    print_list(found, table, "Nothing is remembered yet. Add something: guru memory add TEXT", as_json=as_json)
    if as_json or not found["memories"]:
        return
    if found["next"] is not None:
        click.echo(f"There are {found['total']:,}; --limit shows more.", err=True)
    if found["pruned"]:
        gone = plural(found["pruned"], "memory").replace("memorys", "memories")
        click.echo(f"{gone} had to go so far: a person may have {found['most']:,}.", err=True)


@command.command
@click.argument("text")
@click.option("--kind", type=WRITTEN, default="user", show_default=True, help="About you, or another fact.")
@click.option("--importance", type=IMPORTANCE, help="From 0 to 1.  [default: by what it says]")
@home_option
@json_option
@asynchronous
async def add(text: str, kind: str, importance: float | None, home: Path, as_json: bool) -> None:
    """Have TEXT remembered, in place of what it contradicts."""
    from guru.cli.client import connect
    from guru.cli.output import one_line, print_json

    async with connect(home) as client:
        kept = await client.post(PATH, {"text": text, "kind": kind, "importance": importance})
    if as_json:
        print_json(kept)
        return
    said = {"added": "Remembered", "merged": "Known already", "replaced": "Remembered"}[kept["outcome"]]
    click.echo(f"{said}: {one_line(kept['memory']['text'])} ({kept['memory']['id']})")
    for old in kept["replaced"]:
        click.echo(f"In place of: {one_line(old['text'])}")
    if kept["pruned"]:
        click.echo(f"{kept['pruned']:,} of the least important had to go to make room.", err=True)


@command.command
@click.argument("query")
@click.option("-k", "limit", type=click.IntRange(1, 500), default=10, show_default=True, help="How many at most.")
@click.option("--kind", type=KIND, help="Of one kind.")
@home_option
@json_option
@asynchronous
async def search(query: str, limit: int, kind: str | None, home: Path, as_json: bool) -> None:
    """Find what matters to QUERY, the best first, and why."""
    from guru.cli.client import connect
    from guru.cli.output import clean, print_json

    async with connect(home) as client:
        found = await client.get(PATH, q=query, kind=kind, limit=limit)
    if as_json:
        print_json(found)
        return
    if not found["memories"]:
        click.echo("Nothing is remembered that has to do with that.")
    for memory in found["memories"]:
        click.echo(f"{memory['scores']['total']:.2f}  {clean(memory['text'])}  ({memory['id']})")
        click.echo(f"      {memory['why']}")


@command.command
@click.argument("memory_id", metavar="ID")
@home_option
@json_option
@asynchronous
async def show(memory_id: str, home: Path, as_json: bool) -> None:
    """Show the memory ID: where it comes from, and what it replaced."""
    from guru.cli.client import connect
    from guru.cli.output import clean, print_json

    async with connect(home) as client:
        memory = await client.get(place(memory_id))
    if as_json:
        print_json(memory)
        return
    click.echo(clean(memory["text"]))
    source = {name: value for name, value in memory["source"].items() if value is not None}
    facts = {
        name: memory[name] for name in ("kind", "importance", "attribute", "by", "repeats", "created_at", "used_at")
    }
    facts |= source | {name: memory[name] for name in ("superseded_at", "superseded_by")}
    for name, value in facts.items():
        if value not in (None, 0):
            click.echo(f"  {name.replace('_', ' ')}: {clean(str(value))}")
    for old in memory["versions"]:
        click.echo(f"  replaced: {clean(old['text'])} (from {old['created_at'][:10]})")


@command.command
@click.argument("memory_id", metavar="ID")
@click.option("--text", help="What it says instead.")
@click.option("--kind", type=WRITTEN, help="About you, or another fact.")
@click.option("--importance", type=IMPORTANCE, help="From 0 to 1.")
@home_option
@json_option
@asynchronous
async def edit(memory_id: str, home: Path, as_json: bool, **changes: Any) -> None:
    """Correct the memory ID in its place."""
    from guru.cli.client import connect
    from guru.cli.output import clean, print_json

    body = {name: value for name, value in changes.items() if value is not None}
    if not body:
        raise click.UsageError("Say what to change: --text, --kind or --importance.")
    async with connect(home) as client:
        memory = await client.request("PATCH", place(memory_id), body=body)
    print_json(memory) if as_json else click.echo(f"It says now: {clean(memory['text'])}")


@command.command
@click.argument("memory_id", metavar="[ID]", required=False)
@click.option("--all", "everything", is_flag=True, help="Everything that is remembered of you.")
@click.option("--person", metavar="NAME", help="With --all, for administrators: of this person, such as user:ann.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@home_option
@json_option
@asynchronous
async def forget(
    memory_id: str | None, everything: bool, person: str | None, yes: bool, home: Path, as_json: bool
) -> None:
    """Erase the memory ID for good, with what it had replaced; or with --all everything."""
    from guru.cli.client import connect
    from guru.cli.output import print_json

    if (memory_id is None) != everything or (person is not None and not everything):
        raise click.UsageError("Name a memory, or say --all.")
    if everything and not yes:
        click.confirm(f"Erase everything that is remembered of {person or 'you'}?", abort=True, err=True)
    async with connect(home) as client:
        if memory_id is None:
            gone = await client.request("DELETE", PATH, params={"person": person})
        else:
            gone = await client.request("DELETE", place(memory_id))
    print_json(gone) if as_json else click.echo(f"Forgotten: {gone['forgotten']:,}.")


@command.command
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The file.  [default: stdout]")
@home_option
@asynchronous
async def export(output: Path | None, home: Path) -> None:
    """Write all that is remembered of you as JSON, superseded memories too."""
    import asyncio
    import json

    from guru.cli.client import connect
    from guru.cli.output import print_json

    async with connect(home) as client:
        found = await client.get(f"{PATH}/export")
    if output is None:
        print_json(found)
    else:
        text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
        await asyncio.to_thread(output.write_text, text, encoding="utf-8")


def place(memory_id: str) -> str:
    from urllib.parse import quote

    return f"{PATH}/{quote(memory_id, safe='')}"
