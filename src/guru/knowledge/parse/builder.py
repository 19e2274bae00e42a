"""Builds the text of a document, noting pages and headings as it grows."""

from __future__ import annotations

import re

from guru.errors import UnreadableDocument
from guru.knowledge.parse.document import HeadingSpan, Limits, PageSpan

UNWANTED = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\ufeff\u00ad]")
_BREAK = re.compile("\r\n?|\x0c|\x85|\u2028|\u2029")
_BLANKS = re.compile(r"[^\S\n]+")


def clean(text: str) -> str:
    """`text` with line ends as `\\n`, without control characters, surrogates, byte order marks and soft hyphens."""
    return UNWANTED.sub("", _BREAK.sub("\n", text))


def squeeze(text: str) -> str:
    """`clean` text with every run of blanks as one space and no blanks at the ends of lines."""
    if text.isprintable() and "  " not in text:  # nothing to do, as in most cells of a table
        return text.strip()
    lines = (_BLANKS.sub(" ", line).strip() for line in clean(text).split("\n"))
    return "\n".join(lines).strip()


class TextBuilder:
    """Collects blocks, which a blank line separates, and lines. `text()` joins what was added.

    Raises `UnreadableDocument` when the text grows over `limits.characters`.
    """

    def __init__(self, limits: Limits) -> None:
        self.length = 0
        self.pages: list[PageSpan] = []
        self.headings: list[HeadingSpan] = []
        self._limits = limits
        self._pieces: list[str] = []
        self._separator = ""
        self._page_start = 0

    def block(self, text: str) -> int:
        """Add a paragraph: a blank line before and after it. Returns where it begins."""
        self._separate("\n\n")
        start = self._add(text)
        self._separate("\n\n")
        return start

    def line(self, text: str) -> int:
        """Add a line of its own, such as a row of a table. Returns where it begins."""
        self._separate("\n")
        start = self._add(text)
        self._separate("\n")
        return start

    def end_block(self) -> None:
        """The next thing added stands after a blank line."""
        self._separate("\n\n")

    def heading(self, level: int, title: str) -> int:
        """Add a heading as a block. Returns where it begins."""
        title = " ".join(title.split())
        start = self.block(title)
        if title:
            self.headings.append(HeadingSpan(level, title, start))
        return start

    def page(self, number: int, *, continues: bool = False) -> None:
        """What follows stands on page `number`. Only a line break parts it from text that it `continues`."""
        if not self.pages or self.pages[-1].start < self.length:
            self._separate("\n\n")
            if continues:
                self._separator = "\n"
            self._add("", flush=True)
        self.end_page()
        if len(self.pages) >= self._limits.pages:
            raise UnreadableDocument(
                f"The document has more than {self._limits.pages:,} pages.", hint="Split it into smaller files."
            )
        self._page_start = self.length
        self.pages.append(PageSpan(number, self.length, self.length))

    def end_page(self) -> None:
        """Close the page that is open, if any."""
        if self.pages:
            self.pages[-1].end = self.length

    def text(self) -> str:
        self.end_page()
        return "".join(self._pieces)

    def _separate(self, separator: str) -> None:
        if self.length > self._page_start and len(separator) > len(self._separator):
            self._separator = separator

    def _add(self, text: str, *, flush: bool = False) -> int:
        if not text and not flush:
            return self.length
        piece = self._separator + text
        self._separator = ""
        self.length += len(piece)
        check_length(self.length, self._limits)
        self._pieces.append(piece)
        return self.length - len(text)


def check_length(characters: int, limits: Limits) -> None:
    """Raises `UnreadableDocument` when a text is longer than `limits` allow."""
    if characters > limits.characters:
        raise UnreadableDocument(
            f"The document has more than {limits.characters:,} characters of text.",
            hint="Split it into smaller files.",
        )
