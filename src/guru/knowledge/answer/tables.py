"""Rows of tables in a passage, each with the names of its columns: a row alone does not say what its figures mean.

The first row of a block names the columns, unless the passage begins within the table: then the hit says which row
does. A row above it or below it that spans several columns names them too. What stands over a row, the labels between
the rows and the lines above the table, says what its figures are of and in which unit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

from msgspec import Struct, structs

from guru.knowledge.answer.orders import gives_orders
from guru.knowledge.answer.periods import period_of
from guru.knowledge.chunk.tables import (
    RULE,
    cells_of,
    has_figures,
    header_of,
    in_words,
    is_figure,
    is_label,
    is_row,
    named_cells,
    names_for,
    spanned,
)
from guru.knowledge.search import Sentence
from guru.knowledge.sentences import sentence_spans
from guru.types import Hit

_ABOVE: Final = 3
"""Lines over a table that may say what it is of."""
_CAPTION: Final = 400
"""Characters of such a line; one in running text must end with a colon."""
CURRENCY_BEHIND: Final = re.compile(r"(?<=[\d%)—-]) [$€£¥]$")
"""The sign of the next cell, which stands close to this one."""
_UNIT: Final = re.compile(
    r"\(?\b((?:(?:u\.?s\.? )?(?:dollars|amounts?|figures|euros?|[$€£])(?: and shares)? )?"
    r"in (?:thousands|millions|billions|%|percent|[$€£]))\b",
    re.IGNORECASE,
)


class Row(Struct, frozen=True):
    names: list[str]
    """The columns, as many as cells; empty where no header names them."""
    cells: list[str]
    header: Sentence | None = None
    labels: list[str] = []
    """That stand above it, between the rows of its table; the last one last."""
    caption: str = ""
    """The lines above the table, and its other header rows."""

    @property
    def text(self) -> str:
        """The row in words: `Country: Spain; Limit: 120`."""
        return in_words(self.names, self.cells) if self.names else " | ".join(self.cells)

    def words(self, cell: int | None = None, *, label: bool = True) -> str:
        """The row in words with the label and the unit over it: `Markets abroad: Sales; 2022: 20.4 (in millions)`. With
        one `cell` that answers, the figures of the others are left out."""
        kept = [at for at, value in enumerate(self.cells) if cell is None or at in (0, cell) or not is_figure(value)]
        cells, names = [self.cells[at] for at in kept], self._full_names()
        said = in_words([names[at] for at in kept], cells) if names else "; ".join(cells)
        unit = self.unit
        said = f"{self.labels[-1].rstrip(' :')}: {said}" if label and self.labels else said
        return f"{said} ({unit})" if unit and unit not in said.casefold() else said

    def _full_names(self) -> list[str]:
        """The names of the columns, with what stands over the labels where that says more of the figures."""
        corner, *names = self.names or [""]
        if _UNIT.search(corner) or corner.startswith("("):
            return ["", *names]
        if names and (period_of(corner).said or period_of(corner).length):
            return ["", *(f"{corner.rstrip(' ,:')}, {name}" if period_of(name).said else name for name in names)]
        return self.names

    @property
    def unit(self) -> str:
        """`in millions`, where that stands over the table; otherwise empty."""
        found = _UNIT.search(f"{self.names[0] if self.names else ''} {self.caption}")
        return found[1].casefold() if found else ""


class Tables(Struct, frozen=True):
    """What is known of the tables of a passage, by the offset at which a line begins."""

    rows: dict[int, Row] = {}
    """Those whose columns have names."""
    bare: dict[int, Row] = {}
    """Those of the others that have figures."""
    headers: frozenset[int] = frozenset()
    """Header rows and rules."""

    def row(self, start: int) -> Row | None:
        return self.rows.get(start) or self.bare.get(start)

    def every(self) -> Iterator[Row]:
        return chain(self.rows.values(), self.bare.values())


class _Block(Struct):
    """Rows on neighbouring lines, with the single labels between them."""

    lines: list[Sentence]
    above: list[Sentence]
    """The lines over it, the nearest last."""

    @property
    def rows(self) -> list[Sentence]:
        return [line for line in self.lines if is_row(line.text)]


def find_tables(hit: Hit, sentences: Sequence[Sentence], above: str = "") -> Tables:
    """The rows of a passage. `above` is what stands before it in its document, as far as it is known."""
    if not any(is_row(sentence.text) for sentence in sentences):
        return Tables()
    text = _Text(above + hit.text, hit.start - len(above))
    before = [_elsewhere(above[a:b], text.start + a) for a, b in sentence_spans(above)] if above else []
    found = _Found(hit.start)
    for block in _blocks(text, [*before, *sentences]):
        first = block.rows[0]
        cut = first is (before or sentences)[0]
        found.take(block, header=hit.header if cut else None, strict=cut and hit.start > 0)
    return Tables(found.rows, found.bare, frozenset(found.headers))


class _Text(Struct, frozen=True):
    """A piece of a document, from the offset `start` on."""

    text: str
    start: int

    def lines_between(self, one: int, other: int) -> int:
        return self.text.count("\n", one - self.start, other - self.start)


class _Found:
    """Takes the blocks of a passage, one after the other."""

    def __init__(self, start: int) -> None:
        """Rows before the offset `start` only say what those behind it are of."""
        self.rows: dict[int, Row] = {}
        self.bare: dict[int, Row] = {}
        self.headers: set[int] = set()
        self._start = start
        self._names: list[str] = []
        self._before = Row([], [])

    def take(self, block: _Block, *, header: str | None, strict: bool) -> None:
        """`header` is that of a block whose beginning is not known. Strict: it may have none."""
        rows = block.rows
        place = header_of([row.text for row in rows], strict=strict) if header is None and rows[1:] else None
        names: list[str] = []
        head: Sentence | None = None
        labels: list[str] = []
        lines = block.lines
        over = [line for line in block.above if not gives_orders(line.text)]
        caption = " \n ".join(line.text for line in over)
        if header is not None:
            names, head = cells_of(header), _elsewhere(header)
        elif place is not None:
            titles, head = _titles(rows, place), rows[place]
            others = [row.text for row in titles if row is not head]
            names = spanned(cells_of(head.text), [cells_of(other) for other in others])
            caption = " \n ".join([caption, *others])
            self.headers.update(row.start for row in titles)
            labels = [line.text for line in lines if line.start < titles[-1].start and not is_row(line.text)][-1:]
            lines = [line for line in lines if line.start > titles[-1].start]
        elif self._goes_on(block):
            names, head, caption = self._names, self._before.header, self._before.caption
            labels = [line.text for line in over]
        elif len(rows) == 1 and _names_periods(rows[0].text):
            names, head, lines = cells_of(rows[0].text), rows[0], []  # there is space between it and the first row
        self._names = names
        self._read(lines, Row(names, [], head, labels, caption))

    def _read(self, lines: Sequence[Sentence], table: Row) -> None:
        labels = table.labels
        for line in lines:
            if not is_row(line.text):
                labels = [] if gives_orders(line.text) else [line.text]
            elif RULE.fullmatch(line.text):
                self.headers.add(line.start)
            else:
                self._add(line, structs.replace(table, labels=labels))

    def _add(self, line: Sentence, table: Row) -> None:
        cells = [CURRENCY_BEHIND.sub("", cell) for cell in cells_of(line.text)]
        names = names_for(table.names, cells) if table.names else None
        if (own := named_cells(cells)) is not None:
            names, cells = own
            table = structs.replace(table, header=None)
        row = structs.replace(table, names=names or [], cells=cells)
        self._before = row
        if line.start < self._start:
            return
        if names is not None:
            self.rows[line.start] = row
        elif has_figures(line.text):
            self.bare[line.start] = row

    def _goes_on(self, block: _Block) -> bool:
        """Whether a block without a header is the rest of the table above, behind labels with space around them."""
        first = cells_of(block.rows[0].text)
        near = 0 < len(block.above) <= _ABOVE and all(
            is_label(line.text) and not line.text.startswith("(") for line in block.above
        )
        return near and len(first) > 2 and bool(self._names) and names_for(self._names, first) is not None


def _elsewhere(text: str, start: int = -1) -> Sentence:
    """A line that stands above the passage: how near it is to the question is not known."""
    return Sentence(start=start, end=start + len(text), text=text, score=-1.0, coverage=0.0)


def _titles(rows: Sequence[Sentence], place: int) -> list[Sentence]:
    """The header at `place`, and what belongs to it: the rows above, and one below whose years span its columns."""
    names = cells_of(rows[place].text)
    below = [row for row in rows[place + 1 : place + 2] if _names_periods(row.text)]
    spans = [row for row in below if spanned(names, [cells_of(row.text)]) != names]
    return [*rows[: place + 1], *spans]


def _blocks(text: _Text, sentences: Sequence[Sentence]) -> Iterator[_Block]:
    """Runs of rows on neighbouring lines, with single labels between them, and what stands over each."""
    block: list[Sentence] = []
    label: Sentence | None = None
    above: list[Sentence] = []
    last = -1
    for sentence in sentences:
        follows = bool(block) and text.lines_between(last, sentence.start) == 1
        last = sentence.end
        if follows and label is None and is_label(sentence.text):
            label = sentence
            continue
        if is_row(sentence.text) and follows:
            block += [sentence] if label is None else [label, sentence]
            label = None
            continue
        if block:
            yield _Block(block, above)
            above = [] if label is None else [label]
        label = None
        block = []
        if is_row(sentence.text):
            block = [sentence]
        else:
            above = [*above, sentence][-_ABOVE:] if _may_stand_over(sentence.text) else []
    if block:
        yield _Block(block, above)


def _names_periods(row: str) -> bool:
    cells = cells_of(row)
    return len(cells) > 2 and all(period_of(cell).said for cell in cells[1:]) and not has_figures(row)


def _may_stand_over(text: str) -> bool:
    text = text.strip()
    return len(text) <= _CAPTION and (text.endswith((":", ")")) or not text.endswith((".", "!", "?")))
