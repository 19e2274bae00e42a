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
_MOST = 0.7
_PAGE_NUMBER = re.compile(r"\d{1,4}$")
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
        rows = sorted((row for region in regions for row in region), key=lambda row: row.y0)
        for row in _edge_rows(rows, height):
            seen[_NUMBER.sub("#", row.text), round(row.y0 / _TOLERANCE)].append((number, row))
        # Pages made from HTML have their numbers where the text ends.
        if rows and _PAGE_NUMBER.match(rows[-1].text):
            seen["#", -1].append((number, rows[-1]))
    removed: dict[str, int] = defaultdict(int)
    taken: set[int] = set()
    for (pattern, _), found in seen.items():
        if len(found) < max(_MIN_PAGES, _MIN_SHARE * len(pages)):
            continue
        for row in _numbered(found) or _repeated(found):
            removed[pattern] += id(row) not in taken
            taken.add(id(row))
    for _, regions in pages:
        for region in regions:
            region[:] = [row for row in region if id(row) not in taken]
    return dict(removed)


def _edge_rows(ordered: list[Row], height: float) -> list[Row]:
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


def _numbered(found: list[tuple[int, Row]]) -> list[Row]:
    """The rows with a number that goes up by one with every page, when that holds for most of them."""
    numbers = [[int(text[:9]) for text in _NUMBER.findall(row.text)] for _, row in found]
    for values in zip(*numbers, strict=False):
        shifts = [value - page for (page, _), value in zip(found, values, strict=True)]
        usual = max(set(shifts), key=shifts.count)
        if shifts.count(usual) >= _MOST * len(shifts):
            return [row for (_, row), shift in zip(found, shifts, strict=True) if shift == usual]
    return []
