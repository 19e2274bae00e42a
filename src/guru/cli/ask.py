"""`guru ask`: one question, an answer that streams in, and its sources."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from guru.cli.options import asynchronous, collection_option, home_option, json_option, model_option, search_options

if TYPE_CHECKING:
    from guru.cli.client import Client


@click.command
@click.argument("question")
@collection_option
@model_option
@click.option("-k", type=click.IntRange(1, 100), help="How many passages the answer may draw on.")
@click.option("--threshold", type=click.FloatRange(0, 1), help="Confidence under which nothing is answered.")
@click.option(
    "--strategy",
    type=click.Choice(["direct", "map_reduce"]),
    help="map_reduce: read every document in which something is found, and put what they say together.",
)
@search_options
@home_option
@json_option
@asynchronous
async def command(
    question: str,
    collection: str | None,
    model: str | None,
    k: int | None,
    threshold: float | None,
    strategy: str | None,
    options: dict[str, Any],
    home: Path,
    as_json: bool,
) -> None:
    """Ask QUESTION of a collection. Every citation is a quote that stands in the document it names.

    A question that the documents do not answer gets "not in the documents". Where sources disagree, both are shown.
    """
    from guru.cli.client import choose_collection, connect
    from guru.cli.output import print_json

    async with connect(home) as client:
        body = {
            "question": question,
            "collection": await choose_collection(client, collection),
            "model": model,
            "k": k,
            "threshold": threshold,
            "strategy": strategy,
            **options,
        }
        body = {name: value for name, value in body.items() if value is not None}
        if as_json:
            print_json(await client.post("/api/v1/ask", body))
        else:
            await stream_answer(client, body)


async def stream_answer(client: Client, body: dict[str, Any]) -> None:
    from guru.cli.answer import AnswerPrinter

    with AnswerPrinter() as printer:
        async for event, data in client.stream("POST", "/api/v1/ask", body | {"stream": True}):
            printer.show(event, data)
        printer.finish()
