"""`guru store`: where rows live, and moving them."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from guru.cli.options import asynchronous, default_group, home_option, json_option

if TYPE_CHECKING:
    from guru.config import StoreSettings
    from guru.store.database import Database
    from guru.store.transfer import Moved, Step

HOME = "home"


@default_group("status")
def command() -> None:
    """See where rows live, and move them between SQLite and PostgreSQL."""


@command.command
@home_option
@json_option
@asynchronous
async def status(home: Path, as_json: bool) -> None:
    """Show where rows and original files live, and how many there are."""
    from guru.cli.client import connect
    from guru.cli.output import console, human_bytes, plural, print_json, print_table
    from guru.cli.tables import make_table

    async with connect(home) as client:
        found = await client.get("/api/v1/store")
    if as_json:
        print_json(found)
        return
    click.echo(f"Rows:  {found['place']} ({found['server']}, schema {found['schema']}, {human_bytes(found['bytes'])})")
    click.echo(f"Files: {found['blobs']} ({plural(found['blob_files'], 'file')}, {human_bytes(found['blob_bytes'])})")
    click.echo(f"Index: {describe_index(found['index'])}")
    table = make_table("table", rows=">")
    for name, rows in (found["rows"] | found["index"]["rows"]).items():
        table.add_row(name, f"{rows:,}")
    print_table(console(), table)


def describe_index(index: dict[str, Any]) -> str:
    """What collections are searched in, in a line."""
    from guru.cli.output import human_bytes, plural

    if index["kind"] == "memory":
        return " ".join(filter(None, ["in the memory of the server.", index["note"], index["hint"]]))
    counts = [plural(index["collections"], "collection"), plural(index["passages"], "passage")]
    counts += [f"{index['waiting']:,} waiting"] if index["waiting"] else []
    counts += [plural(index["graphs"], "graph"), human_bytes(index["bytes"])]
    return f"pgvector {index['version']} ({', '.join(counts)})"


@command.command
@click.argument("collection", required=False)
@click.option("--from", "source", metavar="STORE", help="Where rows come from.  [default: the configured store]")
@click.option("--to", "target", metavar="STORE", help="Where they go.  [default: the configured store]")
@home_option
@json_option
def transfer(collection: str | None, source: str | None, target: str | None, home: Path, as_json: bool) -> None:
    """Copy all rows to another store, which must be empty; or move the index of COLLECTION.

    With COLLECTION, --to is `embedded`, `qdrant`, `milvus`, `weaviate`, `pinecone` or `chroma`: its vectors are given
    to that store and compared there, while the collection is searched, and then it is switched. Ctrl-C cancels, and
    all stays as it was. Without COLLECTION it is about rows:

    STORE is `home` for SQLite in the home, sqlite:////FOLDER/guru.db, postgresql://USER:PASSWORD@HOST/DATABASE, or
    env:NAME for the variable that holds it. Stop the server first, and every other server on the same store. It all
    happens in one transaction, after which both sides are compared: one that is killed leaves nothing, and is started
    again. The original files stay where they are, and so does what was copied.
    """
    from guru.cli.output import plural, print_json
    from guru.config import load_settings
    from guru.errors import InvalidParameter
    from guru.server.serve import locked
    from guru.store.transfer import transfer as copy

    if collection is not None:
        if target is None or source is not None:
            raise click.UsageError("Say where the index goes with --to; it comes from where it is.")
        move_index(collection, target, home, as_json)
        return
    if source is None and target is None:
        raise InvalidParameter(
            "Nothing says where to or from.", hint="Name the other store: --to STORE or --from STORE"
        )
    settings = load_settings(home=home).store
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(home), ExitStack() as stack:
        databases = [open_store(name, home, settings, exists=name is source) for name in (source, target)]
        stack.callback(lambda: asyncio.run(close(databases)))
        asyncio.run(open_all(databases))
        tell = (lambda step: None) if as_json else stack.enter_context(Display())
        # In this thread, so that Ctrl-C ends it, and undoes it.
        moved = copy(databases[0], databases[1], tell)
    if as_json:
        print_json(to_report(databases, moved))
        return
    rows = sum(item.rows for item in moved)
    click.echo(f"Moved {plural(rows, 'row')} of {plural(len(moved), 'table')} from {databases[0].place}")
    click.echo(f"to {databases[1].place}; both have the same counts and checksums.")
    if target is not None:
        click.echo("Now let [store] url name it, and start the server.")


@asynchronous
async def move_index(collection: str, to: str, home: Path, as_json: bool) -> None:
    """Move the index of a collection, by the server, and follow it."""
    from guru.cli.client import collection_path, connect
    from guru.cli.jobs import follow, result_of
    from guru.cli.output import plural, print_json

    async with connect(home) as client:
        started = await client.post(collection_path(collection, "/transfer"), {"to": to})
        moved = result_of(await follow(client, started["job"], f"Moving {collection}", unit="passages"))
    if as_json:
        print_json(moved)
        return
    click.echo(f"The index of {collection} moved from {moved['from']} to {moved['to']}: ", nl=False)
    click.echo(f"{plural(moved['passages'], 'passage')}, checksum {moved['checksum']} on both sides.")


async def open_all(databases: list[Database]) -> None:
    for database in databases:
        await database.open()


async def close(databases: list[Database]) -> None:
    for database in databases:
        await database.close()


def to_report(databases: list[Database], moved: list[Moved]) -> dict[str, object]:
    from msgspec import to_builtins

    return {"from": databases[0].place, "to": databases[1].place, "tables": to_builtins(moved)}


def open_store(name: str | None, home: Path, settings: StoreSettings, *, exists: bool) -> Database:
    """The store that a person named. `exists`: it is not made. Raises `GuruError`."""
    import os

    from guru.errors import InvalidParameter, NotFound
    from guru.store.database import Database

    if name is not None and name.startswith("env:"):
        variable = name.removeprefix("env:")
        name = os.environ.get(variable)
        if not name:
            raise InvalidParameter(f"The variable {variable} is not set.", hint="Set it to the address of a store.")
    if name is None and settings.url:
        name = settings.url
    if name not in (None, HOME):
        database = Database(name, connections=settings.connections)
    elif exists and not (home / "guru.db").exists():
        raise NotFound(
            f"There is no database in {home}.", hint="Name another home with --home, or a store with --from."
        )
    else:
        database = Database.in_home(home)
    return database


class Display:
    """A line on stderr for every table; on a terminal it moves while rows do."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        from guru.cli.output import console

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        screen = console(stderr=True)
        self._bars = Progress(*columns, console=screen, disable=not screen.is_terminal)
        self._tasks: dict[tuple[str, str], object] = {}

    def __enter__(self) -> Display:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def __call__(self, step: Step) -> None:
        """Runs in the thread that copies."""
        key = (step.doing, step.table)
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(f"{step.doing} {step.table}", total=step.total)
            if self._bars.disable:
                click.echo(f"{step.doing} {step.table}: {step.total:,} rows", err=True)
        self._bars.update(self._tasks[key], completed=step.done)  # type: ignore[arg-type]
