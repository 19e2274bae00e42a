"""Recursive splitting: by headings, paragraphs, sentences, words. The default."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from guru.knowledge.chunk.cutting import Cutting, Unit
from guru.knowledge.chunk.packing import tail
from guru.knowledge.chunk.unit_chunker import UnitChunker, extents
from guru.knowledge.sentences import Span


class RecursiveChunker(UnitChunker):
    """Cuts documents into passages of at most `max_tokens`.

    Whole paragraphs are put together while they fit and stand under the same heading. One that is too long is cut
    at sentences into pieces of about equal length that overlap by up to `overlap` tokens; a sentence that is too
    long is cut at white space.
    """

    def _spans(self, cutting: Cutting) -> Iterator[tuple[Span, Span | None]]:
        return extents(Grouping(cutting, self._max, self._overlap).groups(cutting.units))


class Grouping:
    """Puts the units of a document together to passages of at most `max_tokens`."""

    def __init__(self, cutting: Cutting, max_tokens: int, overlap: int, *, join_small: bool = True) -> None:
        """`join_small`: whether small sections share a passage with the next, below the outermost headings."""
        self._cutting = cutting
        self._max = max_tokens
        self._overlap = overlap
        self._join_small = join_small

    def groups(self, units: Sequence[Unit]) -> Iterator[list[Unit]]:
        """Runs of units that become passages."""
        current: list[Unit] = []
        for _, group in groupby(units, key=lambda unit: unit.paragraph):
            paragraph = list(group)
            if current and self._belongs(current, paragraph):
                current += paragraph
                continue
            if current:
                yield current
            *full, current = self._pieces(paragraph)
            yield from full
        if current:
            yield current

    def _belongs(self, current: list[Unit], paragraph: list[Unit]) -> bool:
        cutting, section = self._cutting, paragraph[0].section
        if not self._fits(current[0].start, paragraph[-1].end):
            return False
        if current[-1].section == section or all(cutting.outline.is_heading((u.start, u.end)) for u in current):
            return True
        small = cutting.tokens.between(current[0].start, current[-1].end) < self._max // 4
        return self._join_small and small and not cutting.outline.is_top(section)

    def _fits(self, start: int, end: int) -> bool:
        return self._cutting.fits(start, end, self._max)

    def _pieces(self, paragraph: list[Unit]) -> list[list[Unit]]:
        """A paragraph in one piece if it fits, else in overlapping ones of about equal length."""
        tokens = self._cutting.tokens
        total = tokens.between(paragraph[0].start, paragraph[-1].end)
        if self._fits(paragraph[0].start, paragraph[-1].end):
            return [paragraph]
        step = max(1, self._max - self._overlap)
        count = max(2, -(-(total - self._overlap) // step))
        target = (total + (count - 1) * self._overlap) / count
        pieces: list[list[Unit]] = []
        current: list[Unit] = []
        for unit in paragraph:
            full = current and tokens.between(current[0].start, current[-1].end) >= target * 0.95
            if current and (full or not self._fits(current[0].start, unit.end)):
                pieces.append(current)
                current = tail(self._cutting, current, unit, self._overlap, self._max)
            current.append(unit)
        return [*pieces, current]
