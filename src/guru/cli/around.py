"""`guru collections topics`, `anomalies`: what a collection is about as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from guru.cli.options import asynchronous, home_option, json_option

filter_option = click.option(
    "--filter", "conditions", metavar="JSON", help="Only documents whose metadata match, as in `guru search`."
)
seed_option = click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed gives the same result."
)


@click.command
@click.argument("name")
@click.option("--passages", is_flag=True, help="Put passages together, not whole documents.")
@click.option("--count", type=click.IntRange(1, 100), help="How many topics.  [default: as many as the data has]")
@click.option("--typical", type=click.IntRange(0, 20), default=3, show_default=True, help="Documents shown of each.")
@filter_option
@seed_option
@home_option
@json_option
@asynchronous
async def topics(
    name: str,
    passages: bool,
    count: int | None,
    typical: int,
    conditions: str | None,
    seed: int,
    home: Path,
    as_json: bool,
) -> None:
    """Show what the documents of the collection NAME are about.

    Documents that are near to each other are a topic; it is described by the words that tell it from the others, and
    by its most typical documents.
    """
    from guru.cli.client import collection_path, connect
    from guru.cli.output import clean, one_line, plural, print_json

    body = {"unit": "passages" if passages else "documents", "typical": typical, "seed": seed} | wanted(conditions)
    async with connect(home) as client:
        found = await client.post(collection_path(name, "/topics"), body | ({"count": count} if count else {}))
    if as_json:
        print_json(found)
        return
    unit = found["unit"].removesuffix("s")
    for topic in found["topics"]:
        click.echo(f"{clean(', '.join(topic['words']) or topic['label'])}  ({plural(topic['size'], unit)})")
        for item in topic["typical"]:
            more = f"  {one_line(item['text'], 80)}" if passages else ""
            click.echo(f"  {item['similarity']:.3f}  {clean(item['name'])}{more}")
    click.echo(summary(found, unit), err=True)


def wanted(conditions: str | None) -> dict[str, Any]:
    """The filter of a body, where there is one. Raises `click.BadParameter`."""
    from guru.cli.search import parse_filter

    return {"filter": parse_filter(conditions)} if conditions else {}


def summary(found: dict[str, Any], unit: str) -> str:
    """How many topics of what, and what is to be known of them."""
    from guru.cli.output import plural

    text = f"{plural(len(found['topics']), 'topic')} in {plural(found['count'], unit)}"
    if found["silhouette"] is not None:
        text += f", silhouette {found['silhouette']:.2f}"
    if found["sampled"]:
        text += f"; found with {found['sampled']:,} of them, the others were put to the nearest"
    if found["empty"]:
        text += f"; {plural(found['empty'], 'document')} without text left out"
    return text


@click.command
@click.argument("name")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many at most.")
@filter_option
@seed_option
@home_option
@json_option
@asynchronous
async def anomalies(name: str, limit: int, conditions: str | None, seed: int, home: Path, as_json: bool) -> None:
    """Show which documents of the collection NAME are unlike the others, and why.

    The score is the local outlier factor: about 1 is usual. Behind it is how far that is above the median of the
    collection, in robust standard deviations.
    """
    from guru.cli.client import collection_path, connect
    from guru.cli.output import clean, plural, print_json

    async with connect(home) as client:
        body = {"limit": limit, "seed": seed} | wanted(conditions)
        found = await client.post(collection_path(name, "/anomalies"), body)
    if as_json:
        print_json(found)
        return
    for item in found["anomalies"]:
        click.echo(f"{item['score']:.2f}  {item['deviation']:+.1f}  {clean(item['name'])}")
        for reason in item["reasons"]:
            click.echo(f"      {clean(reason['text'])}")
    text = f"{plural(len(found['anomalies']), 'unusual document')} among {found['count']:,}"
    click.echo(f"{text}. {found['note']}" if found["note"] else text, err=True)


COMMANDS = [topics, anomalies]
