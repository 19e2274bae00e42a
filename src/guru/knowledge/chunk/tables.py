"""Rows of tables in plain text, and the row that names their columns.

A row is a line with cells between `|`. The first row of a table names the columns, unless its cells are figures or name
themselves (`name: value`). A Markdown rule (`|---|`) may follow it. In reports the columns are often years, a row that
spans several of them may stand above, the column of labels has no name, and a label may stand between the rows.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from guru.knowledge.sentences import Span

RULE: Final = re.compile(r"\|?[\s:|-]*-[\s:|-]*\|?")
_FIGURE: Final = re.compile(r"[\W\d_]*\d[\W\d_]*")
_YEAR: Final = re.compile(r"(?:19|20)\d\d")
_NAMED: Final = re.compile(r"[^:|]{1,60}: ")
_LINE: Final = re.compile(r"[^\n]+")
_SPANNING: Final = 3
"""Rows that may stand above the one that names every column."""
_NOTHING: Final = ("", "-", "–", "—")
_LABEL: Final = 100
"""Characters of a label between rows."""


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


def cell_spans(line: str) -> list[Span]:
    """Where the cells of a row stand in its line."""
    start = len(line) - len(line.lstrip())
    start += line.startswith("|", start)
    spans = []
    for piece in line[start:].rstrip().removesuffix("|").split("|"):
        lead = len(piece) - len(piece.lstrip())
        spans.append((start + lead, start + lead + len(piece.strip())))
        start += len(piece) + 1
    return spans


def names_columns(first: str, rest: Sequence[str], *, strict: bool) -> bool:
    """Whether the first row of a table is its header. Strict: names must also look unlike what stands below."""
    cells = cells_of(first)
    if named_cells(cells) is not None:
        return False
    if figures := [cell for cell in cells if _FIGURE.fullmatch(cell)]:
        return all(map(_YEAR.fullmatch, figures)) and any(map(has_figures, rest))
    below = any(re.search(r"\d", row) for row in rest)
    return not strict or (below and re.search(r"\d", first) is None)


def has_figures(row: str) -> bool:
    """Whether a row has a figure, below its label, that is no year."""
    return any(is_figure(cell) and not _YEAR.fullmatch(cell) for cell in cells_of(row)[1:])


def is_figure(cell: str) -> bool:
    """Whether a cell is a number with signs around it, and no word."""
    return _FIGURE.fullmatch(cell) is not None


def header_of(rows: Sequence[str], *, strict: bool) -> int | None:
    """Which of the rows of a table is its header: the first that names every column, else the last that names any."""
    if len(rows) > 1 and RULE.fullmatch(rows[1]):
        return 0
    widths = Counter(len(cells_of(row)) for row in rows if has_figures(row))
    width = widths.most_common(1)[0][0] if widths else len(cells_of(rows[0]))
    found = None
    for place in range(min(_SPANNING, len(rows) - 1)):
        if not names_columns(rows[place], rows[place + 1 :], strict=strict):
            break
        found, cells = place, cells_of(rows[place])
        if len(cells) == width or (len(cells) == width - 1 and _has_no_name_for_labels(cells)):
            break
    return found


def _has_no_name_for_labels(names: Sequence[str]) -> bool:
    """Years alone, from the first cell on: what stands over the column of labels is left out."""
    return _YEAR.fullmatch(names[0]) is not None


def names_for(names: Sequence[str], cells: Sequence[str]) -> list[str] | None:
    """The names of the columns of a row; None where they are not those of this row.

    A row that says its names itself needs none. One with more cells than columns, of which all but the last are years,
    has the others below the last. One with fewer, as many figures as there are years, has those of the years.
    """
    if named_cells(cells) is not None:
        return None
    if len(names) == len(cells):
        return list(names)
    if len(names) == len(cells) - 1 and _has_no_name_for_labels(names) and not _FIGURE.fullmatch(cells[0]):
        return ["", *names]
    if 3 < len(names) < len(cells) and not is_figure(cells[0]) and _years_but_last(names[1:]):
        return [*names, *([names[-1]] * (len(cells) - len(names)))]
    years = [name for name in names if _YEAR.fullmatch(name)]
    if 1 < len(years) == len(cells) - 1 < len(names) and all(is_figure(cell) or cell in _NOTHING for cell in cells[1:]):
        return ["" if _YEAR.fullmatch(names[0]) else names[0], *years]
    return None


def _years_but_last(names: Sequence[str]) -> bool:
    return all(map(_YEAR.fullmatch, names[:-1])) and not _YEAR.fullmatch(names[-1])


def spanned(names: Sequence[str], others: Sequence[Sequence[str]]) -> list[str]:
    """The names of columns with those of the header rows that span several of them: `Shares` below or above `2019`
    is `Shares 2019`. A row spans evenly, or it says nothing."""
    found = list(names)
    for cells in others:
        for titles in ([] if _YEAR.fullmatch(cells[0]) else cells[1:], cells):
            width, rest = divmod(len(found) - 1, len(titles)) if len(titles) > 1 else (0, 0)
            if width > 1 and not rest:
                found[1:] = [f"{name} {titles[place // width]}".strip() for place, name in enumerate(found[1:])]
                break
    return found


def named_cells(cells: Sequence[str]) -> tuple[list[str], list[str]] | None:
    """Names and values of a row that says its names itself (`City: Leeds | Opened: 2009`); None for any other."""
    if not all(_NAMED.match(cell) for cell in cells):
        return None
    pairs = [cell.split(": ", 1) for cell in cells]
    return [name for name, _ in pairs], [value for _, value in pairs]


def in_words(names: Sequence[str], cells: Sequence[str]) -> str:
    """A row as it is read: `Country: Spain; Limit: 120`."""
    pairs = [(name.rstrip(" ,:;"), cell) for name, cell in zip(names, cells, strict=True) if cell]
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in pairs)


def is_label(line: str) -> bool:
    """Whether a line that stands between rows may say what the rows below it are of."""
    return len(line) <= _LABEL and "\n" not in line and not is_row(line) and not line.endswith((".", "!", "?"))


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
    """Runs of at least two rows on neighbouring lines, with single labels between them."""
    rows: list[Span] = []
    last = -1
    for line in _LINE.finditer(text):
        content = line.group().strip()
        follows = bool(rows) and line.start() == last + 1
        if follows and last == rows[-1][1] and is_label(content):
            last = line.end()
            continue
        if not follows or not is_row(content):
            if len(rows) > 1:
                yield rows
            rows = []
        if is_row(content):
            rows.append(line.span())
            last = line.end()
    if len(rows) > 1:
        yield rows


def _header(text: str, table: list[Span]) -> Span | None:
    place = header_of([text[start:end].strip() for start, end in table], strict=False)
    return None if place is None else table[place]
