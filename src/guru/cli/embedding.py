"""Models of collections, on the command line: `guru collections reembed` and `rollback`, and what is shown of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from guru.cli.options import asynchronous, home_option, json_option, ray_option


@click.command
@click.argument("name")
@click.option("--model", metavar="MODEL", help="The embedding model.  [default: the configured one]")
@click.option("--forget-old", is_flag=True, help="Remove the vectors of other models, and embed nothing.")
@ray_option
@home_option
@json_option
@asynchronous
async def reembed(name: str, model: str | None, forget_old: bool, ray: str | None, home: Path, as_json: bool) -> None:
    """Embed the collection NAME with another model.

    It is searched with the old model until all is there, and then with the new one, from one moment to the next. The
    vectors of the old one are kept for a while, for `guru collections rollback`. A job that ended before it was done
    goes on where it was.
    """
    from guru.cli.client import collection_path, connect
    from guru.cli.jobs import follow, result_of
    from guru.cli.output import human_seconds, plural, print_json

    if forget_old and model:
        raise click.UsageError("--forget-old and --model exclude each other.")
    async with connect(home) as client:
        path = "/forget-vectors" if forget_old else "/reembed"
        started = await client.post(collection_path(name, path), {} if forget_old else {"model": model, "ray": ray})
        title = f"Forgetting old vectors of {name}" if forget_old else f"Embedding {name}"
        result = result_of(await follow(client, started["job"], title, unit="chunks"))
    if as_json:
        print_json(result)
    elif forget_old:
        click.echo(f"Old vectors of {name} are gone.")
    else:
        counts = f"{plural(result['embedded'], 'text')} embedded, {result['reused']:,} had been before"
        click.echo(f"{name} is embedded with {result['model']}: {counts} ({human_seconds(result['seconds'])}).")
        click.echo(f"To go back to {result['previous']}: guru collections rollback {name}")


@click.command
@click.argument("name")
@home_option
@json_option
@asynchronous
async def rollback(name: str, home: Path, as_json: bool) -> None:
    """Go back to the embedding model that the collection NAME had before the last change, at once."""
    from guru.cli.client import collection_path, connect
    from guru.cli.output import print_json

    async with connect(home) as client:
        collection = await client.post(collection_path(name, "/rollback"))
    if as_json:
        print_json(collection)
        return
    click.echo(f"{name} is searched with {collection['embedding_model']} again.")


def model_advice(item: dict[str, Any]) -> str | None:
    """What to do about a collection whose embedding model is not the one of new collections."""
    name, model = item["name"], item["embedding_model"]
    if not item["available"]:
        return (
            f"{name} cannot be searched: its embedding model {model} is not available any more. Configure that again, "
            f"or: guru collections reembed {name}"
        )
    if item["outdated"]:
        return (
            f"{name} has the embedding model {model}, which new collections do not get. It is searched with it "
            f"as before; to change it: guru collections reembed {name}"
        )
    return None


def vector_lines(collection: dict[str, Any]) -> list[str]:
    """Vectors of other models, and the size of the cache, as far as they are shown to who asks."""
    from guru.cli.output import human_bytes, plural

    says = {
        "next": "being embedded with {model}: {chunks} so far",
        "previous": "kept of {model}: {chunks} (guru collections rollback {name})",
        "left": "left of {model} by a job that did not end: {chunks} (go on: guru collections reembed {name} --model "
        "{model}; remove: --forget-old)",
    }
    found = [
        "Vectors "
        + says[item["role"]].format(
            model=item["model"], name=collection["name"], chunks=plural(item["chunks"], "chunk")
        )
        for item in collection["vectors"] or []
        if item["role"] in says
    ]
    if cache := collection["cache"]:
        found.append(
            f"Embedded before, of all collections: {plural(cache['texts'], 'text')}, {human_bytes(cache['bytes'])}"
        )
    return found
