"""Running heads, running feet and page numbers: rows in the margins that page after page repeat."""

from __future__ import annotations

import re
from collections import defaultdict

from guru.knowledge.parse.pdf.rows import Row

_MARGIN = 0.12
_EDGE_ROWS = 3
_MIN_PAGES = 3
_MIN_SHARE = 0.3
_TOLERANCE = 4.0
_NUMBER = re.compile(r"\d+")

Page = tuple[float, list[list[Row]]]
"""Height of a page and the rows of its regions."""


def remove_running(pages: list[Page]) -> dict[str, int]:
    """Take repeated rows out of `pages`, in place. Returns what was taken: the row's text and how often.

    A row counts as repeated when the same text stands at the same height in the margin of at least three pages and
    three pages in ten, or when it differs only in a number that rises with the pages. The first of equal rows stays,
    so that no word is lost; page numbers go.
    """
    seen: dict[tuple[str, int], list[tuple[int, Row]]] = defaultdict(list)
    for number, (height, regions) in enumerate(pages):
        for row in _edge_rows([row for region in regions for row in region], height):
            seen[_NUMBER.sub("#", row.text), round(row.y0 / _TOLERANCE)].append((number, row))
    removed: dict[str, int] = defaultdict(int)
    taken: set[int] = set()
    for (pattern, _), found in seen.items():
        if len(found) < max(_MIN_PAGES, _MIN_SHARE * len(pages)):
            continue
        for row in _repeated(found) if "#" not in pattern or not _numbered(found) else [row for _, row in found]:
            taken.add(id(row))
            removed[pattern] += 1
    for _, regions in pages:
        for region in regions:
            region[:] = [row for row in region if id(row) not in taken]
    return dict(removed)


def _edge_rows(rows: list[Row], height: float) -> list[Row]:
    ordered = sorted(rows, key=lambda row: row.y0)
    edges = [row for row in ordered[:_EDGE_ROWS] if row.y1 < _MARGIN * height]
    return edges + [
        row
        for row in ordered[-_EDGE_ROWS:]
        if row.y0 > (1 - _MARGIN) * height and all(row is not edge for edge in edges)
    ]


def _repeated(found: list[tuple[int, Row]]) -> list[Row]:
    """All rows but the first of every text that stands on enough pages."""
    by_text: dict[str, list[Row]] = defaultdict(list)
    for _, row in found:
        by_text[row.text].append(row)
    return [row for rows in by_text.values() if len(rows) >= _MIN_PAGES for row in rows[1:]]


def _numbered(found: list[tuple[int, Row]]) -> bool:
    """Whether some number in the rows goes up by one with every page, for nine pages of ten."""
    columns = zip(*([int(text) for text in _NUMBER.findall(row.text)] for _, row in found), strict=False)
    for values in columns:
        shifts = [value - page for (page, _), value in zip(found, values, strict=True)]
        if shifts.count(max(set(shifts), key=shifts.count)) >= 0.7 * len(shifts):
            return True
    return False
