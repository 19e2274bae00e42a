"""Rows of a region, and which of them are rows of a table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from guru.knowledge.parse.pdf.runs import Run, Source

# In units of the row's height.
_SAME_ROW = 0.5
_TOUCHING = 0.12
_CELL_GAP = 0.9
_LONE_CELL_GAP = 2.5
_ALIGNED = 0.25
_NEAR = 6.0
_PROSE = 60  # characters
_CELLS = " | "

_BULLET = re.compile(r"(?:[•●○▪■□◦‣⁃∙·☐☑☒–—*o-]|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)])$")
_SPACED_AMOUNT = re.compile(r"[$€£¥] [\d(]")
_BEFORE = re.compile(r"[$€£¥(]+$")
_AFTER = re.compile(r"[)%]+$")
_FIGURE = re.compile(r"[-–—$€£¥(]*[\d.,\s]*\d[\d.,]*[)%]*$|[—–-]+$")


@dataclass(slots=True)
class Row:
    """One line across a region: its text, where it comes from, its box and its style."""

    text: str
    sources: list[Source]
    x0: float
    y0: float
    x1: float
    y1: float
    height: float
    """Of its letters."""
    bold: bool
    is_table: bool


def find_rows(region: list[Run]) -> list[Row]:
    """The rows of a region from top to bottom, each with its text; cells of a table are separated by ` | `."""
    lines = [_cells(runs) for runs in _cluster(region)]
    return [_row(cells, _is_table_row(lines, index)) for index, cells in enumerate(lines)]


def _cluster(region: list[Run]) -> list[list[Run]]:
    """Groups of runs on the same line. The tallest run of a group says where its line is."""
    groups: list[list[Run]] = []
    tallest: list[Run] = []
    for run in sorted(region, key=lambda run: (run.y0 + run.y1) / 2):
        for back in (-1, -2):
            if len(groups) >= -back and _on_line(run, tallest[back]):
                groups[back].append(run)
                if run.height > tallest[back].height:
                    tallest[back] = run
                break
        else:
            groups.append([run])
            tallest.append(run)
    return groups


def _on_line(run: Run, line: Run) -> bool:
    overlap = min(run.y1, line.y1) - max(run.y0, line.y0)
    return overlap > _SAME_ROW * min(run.height, line.height)


def _cells(runs: list[Run]) -> list[Run]:
    """The cells of a line from left to right: runs with wide gaps between them."""
    runs = sorted(runs, key=lambda run: run.x0)
    height = max(run.height for run in runs)
    cells = [runs[0]]
    for run in runs[1:]:
        gap = run.x0 - cells[-1].x1
        if gap < _CELL_GAP * height or _belong_together(cells, run):
            cells[-1] = _merge(cells[-1], run, "" if gap < _TOUCHING * height else " ")
        else:
            cells.append(run)
    return cells


def _belong_together(cells: list[Run], run: Run) -> bool:
    """A bullet, or a run-in heading with a colon, and its text; a currency sign and its amount; an amount and its
    closing parenthesis or percent sign."""
    last = cells[-1].text
    if last.endswith(":") and len(run.text) >= _PROSE:
        return True
    return bool((len(cells) == 1 and _BULLET.match(last)) or _BEFORE.match(last) or _AFTER.match(run.text))


def _merge(left: Run, right: Run, separator: str) -> Run:
    if _AFTER.match(right.text) or _BEFORE.match(left.text):
        separator = ""
    shift = len(left.text) + len(separator)
    sources = [*left.sources, *((offset + shift, index, length) for offset, index, length in right.sources)]
    return Run(
        left.text + separator + right.text, sources,
        min(left.x0, right.x0), min(left.y0, right.y0), max(left.x1, right.x1), max(left.y1, right.y1),
        left.bold and right.bold,
    )  # fmt: skip


def _is_table_row(lines: list[list[Run]], index: int) -> bool:
    """A line of several cells is of a table when a line near it has a gap at the same place, or a figure ends it."""
    line = lines[index]
    if len(line) < 2:
        return False
    height = max(cell.height for cell in line)
    for other in (*lines[max(index - 3, 0) : index], *lines[index + 1 : index + 4]):
        if abs(other[0].y0 - line[0].y0) < _NEAR * height and _aligned(line, other, height):
            return True
    widest = max(end - start for start, end in _gaps(line))
    return widest > _LONE_CELL_GAP * height and bool(_FIGURE.match(line[-1].text))


def _aligned(line: list[Run], other: list[Run], height: float) -> bool:
    """Whether a gap of one line lies over one of the other. Prose after a gap must also begin at the same place."""
    return any(
        min(end, right) - max(start, left) > _ALIGNED * height
        and (len(cell.text) < _PROSE or abs(end - right) < _ALIGNED * height)
        for (start, end), cell in zip(_gaps(line), line[1:], strict=True)
        for left, right in _gaps(other)
    )


def _gaps(line: list[Run]) -> list[tuple[float, float]]:
    return [(left.x1, right.x0) for left, right in pairwise(line)]


def _close_up(cell: Run) -> None:
    """Take the blank out of `$ 1,234`, which some programs align to the left edge of the column."""
    if not _SPACED_AMOUNT.match(cell.text):
        return
    cell.text = cell.text[0] + cell.text[2:]
    sources: list[Source] = []
    for offset, index, length in cell.sources:
        for kept, first, last in ((offset, 0, 1), (offset - 1, 2, None)):
            start, end = max(first - offset, 0), min(last - offset if last is not None else length, length)
            if start < end:
                sources.append((kept + start, index + start, end - start))
    cell.sources = sources


def _row(cells: list[Run], is_table: bool) -> Row:
    separator = _CELLS if is_table else " "
    text = ""
    sources: list[Source] = []
    for cell in cells:
        if is_table:
            _close_up(cell)
        text += separator if text else ""
        sources.extend((offset + len(text), index, length) for offset, index, length in cell.sources)
        text += cell.text
    return Row(
        text, sources,
        cells[0].x0, min(cell.y0 for cell in cells), max(cell.x1 for cell in cells), max(cell.y1 for cell in cells),
        max(cells, key=lambda cell: len(cell.text)).height, all(cell.bold for cell in cells), is_table,
    )  # fmt: skip
