"""`guru chunk`: how a file would be cut, without storing it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from guru.cli.options import STRATEGIES, asynchronous, chunk_options, home_option, json_option

JSON = dict[str, Any]


@click.command
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-s", "--strategy", type=click.Choice(STRATEGIES), help="How to cut it.  [default: as configured]")
@chunk_options
@home_option
@json_option
@asynchronous
async def command(file: Path, strategy: str | None, home: Path, as_json: bool, **sizes: Any) -> None:
    """Show how FILE would be cut into chunks. Nothing is stored."""
    from guru.cli.client import connect
    from guru.cli.output import print_json

    chosen = {name: str(value) for name, value in {"strategy": strategy, **sizes}.items() if value is not None}
    async with connect(home) as client:
        cut = await client.upload("/api/v1/chunk", file, **chosen)
    if as_json:
        print_json(cut)
    else:
        print_chunks(cut)


def print_chunks(cut: JSON) -> None:
    """One chunk after the other: its place, its size, its headings, and how it reads."""
    from rich.text import Text

    from guru.cli.output import clean, console, one_line, plural, print_indented

    screen = console()
    for chunk in cut["chunks"]:
        path = clean(" › ".join(chunk["heading_path"]))
        facts = [f"{chunk['start']}–{chunk['end']}", plural(chunk["tokens"], "token")]
        facts += [f"page {chunk['page']}"] if chunk["page"] else []
        facts += [f"{chunk['shared']} shared"] if chunk["shared"] else []
        facts += [f"reads {chunk['parent']['start']}–{chunk['parent']['end']}"] if chunk["parent"] else []
        head = Text.assemble((f"{chunk['ordinal'] + 1:>3}. ", "bold cyan"), ", ".join(facts), (f"  {path}", "dim"))
        screen.print(head, soft_wrap=True)
        print_indented(screen, one_line(chunk["text"], 400))
    sizes = [chunk["tokens"] for chunk in cut["chunks"]]
    mean = sum(sizes) / len(sizes) if sizes else 0
    click.echo(f"{plural(len(sizes), 'chunk')} of {mean:.0f} tokens on average, cut by {cut['strategy']}.")
    for warning in cut["warnings"]:
        click.echo(clean(str(warning)), err=True)
