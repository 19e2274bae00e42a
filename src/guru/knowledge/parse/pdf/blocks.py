"""Blocks: paragraphs, headings and tables, made of rows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import quantiles

from guru.knowledge.parse.pdf.rows import Row
from guru.knowledge.parse.pdf.runs import Source

# In units of the row's height.
_EXTRA_GAP = 0.3
_WIDE_GAP = 0.6
_INDENT = 0.8
_SIZE_CHANGE = 1.12
_SHORT_LINE = 0.75

_BULLET = re.compile(r"(?:[•●○▪■□◦‣⁃∙·☐☑☒–—*]|\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)])\s")
_ENDED = re.compile(r"[.!?:;][\"”’)\]]*$")
_BROKEN_WORD = re.compile(r"([^\W\d_]+)[-\u2010]$")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_FIRST_WORD = re.compile(r"[^\W\d_]+")


@dataclass(slots=True)
class Block:
    """A paragraph, or the rows of a table as lines. `sources` are offsets into `text`, as in a row."""

    text: str
    sources: list[Source]
    height: float
    bold: bool
    is_table: bool = False
    level: int = 0
    """Of a heading; 0 for what is none."""


@dataclass(slots=True)
class Vocabulary:
    """The words of a document, to tell `long-term` from `con-tract` where a line ends with a hyphen."""

    words: set[str] = field(default_factory=set)

    def read(self, rows: Iterable[Row]) -> None:
        broken = False
        for row in rows:
            words = [word.lower() for word in _WORD.findall(row.text)]
            starts_with_rest, broken = broken, _BROKEN_WORD.search(row.text) is not None
            self.words.update(words[starts_with_rest : len(words) - broken])

    def joins(self, left: str, right: str) -> bool:
        """Whether `left` and `right` are halves of one word, rather than two words joined by a hyphen."""
        left, right = left.lower(), right.lower()
        if left + right in self.words:
            return True
        return f"{left}-{right}" not in self.words and not (left in self.words and right in self.words)


def find_blocks(rows: list[Row], vocabulary: Vocabulary) -> list[Block]:
    """The blocks of one region, whose rows come from top to bottom."""
    if not rows:
        return []
    in_table = [_in_table(rows, index) for index in range(len(rows))]
    usual_gap = _usual_gap(rows)
    left, right = min(row.x0 for row in rows), max(row.x1 for row in rows)
    groups: list[list[Row]] = []
    tables: list[bool] = []
    for index, row in enumerate(rows):
        before = rows[index - 1] if index else None
        if before is not None and in_table[index] == in_table[index - 1] and (
            in_table[index] or not _starts_paragraph(before, row, usual_gap, left, right)
        ):  # fmt: skip
            groups[-1].append(row)
        else:
            groups.append([row])
            tables.append(in_table[index])
    return [_block(group, table, vocabulary) for group, table in zip(groups, tables, strict=True)]


def _in_table(rows: list[Row], index: int) -> bool:
    """A row of a table, or a label that stands between two of them."""
    row = rows[index]
    if row.is_table or not 0 < index < len(rows) - 1:
        return row.is_table
    before, after = rows[index - 1], rows[index + 1]
    near = row.y0 - before.y1 < row.height and after.y0 - row.y1 < row.height
    return before.is_table and after.is_table and near


def _usual_gap(rows: list[Row]) -> float:
    gaps = [below.y0 - above.y1 for above, below in pairwise(rows) if below.y0 > above.y0]
    if len(gaps) < 2:
        return min(gaps, default=0.0) if len(rows) > 2 else 0.0
    return quantiles(gaps, n=4)[0]


def _starts_paragraph(before: Row, row: Row, usual_gap: float, left: float, right: float) -> bool:
    height = min(before.height, row.height)
    gap = row.y0 - before.y1
    if gap > max(usual_gap, 0) + _EXTRA_GAP * height or gap > max(_WIDE_GAP * height, 1.5 * usual_gap):
        return True
    if max(before.height, row.height) > _SIZE_CHANGE * height or before.bold != row.bold or _BULLET.match(row.text):
        return True
    centred = abs((before.x0 + before.x1) - (row.x0 + row.x1)) < 0.5 * height and before.x0 - left > height
    if centred:
        return False
    if (
        row.x0 - left > _INDENT * height
        and before.x0 - left < 0.5 * _INDENT * height
        and not _BULLET.match(before.text)
    ):
        return True
    return before.x1 - left < _SHORT_LINE * (right - left) and bool(_ENDED.search(before.text))


def _block(rows: list[Row], is_table: bool, vocabulary: Vocabulary) -> Block:
    text = ""
    sources: list[Source] = []
    for row in rows:
        text, sources = _append(text, sources, row, "\n" if is_table else " ", vocabulary)
    height = max(rows, key=lambda row: len(row.text)).height
    return Block(text, sources, height, all(row.bold for row in rows), is_table)


def _append(
    text: str, sources: list[Source], row: Row, separator: str, vocabulary: Vocabulary
) -> tuple[str, list[Source]]:
    broken = _BROKEN_WORD.search(text[-60:]) if separator == " " else None
    rest = _FIRST_WORD.match(row.text) if broken else None
    if not text:
        separator = ""
    elif broken and rest:
        separator = ""
        if rest.group()[0].islower() and vocabulary.joins(broken.group(1), rest.group()):
            text = text[:-1]
            offset, index, length = sources[-1]
            sources = [*sources[:-1], (offset, index, length - 1)] if length > 1 else sources[:-1]
    shift = len(text) + len(separator)
    sources = [*sources, *((offset + shift, index, length) for offset, index, length in row.sources)]
    return text + separator + row.text, sources
