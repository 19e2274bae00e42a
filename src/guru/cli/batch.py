"""`guru batch`: hand in a file of requests, see how far it is, fetch what came of it."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from guru.cli.options import asynchronous, home_option, json_option
from guru.errors import GuruError, InvalidParameter

if TYPE_CHECKING:
    from guru.cli.client import Client

JSON = dict[str, Any]
ENDED = ("completed", "failed", "expired", "cancelled")
LOOK_EVERY = 0.5
"""Seconds."""
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group
def command() -> None:
    """Ask many requests at once: one JSON object a line, as OpenAI's Batch API has them."""


@command.command
@click.argument("file", type=FILE)
@click.option("--endpoint", metavar="PATH", help="What the lines ask.  [default: the `url` of the first line]")
@click.option("--window", default="24h", show_default=True, metavar="TIME", help="Time it may take: 1h to 14d.")
@click.option("--metadata", "-m", multiple=True, metavar="NAME=VALUE", help="A note that is kept with the batch.")
@click.option("--wait", is_flag=True, help="Stay until it has ended, and show how far it is.")
@home_option
@json_option
@asynchronous
async def submit(
    file: Path, endpoint: str | None, window: str, metadata: tuple[str, ...], wait: bool, home: Path, as_json: bool
) -> None:
    """Hand in FILE as a batch. It runs in the server; without one, as long as this command waits."""
    from guru.cli.client import connect, live_server
    from guru.cli.output import print_json

    notes = read_notes(metadata)
    endpoint = endpoint or endpoint_of(file)
    async with connect(home) as client:
        uploaded = await client.upload("/v1/files", file, purpose="batch")
        asked: JSON = {"input_file_id": uploaded["id"], "endpoint": endpoint, "completion_window": window}
        batch = await client.post("/v1/batches", asked | ({"metadata": notes} if notes else {}))
        if wait:
            batch = await watch(client, batch)
        elif await live_server(home) is None:
            click.echo("No server runs: the batch begins when one does (guru up), or with --wait.", err=True)
    if as_json:
        print_json(batch)
        return
    click.echo(describe(batch))
    if not wait:
        click.echo(f"See how far it is: guru batch show {batch['id']}", err=True)


@command.command("list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 100), help="How many.")
@home_option
@json_option
@asynchronous
async def list_batches(limit: int, home: Path, as_json: bool) -> None:
    """List the batches, the newest first."""
    from guru.cli.client import connect
    from guru.cli.output import print_list
    from guru.cli.tables import make_table

    async with connect(home) as client:
        found = await client.get("/v1/batches", limit=limit)
    table = make_table("batch", status="<", endpoint="<", lines=">", answered=">", failed=">")
    for batch in found["data"]:
        counts = [f"{batch['request_counts'][name]:,}" for name in ("total", "completed", "failed")]
        table.add_row(batch["id"], batch["status"], batch["endpoint"], *counts)
    print_list(found, table, "There are no batches yet. Hand one in: guru batch submit FILE", as_json=as_json)


@command.command
@click.argument("batch_id", metavar="ID")
@click.option("--wait", is_flag=True, help="Stay until it has ended, and show how far it is.")
@home_option
@json_option
@asynchronous
async def show(batch_id: str, wait: bool, home: Path, as_json: bool) -> None:
    """Show how far the batch ID is."""
    from guru.cli.client import connect
    from guru.cli.output import print_json

    async with connect(home) as client:
        batch = await client.get(batch_path(batch_id))
        if wait:
            batch = await watch(client, batch)
    if as_json:
        print_json(batch)
    else:
        click.echo(describe(batch))


@command.command
@click.argument("batch_id", metavar="ID")
@home_option
@json_option
@asynchronous
async def cancel(batch_id: str, home: Path, as_json: bool) -> None:
    """Ask no more lines of the batch ID. What is answered can be fetched."""
    from guru.cli.client import connect
    from guru.cli.output import print_json

    async with connect(home) as client:
        batch = await client.post(batch_path(batch_id, "/cancel"))
    if as_json:
        print_json(batch)
    else:
        click.echo(describe(batch))


@command.command
@click.argument("batch_id", metavar="ID")
@click.option("--errors", is_flag=True, help="What failed, instead of the answers.")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to FILE.")
@home_option
@asynchronous
async def results(batch_id: str, errors: bool, output: Path | None, home: Path) -> None:
    """Print the answers of the batch ID, one JSON object a line."""
    from guru.cli.client import connect

    async with connect(home) as client:
        batch = await client.get(batch_path(batch_id))
        file_id = batch["error_file_id" if errors else "output_file_id"]
        if file_id is None:
            raise nothing_there(batch, errors=errors)
        if output is None:
            async for piece in client.download(f"/v1/files/{file_id}/content"):
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            return
        part = output.with_name(f".{output.name}.part")
        with part.open("wb") as target:
            async for piece in client.download(f"/v1/files/{file_id}/content"):
                target.write(piece)
        part.replace(output)
    click.echo(f"Wrote {output}.", err=True)


async def watch(client: Client, batch: JSON) -> JSON:
    """Show how far a batch is, on stderr, until it has ended."""
    from guru.cli.jobs import progress_bar

    with progress_bar(f"Batch {batch['id'][-6:]}", "lines") as show_progress:
        while batch["status"] not in ENDED:
            counts = batch["request_counts"]
            progress = {"total": counts["total"], "done": counts["completed"], "failed": counts["failed"]}
            show_progress({"progress": progress})
            await asyncio.sleep(LOOK_EVERY)
            batch = await client.get(batch_path(batch["id"]))
    return batch


def batch_path(batch_id: str, rest: str = "") -> str:
    from urllib.parse import quote

    return f"/v1/batches/{quote(batch_id, safe='')}{rest}"


def endpoint_of(file: Path) -> str:
    """The `url` of the first line. Raises `InvalidParameter`."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        first = next((line for line in lines if line.strip()), "")
    try:
        return str(json.loads(first)["url"])
    except (ValueError, KeyError, TypeError):
        raise InvalidParameter(
            f"The first line of {file} has no `url`.", hint="Write lines as OpenAI's Batch API has them, or --endpoint."
        ) from None


def read_notes(metadata: tuple[str, ...]) -> dict[str, str]:
    notes = {}
    for item in metadata:
        name, equals, value = item.partition("=")
        if not equals:
            raise click.BadParameter(f"{item!r} is not NAME=VALUE.", param_hint="--metadata")
        notes[name] = value
    return notes


def describe(batch: JSON) -> str:
    counts = batch["request_counts"]
    lines = f"{counts['completed']:,} of {counts['total']:,} lines answered, {counts['failed']:,} failed"
    text = f"{batch['id']}: {batch['status']}, {lines}"
    problems = (batch.get("errors") or {}).get("data") or []
    return "\n".join([text, *(f"  line {item.get('line') or '-'}: {item['message']}" for item in problems[:10])])


def nothing_there(batch: JSON, *, errors: bool) -> GuruError:
    if batch["status"] not in ENDED:
        hint = f"Wait for it: guru batch show {batch['id']} --wait"
        return GuruError(f"The batch is {batch['status']}: its files are written at the end.", hint=hint)
    if errors:
        return GuruError("No line of the batch failed.")
    return GuruError("No line of the batch was answered.", hint=f"See why: guru batch results {batch['id']} --errors")
