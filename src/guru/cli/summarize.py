"""`guru collections summarize`: what a collection, or one document of it, says in short."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from guru.cli.options import asynchronous, home_option, json_option


@click.command
@click.argument("name")
@click.option("--document", metavar="DOCUMENT", help="Only this one, by its name.  [default: the whole collection]")
@click.option(
    "--method",
    type=click.Choice(["auto", "extractive", "model"]),
    default="auto",
    show_default=True,
    help="extractive: the documents' own sentences. model: a model writes. auto: model, unless it is too small.",
)
@click.option("-m", "--model", metavar="M", default="default", show_default=True, help="The model that writes.")
@click.option("--sentences", type=click.IntRange(1, 30), default=5, show_default=True, help="How many at most.")
@click.option(
    "--documents", type=click.IntRange(1, 10_000), default=200, show_default=True,
    help="How many are read at most, of a whole collection: the most typical of each topic.",
)  # fmt: skip
@home_option
@json_option
@asynchronous
async def summarize(name: str, document: str | None, documents: int, home: Path, as_json: bool, **options: Any) -> None:
    """Summarise the collection NAME, or one of its documents.

    Every sentence stands with its sources. Of what a model writes, only what the documents support is kept. A document
    that has not changed is not summarised again.
    """
    from guru.cli.client import collection_path, connect
    from guru.cli.collections import find_document
    from guru.cli.jobs import follow, result_of
    from guru.cli.output import print_json

    async with connect(home) as client:
        if document is None:
            begun = await client.post(collection_path(name, "/summary"), options | {"documents": documents})
        else:
            document_id = await find_document(client, name, document)
            begun = await client.post(f"/api/v1/documents/{document_id}/summary", options)
        job = await follow(client, begun["job"], f"Summarising {document or name}", unit="documents")
        summary = result_of(job)["summary"]
    if as_json:
        print_json(summary)
    else:
        print_summary(summary)


def print_summary(summary: dict[str, Any]) -> None:
    """One sentence a paragraph, with the places that stand behind it; on stderr, how it was made."""
    from guru.cli.output import clean, console, plural

    screen = console()
    for sentence in summary["sentences"]:
        screen.print(clean(sentence["text"]))
        for source in sentence["sources"]:
            page = f", page {source['page']}" if source["page"] is not None else ""
            screen.print(f"  {clean(source['document'])}{page}", style="dim", soft_wrap=True)
    how = f"written by {summary['model']}" if summary["method"] == "model" else "in the documents' own sentences"
    click.echo(f"{plural(summary['documents'], 'document')}, {how}", err=True)
    if summary["dropped"]:
        click.echo(f"{plural(len(summary['dropped']), 'sentence')} of the model had no support: left out.", err=True)
    if summary["note"]:
        click.echo(summary["note"], err=True)
