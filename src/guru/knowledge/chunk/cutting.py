"""One document while it is cut: what may not be divided, how long things are, and chunks from spans."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from guru.knowledge.chunk.base import Chunk, TokenOffsets
from guru.knowledge.chunk.outline import Outline
from guru.knowledge.chunk.tables import Headers, RowFinder
from guru.knowledge.chunk.tokens import TokenCounts
from guru.knowledge.sentences import Span, sentence_spans, strip_span

if TYPE_CHECKING:
    from guru.knowledge.parse import ParsedDocument

_BLANK_LINES: Final = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")
_SPACE: Final = re.compile(r"\s")
# A tokenizer may see one token in a long unbroken run of characters; a passage must stay readable all the same.
_CHARACTERS_PER_TOKEN: Final = 12


class Unit(Struct, frozen=True):
    """What is never cut: a sentence, the row of a table, or a piece of one that is too long."""

    start: int
    end: int
    section: int = 0
    paragraph: int = 0
    is_row: bool = False


class Cutting:
    """A document in units of at most `max_tokens`."""

    def __init__(self, document: ParsedDocument, token_offsets: TokenOffsets, max_tokens: int) -> None:
        self.text = document.text
        self.max_tokens = max_tokens
        self.outline = Outline(document.headings)
        self.tokens = TokenCounts(document.text, token_offsets)
        self.sentences: list[Span] = []
        self._rows = RowFinder(document.text)
        self.units = list(self._units())
        self._starts = [start for start, _ in self.sentences]
        self._pages = document.pages
        self._page_starts = [page.start for page in document.pages]

    def fits(self, start: int, end: int, max_tokens: int | None = None) -> bool:
        """Whether `[start, end)` may be a chunk."""
        limit = max_tokens or self.max_tokens
        return self.tokens.between(start, end) <= limit and end - start <= limit * _CHARACTERS_PER_TOKEN

    def fitting(self, span: Span) -> Iterator[Span]:
        """A span, or pieces of it that fit, cut at white space where there is some."""
        start, end = span
        while not self.fits(start, end):
            limit = min(self.tokens.end_of(start, self.max_tokens), start + self.max_tokens * _CHARACTERS_PER_TOKEN)
            cut = next((i for i in range(limit, start, -1) if _SPACE.match(self.text, i - 1)), limit)
            while cut > start + 1 and not self.fits(start, cut):
                cut = start + (cut - start) * 9 // 10  # the parts of a cut word may be more tokens than it was
            piece = strip_span(self.text, start, cut)
            if piece is None or piece == (start, start):
                break
            yield piece
            rest = strip_span(self.text, cut, end)
            if rest is None:
                return
            start, end = rest
        yield start, end

    def chunks(self, spans: Iterable[tuple[Span, Span | None]]) -> list[Chunk]:
        """The chunks at `spans`, each with its parent; a span begins and ends with a character that is no white
        space."""
        headers = Headers(self.text)
        return [self._chunk(ordinal, *span, headers) for ordinal, span in enumerate(spans)]

    def _chunk(self, ordinal: int, span: Span, parent: Span | None, headers: Headers) -> Chunk:
        start, end = span
        sentences = self._within(start, end)
        page = bisect_right(self._page_starts, start) - 1
        body = next((sentence[0] for sentence in sentences if not self.outline.is_heading(sentence)), end - 1)
        return Chunk(
            ordinal=ordinal,
            start=start,
            end=end,
            page=self._pages[page].number if page >= 0 else None,
            heading_path=self.outline.path(body),
            tokens=self.tokens.between(start, end),
            sentences=sentences,
            parent=parent if parent != span else None,
            header=headers.above(start),
        )

    def _within(self, start: int, end: int) -> list[Span]:
        """The sentences of `[start, end)`; of those that reach beyond it, the part inside."""
        first = max(0, bisect_right(self._starts, start) - 1)
        last = bisect_left(self._starts, end)
        parts = ((max(start, i), min(end, j)) for i, j in self.sentences[first:last])
        return [found for i, j in parts if i < j and (found := strip_span(self.text, i, j))]

    def _units(self) -> Iterator[Unit]:
        # The marks of a heading (`##`) stand before its words.
        text = self.text
        borders = [0, *(text.rfind("\n", 0, start) + 1 for start in self.outline.starts), len(text)]
        paragraph = 0
        for section, (start, end) in enumerate(pairwise(borders)):
            for block in _paragraphs(text, start, end):
                paragraph += 1
                for unit, is_row in self._whole(sentence_spans(text, *block)):
                    yield Unit(*unit, section, paragraph, is_row)

    def _whole(self, sentences: list[Span]) -> Iterator[tuple[Span, bool]]:
        """Rows of tables in one piece, as far as they fit, and other sentences; notes all `sentences`."""
        for end_of_row, group in groupby(sentences, key=lambda span: self._rows.end_of_row(span[0])):
            row = list(group)
            if end_of_row is not None and row[-1][1] <= end_of_row and self.fits(row[0][0], row[-1][1]):
                self.sentences += row
                yield (row[0][0], row[-1][1]), True
                continue
            for sentence in row:
                for piece in self.fitting(sentence):
                    self.sentences.append(piece)
                    yield piece, False


def _paragraphs(text: str, start: int, end: int) -> Iterator[Span]:
    begin = start
    for gap in _BLANK_LINES.finditer(text, start, end):
        yield begin, gap.start()
        begin = gap.end()
    yield begin, end
