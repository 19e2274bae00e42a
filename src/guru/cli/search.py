"""`guru search`: the passages that answer a query best, with the scores of every stage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from guru.cli.options import asynchronous, collection_option, home_option, json_option, search_options

JSON = dict[str, Any]


@click.command
@click.argument("query")
@collection_option
@click.option("-k", type=click.IntRange(1, 200), default=10, show_default=True, help="How many passages.")
@click.option(
    "--mode", type=click.Choice(["hybrid", "dense", "sparse"]), help="How to search.  [default: as configured]"
)
@click.option("--filter", "conditions", metavar="JSON", help='Only documents whose metadata match, as {"author": "…"}.')
@search_options
@click.option("--explain", is_flag=True, help="Show the score of every stage.")
@home_option
@json_option
@asynchronous
async def command(
    query: str,
    collection: str | None,
    k: int,
    mode: str | None,
    conditions: str | None,
    options: JSON,
    explain: bool,
    home: Path,
    as_json: bool,
) -> None:
    """Find the passages of a collection that fit QUERY best."""
    from guru.cli.client import choose_collection, collection_path, connect
    from guru.cli.output import clean, print_json

    body: JSON = {"query": query, "k": k, "explain": explain, **options}
    if mode is not None:
        body["mode"] = mode
    if conditions:
        body["filter"] = parse_filter(conditions)
    async with connect(home) as client:
        name = await choose_collection(client, collection)
        found = await client.post(collection_path(name, "/search"), body)
    if as_json:
        print_json(found)
        return
    for note in found["notes"]:
        click.echo(clean(note), err=True)
    if explain and found["queries"]:
        click.echo("\n".join(["Searched for, too:", *(f"  {clean(query)}" for query in found["queries"])]))
    if not found["results"]:
        click.echo("Nothing found.")
    elif explain:
        print_scores(found["results"])
    else:
        print_results(found["results"])


def parse_filter(text: str) -> JSON:
    try:
        conditions = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"not JSON: {error}", param_hint="--filter") from error
    if not isinstance(conditions, dict):
        raise click.BadParameter("a JSON object is wanted", param_hint="--filter")
    return conditions


def print_results(results: list[JSON]) -> None:
    """One passage after the other: where it stands, and how it reads."""
    from rich.text import Text

    from guru.cli.answer import place
    from guru.cli.output import console, one_line, print_indented

    screen = console()
    for hit in results:
        heading = " › ".join(hit.get("heading_path") or [])
        head = Text.assemble(
            (f"{hit['rank']:>2}. ", "bold cyan"), (place(hit), "bold"), f"  {hit['score']:.3f}  ", (heading, "dim")
        )
        screen.print(head, soft_wrap=True)
        print_indented(screen, one_line(hit["text"], 400))


def print_scores(results: list[JSON]) -> None:
    """The scores of every stage, one passage a row."""
    from rich import box
    from rich.table import Table

    from guru.cli.answer import place
    from guru.cli.output import console, one_line, print_table

    stages = list(dict.fromkeys(stage for hit in results for stage in hit["stages"]))
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("#", justify="right")
    table.add_column("passage", max_width=60)
    for name in ("score", *stages):
        table.add_column(name, justify="right", no_wrap=True)
    for hit in results:
        numbers = [f"{hit['score']:.3f}", *(show_score(hit["stages"].get(stage)) for stage in stages)]
        table.add_row(str(hit["rank"]), f"{place(hit)}\n{one_line(hit['text'], 110)}", *numbers)
    print_table(console(), table)


def show_score(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return "–" if value is None else str(value)
