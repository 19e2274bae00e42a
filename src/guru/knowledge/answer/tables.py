"""Rows of tables in a passage, each with the names of its columns: a row alone does not say what its figures mean.

The first row of a block names the columns, unless the passage begins within the table: then the hit says which row
does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from guru.knowledge.chunk.tables import RULE, cells_of, header_of, in_words, is_label, is_row, names_for
from guru.knowledge.search import Sentence
from guru.types import Hit


class Row(Struct, frozen=True):
    names: list[str]
    """The columns, as many as cells."""
    cells: list[str]
    header: Sentence

    @property
    def text(self) -> str:
        """The row in words: `Country: Spain; Limit: 120`."""
        return in_words(self.names, self.cells)


class Tables(Struct, frozen=True):
    """What is known of the tables of a passage, by the offset at which a line begins."""

    rows: dict[int, Row] = {}
    headers: frozenset[int] = frozenset()
    """Header rows and rules."""


def find_tables(hit: Hit, sentences: Sequence[Sentence]) -> Tables:
    """The rows whose columns have names."""
    rows: dict[int, Row] = {}
    headers: set[int] = set()
    for block in _blocks(hit, sentences):
        at_start = block[0] is sentences[0]
        if at_start and hit.header is not None:
            names, header, below = cells_of(hit.header), _elsewhere(hit.header), block
        else:
            place = header_of([row.text for row in block], strict=at_start and hit.start > 0) if block[1:] else None
            if place is None:
                continue
            header, below = block[place], block[place + 1 :]
            names = cells_of(header.text)
            headers.update(row.start for row in block[: place + 1])
        for sentence in below:
            cells = cells_of(sentence.text)
            if RULE.fullmatch(sentence.text):
                headers.add(sentence.start)
            elif named := names_for(names, cells):
                rows[sentence.start] = Row(named, cells, header)
    return Tables(rows, frozenset(headers))


def _elsewhere(header: str) -> Sentence:
    """A header that stands above the passage: how near it is to the question is not known."""
    return Sentence(start=-1, end=-1, text=header, score=-1.0, coverage=0.0)


def _blocks(hit: Hit, sentences: Sequence[Sentence]) -> Iterator[list[Sentence]]:
    """Runs of rows on neighbouring lines, with single labels between them."""
    block: list[Sentence] = []
    last = -1
    for sentence in sentences:
        follows = bool(block) and _gap(hit, last, sentence.start).count("\n") == 1
        if follows and last == block[-1].end and is_label(sentence.text):
            last = sentence.end
            continue
        last = sentence.end
        if is_row(sentence.text) and follows:
            block.append(sentence)
            continue
        if block:
            yield block
        block = [sentence] if is_row(sentence.text) else []
    if block:
        yield block


def _gap(hit: Hit, start: int, end: int) -> str:
    return hit.text[start - hit.start : end - hit.start]
