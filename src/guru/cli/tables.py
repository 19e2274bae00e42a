"""Tables without furniture: a head, a line, rows."""

from __future__ import annotations

from rich import box
from rich.table import Table


def make_table(first: str, **columns: str) -> Table:
    """A table with the columns named; `"<"` is left-aligned, `">"` is for numbers: right-aligned, never wrapped."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, overflow="fold")
    for name, align in columns.items():
        is_number = align == ">"
        table.add_column(
            name.replace("_", " "),
            justify="right" if is_number else "left",
            no_wrap=is_number,
            overflow="ellipsis" if is_number else "fold",
        )
    return table
