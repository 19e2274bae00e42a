"""Tables as text: a row is a line, its cells are separated by ` | `."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from guru.knowledge.parse.builder import TextBuilder, squeeze

CELLS = " | "
_NUMBER = re.compile(r"[-+($€£¥]*[\d.,'\s]*\d[\d.,%)]*$")
_MAX_HEADER = 80


def row_line(cells: Iterable[str]) -> str:
    """The cells of a row on one line; empty cells at its end are left out."""
    line = [squeeze(cell).replace("\n", " ") for cell in cells]
    while line and not line[-1]:
        line.pop()
    return CELLS.join(line)


def write_table(builder: TextBuilder, rows: Iterable[list[str]]) -> int:
    """Write data rows as `header: value | header: value`, so that each stands for itself. Returns how many.

    A row without any value parts two tables. The header is the first row of a table when it holds words only, all
    different, for the columns of the next row; rows of a table without one are written as they are.
    """
    count = 0
    for table in _tables(rows):
        header: list[str] | None = None
        before: list[str] | None = None
        for position, row in enumerate(table):
            if before is not None and header is None and position <= 3 and _is_header(before, row):
                header = before
            if before is not None:
                builder.line(_line(before, header if before is not header else None))
                count += 1
            before = row
        if before is not None:
            builder.line(_line(before, header))
            count += 1
        builder.end_block()
    return count


def _tables(rows: Iterable[list[str]]) -> Iterator[Iterator[list[str]]]:
    """Runs of rows that hold something, each as an iterator to be used up before the next."""
    iterator = iter(rows)
    for row in iterator:
        if any(row):
            yield _until_empty(row, iterator)


def _until_empty(first: list[str], rows: Iterator[list[str]]) -> Iterator[list[str]]:
    yield first
    for row in rows:
        if not any(row):
            return
        yield row


def _is_header(row: list[str], following: list[str]) -> bool:
    names = [squeeze(name) for name in row if name.strip()]
    filled = [column for column, value in enumerate(following) if value.strip()]
    named = sum(column < len(row) and bool(row[column].strip()) for column in filled)
    return (
        len(names) >= 2
        and len(set(names)) == len(names)
        and all(len(name) <= _MAX_HEADER and not _NUMBER.match(name) for name in names)
        and named >= max(0.6 * len(filled), 1)
    )


def _line(row: list[str], header: list[str] | None) -> str:
    if header is None:
        return row_line(row)
    parts = []
    for column, value in enumerate(row):
        value = squeeze(value).replace("\n", " ")
        if value:
            name = squeeze(header[column]).replace("\n", " ") if column < len(header) else ""
            parts.append(f"{name}: {value}" if name else value)
    return CELLS.join(parts)
