"""`guru prompt`: the library of prompts, their versions and labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from guru.cli.options import asynchronous, default_group, home_option, json_option, model_option
from guru.cli.prompt_path import path, split

JSON = dict[str, Any]


@default_group("list")
def command() -> None:
    """Keep prompts with versions and labels, compare them, and run them."""


@command.command("list")
@home_option
@json_option
@asynchronous
async def list_prompts(home: Path, as_json: bool) -> None:
    """List the prompts with their labels."""
    from guru.cli.client import connect
    from guru.cli.output import print_list
    from guru.cli.prompt_output import labels_line, moment
    from guru.cli.tables import make_table

    async with connect(home) as client:
        found = await client.get("/api/v1/prompts")
    for problem in found["problems"] if not as_json else ():
        click.secho(f"{problem['file']} cannot be used. {problem['error']}", fg="red", err=True)
    table = make_table("name", versions=">", labels="<", file="<", changed="<")
    for prompt in found["prompts"]:
        table.add_row(
            prompt["name"], str(prompt["latest"]), labels_line(prompt["labels"]), prompt["file"] or "",
            moment(prompt["updated_at"]),
        )  # fmt: skip
    print_list(found, table, "There are no prompts. Save one: guru prompt save NAME FILE", as_json=as_json)


@command.command
@click.argument("reference")
@click.option("--versions", is_flag=True, help="List the versions, and how labels moved.")
@home_option
@json_option
@asynchronous
async def show(reference: str, versions: bool, home: Path, as_json: bool) -> None:
    """Show the version that REFERENCE names: NAME, NAME@LABEL or NAME@3."""
    from guru.cli.client import connect
    from guru.cli.output import print_json
    from guru.cli.prompt_output import print_version, print_versions

    name, which = split(reference)
    async with connect(home) as client:
        found = await client.get(path(name) if versions else path(name, f"/versions/{quote(which, safe='')}"))
    if as_json:
        print_json(found)
    elif versions:
        print_versions(found)
    else:
        print_version(found)


@command.command
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--notes", default="", help="What is new in it.")
@click.option("--label", "labels", multiple=True, metavar="LABEL", help="A label to move to it. May be repeated.")
@click.option("--expect", type=click.IntRange(min=0), metavar="N", help="Refuse, if the newest version is not this.")
@home_option
@json_option
@asynchronous
async def save(
    name: str, file: Path, notes: str, labels: tuple[str, ...], expect: int | None, home: Path, as_json: bool
) -> None:
    """Keep FILE (TOML or JSON; - is JSON from standard input) as the newest version of NAME."""
    import msgspec

    from guru.cli.client import connect
    from guru.cli.output import print_json
    from guru.cli.prompt_values import read_prompt

    content = read_prompt(file)
    body: JSON = {"definition": msgspec.to_builtins(content.definition()), "notes": notes or content.notes}
    if expect is not None:
        body["expect"] = expect
    async with connect(home) as client:
        saved = await client.post(path(name, "/versions"), body)
        for label in dict.fromkeys([*content.labels, *labels]):
            await client.post(path(name, f"/labels/{quote(label, safe='')}"), {"version": saved["version"]})
    if as_json:
        print_json(saved)
    elif saved["created"]:
        click.echo(f"Saved {name}@{saved['version']}.")
    else:
        click.echo(f"{name}@{saved['version']} says the same already.")


@command.command
@click.argument("name")
@click.argument("label")
@click.argument("version", type=click.IntRange(min=1), required=False)
@click.option("--remove", is_flag=True, help="Take the label away.")
@home_option
@json_option
@asynchronous
async def label(name: str, label: str, version: int | None, remove: bool, home: Path, as_json: bool) -> None:
    """Let LABEL of NAME stand for VERSION."""
    if remove == (version is not None):
        raise click.UsageError("Give the version, or --remove.")
    where = path(name, f"/labels/{quote(label, safe='')}")
    if remove:
        await act("DELETE", where, None, home, as_json)
    else:
        await act("POST", where, {"version": version}, home, as_json)


@command.command
@click.argument("name")
@click.argument("label")
@home_option
@json_option
@asynchronous
async def rollback(name: str, label: str, home: Path, as_json: bool) -> None:
    """Take LABEL of NAME back to where it was before its last move."""
    await act("POST", path(name, f"/labels/{quote(label, safe='')}/rollback"), {}, home, as_json)


@command.command
@click.argument("name")
@click.argument("before")
@click.argument("after", default="latest")
@home_option
@json_option
@asynchronous
async def diff(name: str, before: str, after: str, home: Path, as_json: bool) -> None:
    """Show what differs between two versions of NAME: numbers, labels, or latest."""
    from guru.cli.client import connect
    from guru.cli.output import clean, print_json

    async with connect(home) as client:
        found = await client.get(path(name, "/diff"), before=before, after=after)
    if as_json:
        print_json(found)
    else:
        click.echo(clean(found["text"]), nl=False)


@command.command
@click.argument("name")
@home_option
@asynchronous
async def delete(name: str, home: Path) -> None:
    """Remove NAME with all its versions."""
    from guru.cli.client import connect

    async with connect(home) as client:
        await client.request("DELETE", path(name))
    click.echo(f"Removed {name}.")


@command.command
@click.argument("reference")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["json", "toml"]),
    default="json",
    show_default=True,
    help="json: all versions, with the labels; toml: one version, as a file.",
)
@home_option
@asynchronous
async def export(reference: str, kind: str, home: Path) -> None:  # fmt: skip
    """Write a prompt to standard output, to be kept elsewhere."""
    from guru.cli.client import connect

    name, which = split(reference)
    async with connect(home) as client:
        click.echo(await client.text(path(name, "/export"), format=kind, version=which), nl=kind == "json")


VARIABLES = (
    click.option("--var", "pairs", multiple=True, metavar="NAME=VALUE", help="A variable's value. May be repeated."),
    click.option("--vars", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
                 help="A JSON object with values."),
)  # fmt: skip


def variables_options(function: Any) -> Any:
    """`--var` and `--vars`."""
    for option in reversed(VARIABLES):
        function = option(function)
    return function


@command.command
@click.argument("reference")
@variables_options
@home_option
@json_option
@asynchronous
async def render(reference: str, pairs: tuple[str, ...], file: Path | None, home: Path, as_json: bool) -> None:
    """Fill REFERENCE in, and show the messages. No model is asked.

    REFERENCE may be a file that is not kept yet, with its path, such as ./greeting.toml.
    """
    from guru.cli.client import connect
    from guru.cli.output import clean, print_json
    from guru.cli.prompt_values import drafted, variables

    name, which = split(reference)
    draft = drafted(reference)
    async with connect(home) as client:
        values = await variables(client, reference, pairs, file, draft)
        where, what = ("/api/v1/prompt-drafts/render", draft) if draft else (path(name, "/render"), {"version": which})
        found = await client.post(where, what | {"variables": values})
    if as_json:
        print_json(found)
        return
    for message in found["prompt"]["messages"]:
        click.secho(message["role"], bold=True)
        click.echo(clean(message["content"]) + "\n")


@command.command
@click.argument("reference")
@click.argument("message", default="")
@variables_options
@model_option
@home_option
@json_option
@asynchronous
async def run(
    reference: str,
    message: str,
    pairs: tuple[str, ...],
    file: Path | None,
    model: str | None,
    home: Path,
    as_json: bool,
) -> None:
    """Fill REFERENCE in, and ask a model: with MESSAGE behind it, if there is one.

    REFERENCE may be a file that is not kept yet, with its path, such as ./greeting.toml.
    """
    from guru.cli.answer import AnswerPrinter
    from guru.cli.client import connect
    from guru.cli.output import print_json
    from guru.cli.prompt_values import drafted, variables

    draft = drafted(reference)
    async with connect(home) as client:
        values = await variables(client, reference, pairs, file, draft)
        where = "/api/v1/prompt-drafts/chat" if draft else "/api/v1/chat"
        body: JSON = {"variables": values, "message": message, "model": model, **(draft or {"prompt": reference})}
        if as_json:
            print_json(await client.post(where, body))
            return
        with AnswerPrinter() as printer:
            async for event, data in client.stream("POST", where, body | {"stream": True}):
                printer.show(event, data)
            printer.finish()


async def act(method: str, where: str, body: JSON | None, home: Path, as_json: bool) -> None:
    """Move a label, and say where all of them are."""
    from guru.cli.client import connect
    from guru.cli.output import print_json
    from guru.cli.prompt_output import labels_line

    async with connect(home) as client:
        found = await client.request(method, where, body=body)
    if as_json:
        print_json(found)
    else:
        click.echo(f"{found['name']}: {labels_line(found['labels']) or 'no labels'}")
