"""How much of two texts is the same: sets of word shingles, and short signatures that tell how alike they are.

A. Broder, "On the resemblance and containment of documents", 1997: the share of places at which two signatures of
minima agree estimates the Jaccard similarity of the sets, with a standard error of at most 0.045 for 128 places. Bands
of them find the pairs that are worth comparing: J. Leskovec, A. Rajaraman, J. Ullman, "Mining of Massive Datasets",
chapter 3.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHINGLE: Final = 4
"""Words in a row."""
PLACES: Final = 128
BANDS: Final = 32
"""Of four places each: texts that are 80 % alike share a band with probability 0.99999999, 30 % alike with 0.23."""
_WORD: Final = re.compile(r"\w+")
_BLOCK: Final = 4096
"""Shingles hashed at once, so that memory stays small for a long text."""


def shingles(text: str) -> NDArray[Any]:
    """The different runs of `SHINGLE` words, as sorted 64-bit hashes; one for all of a text that is shorter.

    Case, punctuation and white space do not count.
    """
    import numpy as np

    words = np.array([_hash_word(word) for word in _WORD.findall(text.casefold())], np.uint64)
    if not len(words):
        return words
    width = min(SHINGLE, len(words))
    runs = np.zeros(len(words) - width + 1, np.uint64)
    for place in range(width):
        runs = _mix(runs * np.uint64(0x9E3779B97F4A7C15) + words[place : place + len(runs)])
    return np.unique(runs)


def signature(runs: NDArray[Any]) -> NDArray[Any]:
    """The least of the shingles' hashes under each of `PLACES` hash functions: uint64, shape (PLACES,)."""
    import numpy as np

    least = np.full(PLACES, np.iinfo(np.uint64).max, np.uint64)
    for start in range(0, len(runs), _BLOCK):
        hashed = _mix(runs[start : start + _BLOCK, None] ^ _seeds()[None, :])
        np.minimum(least, hashed.min(axis=0), out=least)
    return least


def jaccard(one: NDArray[Any], other: NDArray[Any]) -> float:
    """What two sets of shingles have in common, as a share of what they have together; 0 for nothing at all."""
    import numpy as np

    if not len(one) or not len(other):
        return 0.0
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / (len(one) + len(other) - common)


class Bands:
    """Finds the texts that share a band of their signatures with another: the ones that are worth comparing."""

    def __init__(self, signatures: Mapping[str, NDArray[Any]]) -> None:
        rows = PLACES // BANDS
        self._keys = {
            name: [(band, places[band * rows : (band + 1) * rows].tobytes()) for band in range(BANDS)]
            for name, places in signatures.items()
        }
        self._names: dict[tuple[int, bytes], list[str]] = defaultdict(list)
        for name, keys in self._keys.items():
            for key in keys:
                self._names[key].append(name)

    def near(self, name: str) -> set[str]:
        """Without `name` itself."""
        found = {other for key in self._keys[name] for other in self._names[key]}
        return found - {name}


@lru_cache(maxsize=1 << 17)
def _hash_word(word: str) -> int:
    data = word.encode("utf-8", "surrogatepass")
    return crc32(data) | crc32(data[::-1], 0x5BD1E995) << 32


@lru_cache(maxsize=1)
def _seeds() -> NDArray[Any]:
    """Fixed, so that signatures can be compared whenever they were made."""
    import numpy as np

    return np.random.default_rng(20_251_129).integers(0, 1 << 63, PLACES, np.uint64)


def _mix(values: NDArray[Any]) -> NDArray[Any]:
    """The finalizer of splitmix64: every bit of the input has a part in every bit of the output."""
    import numpy as np

    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)))
