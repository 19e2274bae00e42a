"""Write the pages of docs/ that are made from code, or check that they are up to date (`--check`)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import document_providers
import document_settings

from guru.cli.main import cli

ROOT = Path(__file__).parent.parent
HEAD = """\
# The command line

This page is written by `make format` from the commands' own help. Every command takes `--home DIR`, and `--json`
where it prints data. Exit status: 0 done, 1 failed (the reason and what to do about it are on stderr), 2 used wrongly.
That holds for `guru up` too: a port that is taken, a home that cannot be written, a full disk, a damaged database, a
second server on the home or a wrong configuration is one message with status 1. A traceback is a mistake of Guru's:
please report it.

A command speaks to the server that runs on the home; when none runs, it does the work itself, with the same code.
Without a terminal the output is plain text; `NO_COLOR` is honoured.
"""


def sections(command: click.Command, context: click.Context, depth: int = 2) -> Iterator[str]:
    """One section for the command, then one for each of its own commands."""
    text = command.get_help(context).replace(str(Path.home()), "~")
    yield f"{'#' * depth} {context.command_path}\n\n```text\n{text}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from sections(child, click.Context(child, info_name=name, parent=context), min(depth + 1, 3))


def generate() -> str:
    """The page of the command line."""
    settings = {**cli.context_settings, "terminal_width": 100, "max_content_width": 100}
    context = click.Context(cli, info_name="guru", **settings)
    return "\n".join([HEAD, *sections(cli, context)])


PAGES = {
    ROOT / "docs" / "cli.md": generate,
    document_settings.PAGE: document_settings.generate,
    document_providers.PAGE: document_providers.generate,
}
"""Every page that is made from code, or has parts that are."""


def main() -> int:
    stale = [page for page, make in PAGES.items() if page.read_text(encoding="utf-8") != make()]
    if "--check" in sys.argv:
        for page in stale:
            print(f"{page.relative_to(ROOT)} is not what the code says: run `make format`.", file=sys.stderr)
        return 1 if stale else 0
    for page in stale:
        page.write_text(PAGES[page](), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
