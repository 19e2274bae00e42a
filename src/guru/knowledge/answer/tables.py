"""Rows of tables in a passage, each with the names of its columns: a row alone does not say what its figures mean.

A row is a line with cells between `|`. The first row of a block names the columns, unless its cells are figures, name
themselves (`name: value`), or the passage begins within the table. A Markdown rule (`|---|`) may follow it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from guru.knowledge.search import Sentence
from guru.types import Hit

_RULE: Final = re.compile(r"\|?[\s:|-]*-[\s:|-]*\|?")
_FIGURE: Final = re.compile(r"[\W\d_]*\d[\W\d_]*")
_NAMED: Final = re.compile(r"[^:|]{1,60}: ")


class Row(Struct, frozen=True):
    names: list[str]
    """The columns, as many as cells."""
    cells: list[str]
    header: Sentence

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return [(name, cell) for name, cell in zip(self.names, self.cells, strict=True) if cell]

    @property
    def text(self) -> str:
        """The row in words: `Country: Spain; Limit: 120`."""
        return "; ".join(f"{name}: {cell}" if name else cell for name, cell in self.pairs)


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
        first, *rest = block
        ruled = _RULE.fullmatch(rest[0].text) is not None
        cut = hit.start > 0 and first is sentences[0] and not ruled
        if not ruled and not _names_columns(first, rest, strict=cut):
            continue
        names = cells_of(first.text)
        headers.add(first.start)
        for sentence in rest:
            cells = cells_of(sentence.text)
            if _RULE.fullmatch(sentence.text):
                headers.add(sentence.start)
            elif len(cells) == len(names):
                rows[sentence.start] = Row(names, cells, first)
    return Tables(rows, frozenset(headers))


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]


def _blocks(hit: Hit, sentences: Sequence[Sentence]) -> Iterator[list[Sentence]]:
    """Runs of at least two rows on neighbouring lines."""
    block: list[Sentence] = []
    for sentence in sentences:
        is_row = "\n" not in sentence.text and (" | " in sentence.text or sentence.text.startswith("|"))
        follows = bool(block) and _gap(hit, block[-1].end, sentence.start).count("\n") == 1
        if is_row and follows:
            block.append(sentence)
            continue
        if len(block) > 1:
            yield block
        block = [sentence] if is_row else []
    if len(block) > 1:
        yield block


def _gap(hit: Hit, start: int, end: int) -> str:
    return hit.text[start - hit.start : end - hit.start]


def _names_columns(first: Sentence, rest: Sequence[Sentence], *, strict: bool) -> bool:
    """Whether the first row of a block is its header. Strict: names must also look unlike what stands below."""
    cells = cells_of(first.text)
    if any(_FIGURE.fullmatch(cell) for cell in cells) or all(_NAMED.match(cell) for cell in cells):
        return False
    below = any(re.search(r"\d", sentence.text) for sentence in rest)
    return not strict or (below and re.search(r"\d", first.text) is None)
