"""Rows of tables in plain text, and the row that names their columns.

A row is a line with cells between `|`. The first row of a table names the columns, unless its cells are figures or name
themselves (`name: value`). A Markdown rule (`|---|`) may follow it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from guru.knowledge.sentences import Span

RULE: Final = re.compile(r"\|?[\s:|-]*-[\s:|-]*\|?")
_FIGURE: Final = re.compile(r"[\W\d_]*\d[\W\d_]*")
_NAMED: Final = re.compile(r"[^:|]{1,60}: ")
_LINE: Final = re.compile(r"[^\n]+")


def is_row(line: str) -> bool:
    """Whether a line is the row of a table with bars."""
    return "\n" not in line and (" | " in line or line.startswith("|"))


class RowFinder:
    """The rows of the tables of a text, with bars or tabs. Asked in order, it looks at each line once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._line = (0, -1)
        self._is_row = False

    def end_of_row(self, offset: int) -> int | None:
        """Where the line of `offset` ends, if it is a row."""
        if not self._line[0] <= offset <= self._line[1]:
            start = self._text.rfind("\n", 0, offset) + 1
            end = self._text.find("\n", offset)
            self._line = (start, len(self._text) if end < 0 else end)
            self._is_row = has_cells(self._text[start : self._line[1]])
        return self._line[1] if self._is_row else None


def has_cells(line: str) -> bool:
    """Whether a line begins with a bar, or has bars or tabs between its words."""
    line = line.lstrip()
    return line.startswith("|") or " | " in line or "\t" in line


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]


def names_columns(first: str, rest: Sequence[str], *, strict: bool) -> bool:
    """Whether the first row of a table is its header. Strict: names must also look unlike what stands below."""
    cells = cells_of(first)
    if any(_FIGURE.fullmatch(cell) for cell in cells) or all(_NAMED.match(cell) for cell in cells):
        return False
    below = any(re.search(r"\d", row) for row in rest)
    return not strict or (below and re.search(r"\d", first) is None)


class Headers:
    """The header rows of all tables of a text."""

    def __init__(self, text: str) -> None:
        self._tables = [(table[0], table[-1], header) for table in _tables(text) if (header := _header(text, table))]
        self._starts = [first[0] for first, _, _ in self._tables]

    def above(self, offset: int) -> Span | None:
        """The header of the table that `offset` stands in, below the header."""
        index = bisect_right(self._starts, offset) - 1
        if index < 0:
            return None
        _, last, header = self._tables[index]
        return header if header[1] <= offset < last[1] else None


def _tables(text: str) -> Iterator[list[Span]]:
    """Runs of at least two rows on neighbouring lines."""
    rows: list[Span] = []
    for line in _LINE.finditer(text):
        content = line.group().strip()
        follows = bool(rows) and line.start() == rows[-1][1] + 1
        if not follows or not is_row(content):
            if len(rows) > 1:
                yield rows
            rows = []
        if is_row(content):
            rows.append(line.span())
    if len(rows) > 1:
        yield rows


def _header(text: str, table: list[Span]) -> Span | None:
    first, second = (text[start:end].strip() for start, end in islice(table, 2))
    return table[0] if RULE.fullmatch(second) or names_columns(first, (), strict=False) else None
