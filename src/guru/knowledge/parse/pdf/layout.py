"""A whole PDF as text, knowing for every character where it stands on its page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from guru.knowledge.parse.builder import TextBuilder
from guru.knowledge.parse.document import Limits, PageHighlight, Rectangle
from guru.knowledge.parse.pdf.annotations import read_annotations
from guru.knowledge.parse.pdf.blocks import Block, Vocabulary, find_blocks
from guru.knowledge.parse.pdf.characters import read_characters
from guru.knowledge.parse.pdf.columns import reading_order
from guru.knowledge.parse.pdf.headings import mark_headings
from guru.knowledge.parse.pdf.rows import Row, find_rows
from guru.knowledge.parse.pdf.running import remove_running
from guru.knowledge.parse.pdf.runs import Run, Source, find_runs

_SAME_LINE = 0.5
_NEXT_TO = 1.0


@dataclass(slots=True)
class PageLayout:
    """A page: its size in points, its regions in reading order, the boxes of its characters."""

    width: float
    height: float
    boxes: NDArray[np.float32]
    regions: list[list[Row]]
    annotations: list[str]
    """Form fields, comments, and what OCR read: what has no characters on the page."""
    sources: list[Source] = field(default_factory=list)
    """(offset in the document's text, index of the character on the page, length), filled by `PdfLayout`."""


class PdfLayout:
    """Lays out all pages of an open pypdfium2 document. The same file always gives the same text."""

    def __init__(
        self, pdf: Any, limits: Limits, recognize: Callable[[list[int]], dict[int, list[str]]] | None = None
    ) -> None:
        """`recognize` gives the paragraphs on pages without text, by their numbers."""
        self.pages = [_page_layout(pdf, number) for number in range(len(pdf))]
        self.recognized: list[int] = []
        """Numbers of the pages whose text comes from OCR."""
        if recognize is not None and (empty := self.empty_pages()):
            self._add_recognized(recognize(empty))
        self.running = _remove_running(self.pages)
        self.builder = TextBuilder(limits)
        self._write()
        self.text = self.builder.text()

    def empty_pages(self) -> list[int]:
        """Numbers of the pages without any character, on them or recognised."""
        without = [number for number, page in enumerate(self.pages, 1) if not len(page.boxes)]
        return [number for number in without if number not in self.recognized]

    def highlight(self, start: int, end: int) -> list[PageHighlight]:
        """Where characters `start` to `end` of the text stand, page by page, a rectangle for every line."""
        found = []
        for number, page in enumerate(self.pages, 1):
            boxes = [
                _union(page.boxes[index + max(start - offset, 0) : index + min(end - offset, length)])
                for offset, index, length in page.sources
                if offset < end and offset + length > start
            ]
            if boxes:
                rectangles = [_fraction(box, page) for box in _merge_on_lines(boxes)]
                found.append(PageHighlight(number, page.width, page.height, rectangles))
        return found

    def _add_recognized(self, found: dict[int, list[str]]) -> None:
        self.recognized = [number for number, paragraphs in found.items() if paragraphs]
        for number in self.recognized:
            self.pages[number - 1].annotations.extend(found[number])

    def _write(self) -> None:
        vocabulary = Vocabulary()
        for page in self.pages:
            for region in page.regions:
                vocabulary.read(region)
        blocks = [
            [block for region in page.regions for block in find_blocks(region, vocabulary)] for page in self.pages
        ]
        mark_headings([block for of_page in blocks for block in of_page])
        for number, (page, of_page) in enumerate(zip(self.pages, blocks, strict=True), 1):
            whole = number > 1 and not self.pages[number - 2].annotations
            self.builder.page(number, continues=_continues(blocks[number - 2] if whole else [], of_page))
            for block in of_page:
                start = self._add(block)
                page.sources.extend((start + offset, index, length) for offset, index, length in block.sources)
            for text in page.annotations:
                self.builder.block(text)
            page.regions = []

    def _add(self, block: Block) -> int:
        if block.level:
            return self.builder.heading(block.level, block.text)
        return self.builder.block(block.text)


def _page_layout(pdf: Any, number: int) -> PageLayout:
    page = pdf[number]
    textpage = page.get_textpage()
    try:
        characters = read_characters(page, textpage)
        runs = find_runs(characters, textpage)
        annotations = read_annotations(page)
    finally:
        textpage.close()
        page.close()
    upright = [run for run in runs if not run.turned]
    regions = [find_rows(region) for region in reading_order(upright)]
    regions.extend([_turned_row(run)] for run in runs if run.turned)
    return PageLayout(characters.width, characters.height, characters.boxes, regions, annotations)


def _continues(before: list[Block], after: list[Block]) -> bool:
    """Whether the last paragraph of a page goes on as the first of the next."""
    if not before or not after or any(block.is_table or block.level for block in (before[-1], after[0])):
        return False
    return after[0].text[0].islower() and not before[-1].text.endswith((".", "!", "?", ":", ";"))


def _turned_row(run: Run) -> Row:
    row = find_rows([run])[0]
    row.height = run.x1 - run.x0
    return row


def _remove_running(pages: list[PageLayout]) -> dict[str, int]:
    return remove_running([(page.height, page.regions) for page in pages])


def _union(boxes: NDArray[np.float32]) -> tuple[float, float, float, float]:
    x0, y0 = boxes[:, :2].min(axis=0).tolist()
    x1, y1 = boxes[:, 2:].max(axis=0).tolist()
    return x0, y0, x1, y1


def _merge_on_lines(boxes: list[tuple[float, float, float, float]]) -> list[tuple[float, float, float, float]]:
    """Join boxes that stand next to each other on one line."""
    merged: list[tuple[float, float, float, float]] = []
    for box in boxes:
        if merged and _adjoining(merged[-1], box):
            last = merged[-1]
            merged[-1] = (min(last[0], box[0]), min(last[1], box[1]), max(last[2], box[2]), max(last[3], box[3]))
        else:
            merged.append(box)
    return merged


def _adjoining(left: tuple[float, float, float, float], right: tuple[float, float, float, float]) -> bool:
    height = min(left[3] - left[1], right[3] - right[1])
    overlap = min(left[3], right[3]) - max(left[1], right[1])
    return overlap > _SAME_LINE * height and max(left[0], right[0]) - min(left[2], right[2]) < _NEXT_TO * height


def _fraction(box: tuple[float, float, float, float], page: PageLayout) -> Rectangle:
    x0, x1 = (min(max(value / page.width, 0.0), 1.0) for value in (box[0], box[2]))
    y0, y1 = (min(max(value / page.height, 0.0), 1.0) for value in (box[1], box[3]))
    return Rectangle(x0, y0, x1 - x0, y1 - y0)
