"""OpenAI's tokenizers, for counting: the same number that tiktoken finds, without a dependency.

A text is cut into pieces by a regular expression; most pieces are a token as they stand, which one look-up tells. The
others are merged from bytes, the pair of the lowest rank first (https://github.com/openai/tiktoken).
"""

from __future__ import annotations

import heapq
import lzma
import re
import unicodedata
from collections import OrderedDict
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Final, Protocol

from guru.gateway.cost.vocabulary import Vocabulary

FOLDER: Final = Path(__file__).with_name("data")
SIZES: Final = {"o200k": 199_998, "cl100k": 100_256}
LAST: Final = 0xE01EF
"""The last character that is a letter, mark or number."""
NOTHING: Final = range(0x40000, 0xE0000)
"""Planes of Unicode in which no character is."""
ASTRAL: Final = re.compile("[\U00010000-\U0010ffff]")
REMEMBERED: Final = 8192
"""Merged pieces whose count is kept at hand."""


class Ranks(Protocol):
    def get(self, piece: bytes, /) -> int | None: ...


class Encoding:
    """One vocabulary. Loading takes 0.3 s; it then lies in 4 MB."""

    def __init__(self, name: str, ranks: Vocabulary) -> None:
        self.name = name
        self.ranks = ranks
        """Every token, with its number; a lower one is merged earlier."""
        self._merged: OrderedDict[str, int] = OrderedDict()

    @classmethod
    def load(cls, name: str) -> Encoding:
        """Read `data/NAME.tokens`: the lengths of all tokens, a byte each, then the tokens. Blocks."""
        content = lzma.decompress((FOLDER / f"{name}.tokens").read_bytes())
        size = SIZES[name]
        return cls(name, Vocabulary(content[size:], content[:size]))

    def count(self, text: str) -> int:
        """The number of tokens of `text`; what looks like a special token counts as ordinary text."""
        ranks, total = self.ranks, 0
        for piece in pattern(self.name, reach(text)).findall(text):
            if piece.encode("utf-8", "replace") in ranks:
                total += 1
            else:
                total += self._merge(piece)
        return total

    def _merge(self, piece: str) -> int:
        if (count := self._merged.get(piece)) is not None:
            return count
        count = merge(piece.encode("utf-8", "replace"), self.ranks)
        if len(piece) < 64:
            self._merged[piece] = count
            if len(self._merged) > REMEMBERED:
                self._merged.popitem(last=False)
        return count


def merge(piece: bytes, ranks: Ranks) -> int:
    """How many tokens a piece becomes, in n log n steps."""
    size = len(piece)
    after = list(range(1, size + 1))  # where the part that begins here ends
    before = list(range(-1, size - 1))  # where the part in front begins
    pairs = ((ranks.get(piece[start : start + 2]), start, start + 2) for start in range(size - 1))
    heap = [(rank, start, end) for rank, start, end in pairs if rank is not None]
    heapq.heapify(heap)
    parts = size
    while heap:
        _, start, end = heapq.heappop(heap)
        middle = after[start]
        if middle < 0 or middle >= size or after[middle] != end:
            continue  # one of the two was merged with another
        parts -= 1
        after[start], after[middle] = end, -1
        if end < size:
            before[end] = start
            stop = after[end]
            if (rank := ranks.get(piece[start:stop])) is not None:
                heapq.heappush(heap, (rank, start, stop))
        first = before[start]
        if first >= 0 and (rank := ranks.get(piece[first:end])) is not None:
            heapq.heappush(heap, (rank, first, end))
    return parts


def reach(text: str) -> int:
    """The last character that a pattern for `text` must know: classes with all of Unicode are ten times as slow."""
    if text.isascii():
        return 0x7F
    return 0xFFFF if ASTRAL.search(text) is None else LAST


@cache
def pattern(name: str, last: int) -> re.Pattern[str]:
    """The regular expression that cuts a text of characters up to `last`.

    Unicode's classes are spelled out, as `re` has no names for them; the original is tiktoken_ext/openai_public.py.
    """
    letter, number = members("L", last), members("N", last)
    space = "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000"
    blank, solid = f"[{space}]", f"[^{space}]"
    if name == "cl100k":
        return re.compile(
            rf"'(?i:[sdmt]|ll|ve|re)|[^\r\n{letter}{number}]?+[{letter}]++|[{number}]{{1,3}}+"
            rf"| ?[^{space}{letter}{number}]++[\r\n]*+|{blank}++\Z|{blank}*[\r\n]|{blank}+(?!{solid})|{blank}"
        )
    upper, lower = members("Lu Lt Lm Lo M", last), members("Ll Lm Lo M", last)
    suffix = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    return re.compile(
        rf"[^\r\n{letter}{number}]?[{upper}]*[{lower}]+{suffix}|[^\r\n{letter}{number}]?[{upper}]+[{lower}]*{suffix}"
        rf"|[{number}]{{1,3}}| ?[^{space}{letter}{number}]+[\r\n/]*|{blank}*[\r\n]+|{blank}+(?!{solid})|{blank}+"
    )


def members(wanted: str, last: int) -> str:
    """The characters of some general categories, up to `last`, as ranges for a regular expression's class."""
    starts = tuple(wanted.split())
    known = categories(last).items()
    chosen = sorted(span for category, spans in known if category.startswith(starts) for span in spans)
    merged: list[list[int]] = []
    for first, end in chosen:
        if merged and merged[-1][1] == first - 1:
            merged[-1][1] = end
        else:
            merged.append([first, end])
    return "".join(f"\\U{first:08x}-\\U{end:08x}" for first, end in merged)


@cache
def categories(last: int) -> dict[str, list[tuple[int, int]]]:
    """Where the characters of each general category are, up to `last`."""
    found: dict[str, list[tuple[int, int]]] = {}
    before, first, end = "", 0, -1
    for code in chain(range(min(last + 1, NOTHING.start)), range(NOTHING.stop, last + 1)):
        category = unicodedata.category(chr(code))
        if category != before:
            if before:
                found.setdefault(before, []).append((first, end))
            before, first = category, code
        end = code
    found.setdefault(before, []).append((first, end))
    return found
