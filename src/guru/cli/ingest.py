"""`guru ingest`: bring files, folders, web pages and buckets into a collection, once or whenever they change."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from guru.cli.options import asynchronous, home_option, json_option, ray_option

if TYPE_CHECKING:
    from guru.cli.client import Client

JSON = dict[str, Any]
ADDRESS = re.compile(r"(?:https?|s3)://", re.IGNORECASE)


class Place(click.ParamType[str]):
    """A path that is there, handed over as an absolute one, or an address, as it is."""

    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if ADDRESS.match(text):
            return text
        path: Path = click.Path(exists=True, path_type=Path).convert(text, param, ctx)
        return str(path.absolute())


@click.command
@click.argument("places", metavar="PATH_OR_URL...", nargs=-1, required=True, type=Place())
@click.option("-c", "--collection", default="default", show_default=True, metavar="NAME", help="Made if it is new.")
@click.option("--prune", is_flag=True, help="Drop the documents from there whose files are gone.")
@click.option("--access", multiple=True, metavar="NAME", help="Who may see them: user:anna, team:legal, key:ID.")
@click.option("--everybody", is_flag=True, help="Take away the access lists that they have.")
@ray_option
@click.option("--watch", is_flag=True, help="Stay, and keep folders in step: files that come, change or go.")
@home_option
@json_option
@asynchronous
async def command(
    places: tuple[str, ...],
    collection: str,
    prune: bool,
    access: tuple[str, ...],
    everybody: bool,
    ray: str | None,
    watch: bool,
    home: Path,
    as_json: bool,
) -> None:
    """Read files, folders, web pages and buckets into a collection.

    What is in a ZIP archive becomes a document each. `https://host/page` is a page, `https://host/sitemap.xml` all
    that it lists, `s3://bucket/prefix` what is in a bucket.

    Documents that are ingested with --access are seen by those it names and by administrators alone; without it they
    keep the lists that they have. A file that has not changed is skipped; one that cannot be read is named, and the
    others go on. The exit status is 1 when no file at all could be read. Ctrl-C cancels and keeps what is done; a
    second one leaves the job to the server.
    """
    from guru.cli.client import connect
    from guru.cli.options import access_list

    allowed = access_list(access, everybody)
    if watch and any(map(ADDRESS.match, places)):
        raise click.UsageError("--watch is for files and folders; for pages and buckets run the command now and then.")
    async with connect(home) as client:
        if watch:
            from guru.cli.watch import keep_watching

            await keep_watching(
                list(places),
                lambda: ingest(client, collection, list(places), prune=True, access=allowed, ray=ray),
                lambda result: report(result, collection, as_json),
            )
            return
        result = await ingest(client, collection, list(places), prune, allowed, ray)
        report(result, collection, as_json)
    if result["failed"] and not result["documents"] + result["skipped"]:
        raise SystemExit(1)


async def ingest(
    client: Client,
    collection: str,
    places: list[str],
    prune: bool = False,
    access: list[str] | None = None,
    ray: str | None = None,
) -> JSON:
    """Run one ingest job to its end; returns its result. Raises `GuruError` when the job fails."""
    from guru.cli.client import collection_path
    from guru.cli.jobs import follow, result_of

    body: JSON = {"paths": places, "prune": prune, "ray": ray}
    if access is not None:
        body["access"] = access
    started = await client.post(collection_path(collection, "/ingest"), body)
    return result_of(await follow(client, started["job"], f"Ingesting into {collection}"))


def report(result: JSON, collection: str, as_json: bool) -> None:
    """What came in, and on stderr what did not."""
    from guru.cli.output import clean, human_seconds, plural, print_json
    from guru.knowledge.parse.ocr import INSTALL

    if as_json:
        print_json(result)
        return
    parts = [f"{plural(result['documents'], 'document')}, {plural(result['chunks'], 'chunk')} into {collection}"]
    parts += [f"{result[name]:,} {word}" for name, word in NOTES.items() if result.get(name)]
    failed = result["failed"]
    seen = result.get("embedded", 0) + result.get("reused", 0)
    parts += [f"{plural(len(failed), 'file')} failed"] if failed else []
    parts += [f"{result['reused']:,} of {seen:,} texts had been embedded before"] if result.get("reused") else []
    click.echo("; ".join(parts) + f" ({human_seconds(result['seconds'])})")
    for note in result.get("notes", ()):
        click.echo(f"  {clean(note)}", err=True)
    for item in failed:
        click.echo(f"  {clean(item['path'])}: {clean(item['error'])}", err=True)
    if pictures := sum(INSTALL in item["reason"] for item in result.get("ignored", ())):
        click.echo(f"  {plural(pictures, 'picture')} passed over. {INSTALL}", err=True)


NOTES = {"skipped": "unchanged", "removed": "removed"}
