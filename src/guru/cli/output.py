"""What a command prints: JSON for programs, text for people; plain where there is no terminal.

Documents and models may hold escape sequences that would take over a terminal, so their text goes through `clean`.
"""

from __future__ import annotations

import json
import os
import re
import textwrap
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from guru.types import JSON

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
PIPE_WIDTH = 160


def clean(text: str) -> str:
    """`text` without control characters, line ends and tabs excepted."""
    return CONTROL.sub("", text)


def one_line(text: str, limit: int = 300) -> str:
    """`text` on one line, cut at a word near `limit` characters."""
    line = " ".join(clean(text).split())
    return line if len(line) <= limit else line[:limit].rsplit(" ", 1)[0] + " …"


def print_json(value: Any) -> None:
    """Print `value` for a program: indented, UTF-8, and ASCII only where stdout cannot take more."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    try:
        click.echo(text)
    except UnicodeEncodeError:
        click.echo(json.dumps(value, indent=2))


def console(*, stderr: bool = False) -> Console:
    """A Rich console. Without a terminal: no colours, no control characters, and lines of a steady width."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made = Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=PIPE_WIDTH)
    return made


def print_indented(screen: Console, text: str, style: str = "", bold: str = "") -> None:
    """Print `text`, wrapped and indented; its words `bold` stand out, where the screen can do that."""
    from rich.text import Text

    first = text.find(bold) if bold else -1
    place = 0
    for line in textwrap.wrap(text, max(20, screen.width - 5), break_long_words=False):
        shown = Text(f"    {line}", style=style)
        place = text.find(line, place)  # wrapping takes only the spaces between lines away
        if first >= 0:
            start, end = (min(max(at - place, 0), len(line)) for at in (first, first + len(bold)))
            shown.stylize("bold", start + 4, end + 4)
        screen.print(shown, soft_wrap=True)
        place += len(line)


def print_table(screen: Console, table: Table) -> None:
    """Print a table; without a terminal, without the spaces that fill its lines."""
    if screen.is_terminal:
        screen.print(table)
        return
    with screen.capture() as capture:
        screen.print(table)
    click.echo("\n".join(line.rstrip() for line in capture.get().strip("\n").splitlines()))


def print_list(found: JSON, table: Table, nothing: str = "", *, as_json: bool) -> None:
    """Print a list: all that was `found` for a program, else its table, or `nothing` in place of one without rows."""
    if as_json:
        print_json(found)
    elif nothing and not table.row_count:
        click.echo(nothing)
    else:
        print_table(console(), table)


def human_bytes(count: float | None) -> str:
    """`1234567` as `1.2 MB`."""
    if count is None:
        return "–"
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def human_seconds(seconds: float | None) -> str:
    """`0.0123` as `12 ms`, `3.2` as `3.2 s`."""
    if seconds is None:
        return "–"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def plural(count: int, noun: str) -> str:
    """`3 documents`, `1 document`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
