"""A vocabulary in a tenth of the memory that a dictionary takes: its tokens side by side, and a table of hashes.

It lies in the memory of every server that has counted a token once, where a dictionary of 200,000 `bytes` has 25 MB.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from zlib import crc32


class Vocabulary:
    """Tokens with their ranks, by open addressing. Never changes."""

    __slots__ = ("_ends", "_mask", "_slots", "_tokens")

    def __init__(self, tokens: bytes, lengths: bytes) -> None:
        """`tokens`, one after the other in the order of their ranks, and the length of each."""
        self._tokens = tokens
        self._ends = array("I", [0])
        self._mask = (1 << (2 * len(lengths)).bit_length()) - 1  # at most half of the slots are taken
        self._slots = slots = array("I", bytes(4 * (self._mask + 1)))  # a rank and 1; 0: nothing
        ends, mask = self._ends, self._mask
        start = 0
        for rank, length in enumerate(lengths, 1):
            end = start + length
            ends.append(end)
            place = crc32(tokens[start:end]) & mask
            while slots[place]:
                place = (place + 1) & mask
            slots[place] = rank
            start = end

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __iter__(self) -> Iterator[bytes]:
        """The tokens in the order of their ranks."""
        for rank in range(len(self)):
            yield self._tokens[self._ends[rank] : self._ends[rank + 1]]

    def __contains__(self, piece: bytes) -> bool:
        return self.get(piece) is not None

    def get(self, piece: bytes) -> int | None:
        """The rank of `piece`, if it is a token."""
        slots, ends, tokens, mask = self._slots, self._ends, self._tokens, self._mask
        place = crc32(piece) & mask
        while found := slots[place]:
            if tokens[ends[found - 1] : ends[found]] == piece:
                return found - 1
            place = (place + 1) & mask
        return None
