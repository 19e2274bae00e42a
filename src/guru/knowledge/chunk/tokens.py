"""Counts tokens between any two places of a text that was tokenized once."""

from __future__ import annotations

import re
import string
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from guru.knowledge.chunk.base import TokenOffsets
from guru.knowledge.sentences import Span

IDEOGRAPHS: Final = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3000-\u303f\U00020000-\U0002fa1f"
"""Chinese characters, which are words of their own, as the inside of a class of a regular expression."""
# White space and ASCII punctuation stand between words.
_BORDER: Final = re.compile(rf"[\s!-/:-@\[-`{{-~{IDEOGRAPHS}]")
_ASCII_BORDERS: Final = frozenset(string.whitespace + string.punctuation)
"""Looked at first: nearly every place that is asked about is beside one."""
_WINDOW: Final = 50_000


class TokenCounts:
    """Counts tokens between any two offsets of a text that was tokenized once.

    Only what begins or ends inside a word is tokenized again: a part of a word has other tokens than the word.
    """

    def __init__(self, text: str, token_offsets: TokenOffsets) -> None:
        self._starts = array("q")
        for begin, end in _windows(text):
            self._starts.extend([begin + start for start, _ in token_offsets(text[begin:end])])
        self._length = len(text)
        self._text = text
        self._token_offsets = token_offsets

    def between(self, start: int, end: int) -> int:
        """How many tokens `[start, end)` has."""
        if self._inside_word(start) or self._inside_word(end):
            return sum(len(self._token_offsets(self._text[i:j])) for i, j in _windows(self._text, start, end))
        return bisect_left(self._starts, end) - bisect_left(self._starts, start)

    def _inside_word(self, offset: int) -> bool:
        """Whether a cut here may divide a word, as WordPiece's first step finds words."""
        if not 0 < offset < self._length:
            return False
        if self._text[offset] in _ASCII_BORDERS or self._text[offset - 1] in _ASCII_BORDERS:
            return False
        return not (_BORDER.match(self._text, offset - 1) or _BORDER.match(self._text, offset))

    def end_of(self, start: int, count: int) -> int:
        """The offset at which token number `count` (from 0) after `start` begins."""
        index = bisect_left(self._starts, start) + count
        return self._starts[index] if index < len(self._starts) else self._length


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
