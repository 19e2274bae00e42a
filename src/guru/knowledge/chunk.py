"""From a document to passages: recursive splitting by headings, paragraphs, sentences, words, in exact tokens."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from guru.knowledge.sentences import Span, sentence_spans, strip_span

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from guru.knowledge.parse import HeadingSpan, ParsedDocument

TokenOffsets = Callable[[str], Sequence[Span]]

_BLANK_LINES: Final = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")
_SPACE: Final = re.compile(r"\s")
# White space, ASCII punctuation, and Chinese characters stand between words or are words of their own.
_BORDER: Final = re.compile(
    r"[\s!-/:-@\[-`{-~\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3000-\u303f\U00020000-\U0002fa1f]"
)
_WINDOW: Final = 50_000
# A tokenizer may see one token in a long unbroken run of characters; a passage must stay readable all the same.
_CHARACTERS_PER_TOKEN: Final = 12


class Chunk(Struct, kw_only=True):
    """A passage: `text[start:end]` of its document."""

    ordinal: int
    start: int
    end: int
    page: int | None
    """Of its first character."""
    heading_path: list[str]
    """Titles of the headings that it stands under, the outermost first."""
    tokens: int
    sentences: list[Span]
    """Offsets in the document; together they hold every character that is not white space."""


class Unit(Struct, frozen=True):
    """What is never cut: a sentence, or a piece of one that is too long."""

    start: int
    end: int
    section: int
    paragraph: int


class Chunker:
    """Cuts documents into passages of at most `max_tokens`.

    Whole paragraphs are put together while they fit and stand under the same heading. One that is too long is cut
    at sentences into pieces of about equal length that overlap by up to `overlap` tokens; a sentence that is too
    long is cut at white space.
    """

    def __init__(self, token_offsets: TokenOffsets, max_tokens: int, overlap: int) -> None:
        self._token_offsets = token_offsets
        self._max = max_tokens
        self._overlap = min(overlap, max_tokens // 2)

    def split(self, document: ParsedDocument) -> list[Chunk]:
        """The passages of `document`, in order. They cover everything in it but white space."""
        tokens = TokenCounts(document.text, self._token_offsets)
        outline = Outline(document.headings)
        units = list(self._units(document.text, outline, tokens))
        page_starts = [page.start for page in document.pages]
        chunks = []
        for ordinal, group in enumerate(self._groups(units, outline, tokens)):
            start, end = group[0].start, group[-1].end
            page = bisect_right(page_starts, start) - 1
            body = next((unit.start for unit in group if not outline.is_heading(unit)), end - 1)
            chunks.append(
                Chunk(
                    ordinal=ordinal,
                    start=start,
                    end=end,
                    page=document.pages[page].number if page >= 0 else None,
                    heading_path=outline.path(body),
                    tokens=tokens.between(start, end),
                    sentences=[(unit.start, unit.end) for unit in group],
                )
            )
        return chunks

    def _units(self, text: str, outline: Outline, tokens: TokenCounts) -> Iterator[Unit]:
        # The marks of a heading (`##`) stand before its words.
        borders = [0, *(text.rfind("\n", 0, start) + 1 for start in outline.starts), len(text)]
        paragraph = 0
        for section, (start, end) in enumerate(pairwise(borders)):
            for block in _paragraphs(text, start, end):
                paragraph += 1
                for span in sentence_spans(text, *block):
                    for piece in self._fitting(text, span, tokens):
                        yield Unit(*piece, section, paragraph)

    def _fitting(self, text: str, span: Span, tokens: TokenCounts) -> Iterator[Span]:
        """The sentence, or pieces of it that fit, cut at white space where there is some."""
        start, end = span
        while not self._fits(start, end, tokens):
            limit = min(tokens.end_of(start, self._max), start + self._max * _CHARACTERS_PER_TOKEN)
            cut = next((i for i in range(limit, start, -1) if _SPACE.match(text, i - 1)), limit)
            while cut > start + 1 and not self._fits(start, cut, tokens):
                cut = start + (cut - start) * 9 // 10  # the parts of a cut word may be more tokens than it was
            piece = strip_span(text, start, cut)
            if piece is None or piece == (start, start):
                break
            yield piece
            rest = strip_span(text, cut, end)
            if rest is None:
                return
            start, end = rest
        yield start, end

    def _fits(self, start: int, end: int, tokens: TokenCounts) -> bool:
        return tokens.between(start, end) <= self._max and end - start <= self._max * _CHARACTERS_PER_TOKEN

    def _groups(self, units: list[Unit], outline: Outline, tokens: TokenCounts) -> Iterator[list[Unit]]:
        """Runs of units that become passages."""
        current: list[Unit] = []
        for _, group in groupby(units, key=lambda unit: unit.paragraph):
            paragraph = list(group)
            if current and self._fits(current[0].start, paragraph[-1].end, tokens):
                same = current[-1].section == paragraph[0].section
                bare = all(outline.is_heading(unit) for unit in current)
                small = tokens.between(current[0].start, current[-1].end) < self._max // 4
                if same or bare or (small and not outline.is_top(paragraph[0].section)):
                    current += paragraph
                    continue
            if current:
                yield current
            *full, current = self._pieces(paragraph, tokens)
            yield from full
        if current:
            yield current

    def _pieces(self, paragraph: list[Unit], tokens: TokenCounts) -> list[list[Unit]]:
        """A paragraph in one piece if it fits, else in overlapping ones of about equal length."""
        total = tokens.between(paragraph[0].start, paragraph[-1].end)
        if self._fits(paragraph[0].start, paragraph[-1].end, tokens):
            return [paragraph]
        step = max(1, self._max - self._overlap)
        count = max(2, -(-(total - self._overlap) // step))
        target = (total + (count - 1) * self._overlap) / count
        pieces: list[list[Unit]] = []
        current: list[Unit] = []
        for unit in paragraph:
            full = current and tokens.between(current[0].start, current[-1].end) >= target * 0.95
            if current and (full or not self._fits(current[0].start, unit.end, tokens)):
                pieces.append(current)
                current = self._tail(current, unit, tokens)
            current.append(unit)
        return [*pieces, current]

    def _tail(self, units: list[Unit], following: Unit, tokens: TokenCounts) -> list[Unit]:
        """The last sentences of a piece, repeated at the beginning of the next."""
        tail: list[Unit] = []
        for unit in reversed(units[1:]):
            long = tokens.between(unit.start, units[-1].end) > self._overlap
            if long or not self._fits(unit.start, following.end, tokens):
                break
            tail.insert(0, unit)
        return tail


class TokenCounts:
    """Counts tokens between any two offsets of a text that was tokenized once.

    Only what begins or ends inside a word is tokenized again: a part of a word has other tokens than the word.
    """

    def __init__(self, text: str, token_offsets: TokenOffsets) -> None:
        import numpy as np

        starts: list[NDArray[Any]] = []
        for begin, end in _windows(text):
            offsets = token_offsets(text[begin:end])
            starts.append(np.fromiter((start for start, _ in offsets), np.int64, len(offsets)) + begin)
        self._starts = np.concatenate(starts) if starts else np.zeros(0, np.int64)
        self._length = len(text)
        self._text = text
        self._token_offsets = token_offsets

    def between(self, start: int, end: int) -> int:
        """How many tokens `[start, end)` has."""
        if self._inside_word(start) or self._inside_word(end):
            return sum(len(self._token_offsets(self._text[i:j])) for i, j in _windows(self._text, start, end))
        first, last = self._starts.searchsorted((start, end))
        return int(last - first)

    def _inside_word(self, offset: int) -> bool:
        """Whether a cut here may divide a word, as WordPiece's first step finds words."""
        if not 0 < offset < self._length:
            return False
        return not any(_BORDER.match(self._text, place) for place in (offset - 1, offset))

    def end_of(self, start: int, count: int) -> int:
        """The offset at which token number `count` (from 0) after `start` begins."""
        index = int(self._starts.searchsorted(start)) + count
        return int(self._starts[index]) if index < len(self._starts) else self._length


