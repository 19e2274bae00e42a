"""The headings over every place of a document."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

from guru.knowledge.sentences import Span

if TYPE_CHECKING:
    from guru.knowledge.parse import HeadingSpan


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

    def is_heading(self, span: Span) -> bool:
        """Whether a sentence is the line of a heading."""
        start, end = span
        index = bisect_right(self.starts, end - 1) - 1
        return index >= 0 and start <= self.starts[index]
