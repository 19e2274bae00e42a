"""`guru ingest`: bring files and folders into a collection, once or whenever they change."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from guru.cli.options import asynchronous, home_option, json_option

if TYPE_CHECKING:
    from guru.cli.client import Client

JSON = dict[str, Any]
WATCH_SECONDS = 1.0


@click.command
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("-c", "--collection", default="default", show_default=True, metavar="NAME", help="Made if it is new.")
@click.option("--prune", is_flag=True, help="Drop the documents under PATHS whose files are gone.")
@click.option("--access", multiple=True, metavar="NAME", help="Who may see them: user:anna, team:legal, key:ID.")
@click.option("--everybody", is_flag=True, help="Take away the access lists that they have.")
@click.option("--watch", is_flag=True, help="Stay, and ingest again whenever a file changes.")
@home_option
@json_option
@asynchronous
async def command(
    paths: tuple[Path, ...],
    collection: str,
    prune: bool,
    access: tuple[str, ...],
    everybody: bool,
    watch: bool,
    home: Path,
    as_json: bool,
) -> None:
    """Read files and folders into a collection.

    Documents that are ingested with --access are seen by those it names and by administrators alone; without it they
    keep the lists that they have. A file that has not changed is skipped; one that cannot be read is named, and the
    others go on. The exit status is 1 when no file at all could be read. Ctrl-C cancels and keeps what is done; a
    second one leaves the job to the server.
    """
    from guru.cli.client import connect
    from guru.cli.options import access_list

    allowed = access_list(access, everybody)
    absolute = [path.absolute() for path in paths]
    async with connect(home) as client:
        result = await ingest(client, collection, absolute, prune, allowed)
        report(result, collection, as_json)
        if watch:
            await keep_watching(client, collection, absolute, prune, as_json, allowed)
    if result["failed"] and not result["documents"] + result["skipped"]:
        raise SystemExit(1)


async def ingest(
    client: Client, collection: str, paths: list[Path], prune: bool = False, access: list[str] | None = None
) -> JSON:
    """Run one ingest job to its end; returns its result. Raises `GuruError` when the job fails."""
    from guru.cli.client import collection_path
    from guru.cli.jobs import follow, result_of

    body: JSON = {"paths": [str(path) for path in paths], "prune": prune}
    if access is not None:
        body["access"] = access
    started = await client.post(collection_path(collection, "/ingest"), body)
    return result_of(await follow(client, started["job"], f"Ingesting into {collection}"))


def report(result: JSON, collection: str, as_json: bool) -> None:
    """What came in, and on stderr what did not."""
    from guru.cli.output import clean, human_seconds, plural, print_json

    if as_json:
        print_json(result)
        return
    parts = [f"{plural(result['documents'], 'document')}, {plural(result['chunks'], 'chunk')} into {collection}"]
    parts += [f"{result[name]:,} {word}" for name, word in NOTES.items() if result.get(name)]
    failed = result["failed"]
    parts += [f"{plural(len(failed), 'file')} failed"] if failed else []
    click.echo("; ".join(parts) + f" ({human_seconds(result['seconds'])})")
    for item in failed:
        click.echo(f"  {clean(item['path'])}: {clean(item['error'])}", err=True)


NOTES = {"skipped": "unchanged", "removed": "removed"}


async def keep_watching(
    client: Client, collection: str, paths: list[Path], prune: bool, as_json: bool, access: list[str] | None
) -> None:
    """Look at the files every second, and ingest when one has changed."""
    click.echo("Watching. Ctrl-C ends it.", err=True)
    seen = await asyncio.to_thread(snapshot, paths)
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        now = await asyncio.to_thread(snapshot, paths)
        if now != seen:
            # A file that is still being written changes again: wait until two looks agree.
            await asyncio.sleep(WATCH_SECONDS / 2)
            if await asyncio.to_thread(snapshot, paths) == now:
                report(await ingest(client, collection, paths, prune, access), collection, as_json)
                seen = now


def snapshot(paths: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    """Modification time and size of every file under `paths`."""
    found = {}
    for root in paths:
        for path in [root] if root.is_file() else root.rglob("*"):
            try:
                status = path.stat()
            except OSError:
                continue
            if path.is_file():
                found[path] = (status.st_mtime_ns, status.st_size)
    return found