class Outline:
    """The headings over every place of a document. Section 0 stands before the first heading, n under number n."""

    def __init__(self, headings: Sequence[HeadingSpan]) -> None:
        ordered = sorted(headings, key=lambda heading: heading.start)
        self.starts = [heading.start for heading in ordered]
        self._levels = [heading.level for heading in ordered]
        self._paths: list[list[str]] = []
        stack: list[tuple[int, str]] = []
        for heading in ordered:
            stack = [entry for entry in stack if entry[0] < heading.level]
            stack.append((heading.level, heading.title))
            self._paths.append([title for _, title in stack])

    def path(self, offset: int) -> list[str]:
        """Titles over the character at `offset`, the outermost first."""
        index = bisect_right(self.starts, offset) - 1
        return self._paths[index] if index >= 0 else []

    def is_top(self, section: int) -> bool:
        """Whether a section begins with a heading of the outermost level."""
        return section > 0 and self._levels[section - 1] == min(self._levels)

    def is_heading(self, unit: Unit) -> bool:
        """Whether the unit is the line of a heading."""
        index = bisect_right(self.starts, unit.end - 1) - 1
        return index >= 0 and unit.start <= self.starts[index]


def _paragraphs(text: str, start: int, end: int) -> Iterator[Span]:
    begin = start
    for gap in _BLANK_LINES.finditer(text, start, end):
        yield begin, gap.start()
        begin = gap.end()
    yield begin, end


def _windows(text: str, begin: int = 0, last: int | None = None) -> Iterator[Span]:
    """Pieces of a long text, cut at white space, so that no token is cut and memory stays small."""
    last = len(text) if last is None else last
    while begin < last:
        end = min(begin + _WINDOW, last)
        if end < last:
            space = max(text.rfind("\n", begin + 1, end), text.rfind(" ", begin + 1, end))
            end = space if space > begin else end
        yield begin, end
        begin = end
