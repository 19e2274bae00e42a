"""BM25 (Robertson and Spärck Jones; idf as in Lucene, smoothed) over postings in memory, with headings as in BM25F.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), sections 3.3 and 3.6.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from guru.knowledge.terms import term_type

if TYPE_CHECKING:
    from numpy.typing import NDArray

K1: Final = 0.9
B: Final = 0.6
BACKGROUND: Final = 50
"""Passages without the word that idf counts besides those there are: in a collection of one passage, too, a word that
is there must tell more than nothing."""
HEADING_WEIGHT: Final = 0.5
"""How much an occurrence in the title or heading path counts beside one in the passage."""


class Postings(Struct, frozen=True):
    """For every term of a segment the rows that have it, in compressed sparse rows."""

    terms: NDArray[Any]
    """Sorted, unique hashes (uint64)."""
    starts: NDArray[Any]
    """`rows[starts[i]:starts[i + 1]]` have `terms[i]`."""
    rows: NDArray[Any]
    frequencies: NDArray[Any]
    """Weighted over the fields, float32, beside `rows`."""
    lengths: NDArray[Any]
    """Terms in the body of every row, float32."""

    def find(self, term: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Rows that have `term`, and its frequency in them."""
        import numpy as np

        place = int(self.terms.searchsorted(np.uint64(term)))
        if place == len(self.terms) or self.terms[place] != term:
            return self.rows[:0], self.frequencies[:0]
        span = slice(self.starts[place], self.starts[place + 1])
        return self.rows[span], self.frequencies[span]


class Statistics(Struct, frozen=True):
    """Of the whole collection, whatever the segments are."""

    passages: int
    mean_length: float


def read_postings(blobs: Sequence[bytes]) -> Postings:
    """Invert the term blobs (see `terms.count_terms`) of some passages, in their order."""
    import numpy as np

    kind = term_type()
    entries = np.frombuffer(b"".join(blobs), kind)
    counts = [len(blob) // kind.itemsize for blob in blobs]
    rows = np.repeat(np.arange(len(blobs), dtype=np.int32), counts)
    body = entries["body"].astype(np.float32)
    lengths = np.bincount(rows, weights=body, minlength=len(blobs)).astype(np.float32)
    return _build(entries["term"], rows, body + np.float32(HEADING_WEIGHT) * entries["heading"], lengths)


def merge_postings(parts: Sequence[tuple[Postings, NDArray[Any]]]) -> Postings:
    """The postings of the rows that the masks keep, renumbered from 0 in order."""
    import numpy as np

    terms, rows, frequencies, lengths, offset = [], [], [], [], 0
    for postings, live in parts:
        kept = live[postings.rows]
        numbers = np.cumsum(live, dtype=np.int32) + np.int32(offset - 1)
        terms.append(np.repeat(postings.terms, np.diff(postings.starts))[kept])
        rows.append(numbers[postings.rows[kept]])
        frequencies.append(postings.frequencies[kept])
        lengths.append(postings.lengths[live])
        offset += int(live.sum())
    return _build(*(np.concatenate(arrays) for arrays in (terms, rows, frequencies, lengths)))


def _build(terms: NDArray[Any], rows: NDArray[Any], frequencies: NDArray[Any], lengths: NDArray[Any]) -> Postings:
    import numpy as np

    order = np.argsort(terms, kind="stable")
    unique, starts = np.unique(terms[order], return_index=True)
    return Postings(unique, np.append(starts, len(order)).astype(np.int64), rows[order], frequencies[order], lengths)


def idf(passages: int, frequency: int) -> float:
    """How telling a word is that `frequency` of `passages` have; never negative."""
    return log(1 + (passages + BACKGROUND - frequency + 0.5) / (frequency + 0.5))


class Word(Struct, frozen=True):
    """A word of a query: the hashes of its stems, one for each language of the collection, and their idf."""

    terms: list[int]
    idfs: list[float]

    @property
    def idf(self) -> float:
        return max(self.idfs, default=0.0)


Segments = Sequence[tuple[Postings, "NDArray[Any]"]]
"""Postings, each with a mask of the rows that live."""


def score_bm25(segments: Segments, statistics: Statistics, words: Sequence[Word]) -> list[NDArray[Any]]:
    """Scores of every row of every segment, float32. A word that is written twice counts twice."""
    import numpy as np

    weighted = [pair for word in words for pair in zip(word.terms, word.idfs, strict=True)]
    scores = []
    for postings, live in segments:
        score = np.zeros(len(live), np.float32)
        for term, weight in weighted:
            rows, counts = postings.find(term)
            length = postings.lengths[rows] / max(statistics.mean_length, 1e-9)
            score[rows] += weight * counts * (K1 + 1) / (counts + K1 * (1 - B + B * length))
        scores.append(score)
    return scores
