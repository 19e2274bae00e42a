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
FEW: Final = 20_000
"""Rows of a term that are added up sooner than it is found out whether they need be."""
SLACK: Final = 1.0001
"""For sums in another order: nobody is left out for a rounding."""


class Postings(Struct, frozen=True):
    """For every term of some passages the rows that have it, in compressed sparse rows. Five bytes an entry."""

    terms: NDArray[Any]
    """Sorted, unique hashes (uint64)."""
    starts: NDArray[Any]
    """`rows[starts[i]:starts[i + 1]]` have `terms[i]`, in ascending order (int32)."""
    rows: NDArray[Any]
    counts: NDArray[Any]
    """Beside `rows`, unsigned: twice in the body and once in the heading, which weighs half."""
    lengths: NDArray[Any]
    """Terms in the body of every row, float32."""

    def find(self, term: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Rows that have `term`, and its counts in them."""
        import numpy as np

        place = int(self.terms.searchsorted(np.uint64(term)))
        if place == len(self.terms) or self.terms[place] != term:
            return self.rows[:0], self.counts[:0]
        span = slice(self.starts[place], self.starts[place + 1])
        return self.rows[span], self.counts[span]


class Statistics(Struct, frozen=True):
    """Of the whole collection, whatever the segments are."""

    passages: int
    mean_length: float


def read_postings(blobs: Sequence[bytes]) -> Postings:
    """Invert the term blobs (see `terms.count_terms`) of some passages, in their order."""
    import numpy as np

    kind = term_type()
    entries = np.frombuffer(b"".join(blobs), kind)
    sizes = [len(blob) // kind.itemsize for blob in blobs]
    rows = np.repeat(np.arange(len(blobs), dtype=np.int32), sizes)
    lengths = np.bincount(rows, weights=entries["body"], minlength=len(blobs)).astype(np.float32)
    order = _order(entries["term"])
    terms = entries["term"][order]
    starts = _begins(terms)
    counts = _narrow(2 * entries["body"].astype(np.uint32) + entries["heading"])
    return Postings(terms[starts], np.append(starts, len(order)), rows[order], counts[order], lengths)


def _begins(terms: NDArray[Any]) -> NDArray[Any]:
    """Where each of the terms, which are sorted, stands first."""
    import numpy as np

    return np.asarray(np.flatnonzero(np.r_[True, terms[1:] != terms[:-1]][: len(terms)]))


def _order(terms: NDArray[Any]) -> NDArray[Any]:
    """What sorts terms, equal ones in their order.

    Their upper bits with their places below are sorted as they are, which is many times faster than a stable argsort.
    """
    import numpy as np

    places = np.uint64((1 << len(terms).bit_length()) - 1)
    keys = (terms & ~places) | np.arange(len(terms), dtype=np.uint64)
    keys.sort()
    order = (keys & places).astype(np.int64)
    found = terms[order]
    return order if bool((found[1:] >= found[:-1]).all()) else np.argsort(terms, kind="stable")


def merge_postings(parts: Sequence[tuple[Postings, NDArray[Any]]]) -> Postings:
    """The postings of the rows that the masks keep, renumbered from 0 in order. Nothing is sorted but the terms."""
    import numpy as np

    kept = [_keep(*part) for part in parts]
    terms = np.sort(np.concatenate([postings.terms for postings in kept]))
    terms = terms[_begins(terms)]
    places = [terms.searchsorted(postings.terms) for postings in kept]
    sizes = np.zeros(len(terms), np.int64)
    for postings, place in zip(kept, places, strict=True):
        sizes[place] += np.diff(postings.starts)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    rows = np.empty(starts[-1], np.int32)
    counts = np.empty(starts[-1], np.result_type(*(postings.counts for postings in kept)))
    free, offset = starts[:-1].copy(), 0
    for postings, place in zip(kept, places, strict=True):
        mine = np.diff(postings.starts)
        target = np.repeat(free[place] - postings.starts[:-1], mine) + np.arange(len(postings.rows))
        rows[target] = postings.rows + np.int32(offset)
        counts[target] = postings.counts
        free[place] += mine
        offset += len(postings.lengths)
    return Postings(terms, starts, rows, counts, np.concatenate([postings.lengths for postings in kept]))


def _keep(postings: Postings, live: NDArray[Any]) -> Postings:
    """Of the rows that live alone."""
    import numpy as np

    if live.all():
        return postings
    kept = live[postings.rows]
    sizes = np.diff(np.concatenate([[0], np.cumsum(kept)])[postings.starts])
    there = sizes > 0
    numbers = np.cumsum(live, dtype=np.int32) - np.int32(1)
    starts = np.concatenate([[0], np.cumsum(sizes[there])])
    rows = numbers[postings.rows[kept]]
    return Postings(postings.terms[there], starts, rows, postings.counts[kept], postings.lengths[live])


def _narrow(counts: NDArray[Any]) -> NDArray[Any]:
    """In the fewest bytes that hold them; nearly always in one."""
    import numpy as np

    return counts.astype(np.min_scalar_type(int(counts.max(initial=0))))


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


def norms(lengths: NDArray[Any], statistics: Statistics) -> NDArray[Any]:
    """What BM25 adds to the count of a term below the line, for every row: short passages have less."""
    import numpy as np

    share = lengths / np.float32(max(statistics.mean_length, 1e-9))
    return np.asarray(2 * K1 * (1 - B) + 2 * K1 * B * share, np.float32)  # counts are doubled, too


def score_rows(postings: Postings, norms: NDArray[Any], words: Sequence[Word], rows: NDArray[Any]) -> NDArray[Any]:
    """BM25 of some rows, which are sorted, float32. A word that is written twice counts twice."""
    import numpy as np

    scores = np.zeros(len(rows), np.float32)
    rows = rows.astype(np.int32)  # as those of the postings, which would be copied otherwise
    for term, weight in _weights(words):
        having, counts = postings.find(term)
        if len(having) == 0:
            continue
        places = np.minimum(having.searchsorted(rows), len(having) - 1)
        count = np.where(having[places] == rows, counts[places], 0).astype(np.float32)
        scores += weight * count / (count + norms[rows])
    return scores


def best_rows(
    postings: Postings, norms: NDArray[Any], words: Sequence[Word], k: int, eligible: NDArray[Any] | None = None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The `k` rows with the greatest BM25 above 0 among the eligible ones, sorted, and their scores. Exact.

    Terms come from the rarest on. As soon as the others together are worth less than what the `k`-th row has already,
    no row that has only them can be among the best, and they are looked up for the rows that still can (MaxScore:
    Turtle and Flood, "Query Evaluation: Strategies and Optimizations", 1995).
    """
    import numpy as np

    weighted = sorted(_weights(words), key=lambda pair: -pair[1])
    left = sum(weight for _, weight in weighted)
    scores = np.zeros(len(norms), np.float32)
    for term, weight in weighted:
        rows, counts = postings.find(term)
        if len(rows) > FEW:
            some, least = _leading(scores, k, eligible)
            if least > left * SLACK:
                candidates = some[scores[some] + left * SLACK >= least]
                break
        count = counts.astype(np.float32)
        scores[rows] += np.float32(weight) * count / (count + norms[rows])
        left -= weight
    else:
        candidates, least = _leading(scores, k, eligible)
        candidates = candidates[scores[candidates] * SLACK >= least]
    exact = score_rows(postings, norms, words, candidates)
    order = np.sort(np.lexsort((candidates, -exact))[:k])
    return candidates[order], exact[order]


def _leading(scores: NDArray[Any], k: int, eligible: NDArray[Any] | None) -> tuple[NDArray[Any], float]:
    """The eligible rows that have a score, and the `k`-th greatest of their scores; 0 where there are fewer."""
    import numpy as np

    rows = np.flatnonzero(scores if eligible is None else (scores > 0) & eligible)
    if len(rows) < k:
        return rows, 0.0
    return rows, float(np.partition(scores[rows], len(rows) - k)[len(rows) - k])


def _weights(words: Sequence[Word]) -> list[tuple[int, float]]:
    """Each term with the most that it can add to a score."""
    weights: dict[int, float] = {}
    for word in words:
        for term, weight in zip(word.terms, word.idfs, strict=True):
            weights[term] = weights.get(term, 0.0) + weight * (K1 + 1)
    return list(weights.items())
