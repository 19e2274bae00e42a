"""Passages in memory: immutable segments, as in Lucene. New rows become a segment, removed ones are masked, small
segments are merged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from sqlalchemy import Row

from guru.knowledge.index.scan import Vectors
from guru.knowledge.index.stored import sum_runs
from guru.knowledge.rows import read_vectors
from guru.knowledge.sparse import Postings, merge_postings, read_postings

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST: Final = 1 << 18
"""Passages of a segment that is not merged any more: what is copied for a merge is no more than that."""
_BLOCK: Final = 4096


class Segment(Struct, frozen=True):
    """Some passages, in the order of their ids."""

    ids: NDArray[Any]
    owners: list[str]
    """The documents of the passages, one for each run of passages that are of the same."""
    starts: NDArray[Any]
    """Where the runs begin, and the number of passages."""
    vectors: Vectors
    postings: Postings

    def of(self, documents: frozenset[str]) -> NDArray[Any]:
        """The mask of the passages of some documents."""
        import numpy as np

        runs = np.fromiter((owner in documents for owner in self.owners), bool, len(self.owners))
        return np.asarray(np.repeat(runs, np.diff(self.starts)))


class Part:
    """A segment with the rows of it that live. Never changes."""

    def __init__(self, segment: Segment, live: NDArray[Any] | None = None) -> None:
        """`live` is a mask; None: all of them."""
        import numpy as np

        self.segment = segment
        self.alive = len(segment.ids) if live is None else int(np.count_nonzero(live))
        self.live = live if self.alive < len(segment.ids) else None

    @cached_property
    def length(self) -> float:
        """Terms in the bodies of those that live."""
        lengths = self.segment.postings.lengths
        return float((lengths if self.live is None else lengths[self.live]).sum(dtype="f8"))

    @property
    def mask(self) -> NDArray[Any]:
        import numpy as np

        return np.ones(len(self.segment.ids), bool) if self.live is None else self.live

    def eligible(self, allowed: NDArray[Any] | None) -> NDArray[Any] | None:
        """The rows that live and are allowed; None: all."""
        import numpy as np

        if allowed is None or self.live is None:
            return self.live if allowed is None else allowed
        return np.asarray(np.logical_and(self.live, allowed))

    def only(self, kept: NDArray[Any]) -> Part:
        """Without the rows that a mask leaves out."""
        return Part(self.segment, self.eligible(kept))

    def frequency(self, term: int) -> int:
        """How many passages have a term."""
        import numpy as np

        rows, _ = self.segment.postings.find(term)
        return len(rows) if self.live is None else int(np.count_nonzero(self.live[rows]))

    def sums(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Documents, one or several times, with sums of the vectors of their passages."""
        import numpy as np

        segment = self.segment
        run = np.arange(len(segment.owners)).repeat(np.diff(segment.starts))
        for start in range(0, len(run), _BLOCK):
            rows = np.arange(start, min(start + _BLOCK, len(run)))
            rows = rows if self.live is None else rows[self.live[rows]]
            if len(rows):
                runs = run[rows]
                begins = np.flatnonzero(np.diff(runs, prepend=-1))
                found = sum_runs(segment.vectors.packed[rows], begins)
                yield from zip([segment.owners[one] for one in runs[begins].tolist()], found, strict=True)


def read_part(rows: Sequence[Row[Any, Any, Any, Any]]) -> Part:
    """A segment of rows with the columns `id`, `document_id`, `vector` and `terms`, in the order of their ids."""
    import numpy as np

    ids, owners, vectors, terms = zip(*rows, strict=True)
    runs, starts = _runs(owners, range(len(owners)), len(owners))
    segment = Segment(np.array(ids, np.int64), runs, starts, Vectors(read_vectors(vectors)), read_postings(terms))
    return Part(segment)


def join(parts: Iterable[Part]) -> list[Part]:
    """Few parts from many small ones that come one after the other, each at most as large as a segment may be."""
    joined: list[Part] = []
    waiting: list[Part] = []
    for part in parts:
        if waiting and sum(one.alive for one in waiting) + part.alive > LARGEST:
            joined.append(merge(waiting))
            waiting = []
        waiting.append(part)
    return [*joined, merge(waiting)] if waiting else joined


def merge(parts: Sequence[Part]) -> Part:
    """The living rows of some parts as one segment."""
    import numpy as np

    if len(parts) == 1 and parts[0].live is None:
        return parts[0]
    masks = [part.mask for part in parts]
    owners: list[str] = []
    starts: list[NDArray[Any]] = []
    offset = 0
    for part, mask in zip(parts, masks, strict=True):
        places = np.concatenate([[0], np.cumsum(mask)])[part.segment.starts]
        there = np.diff(places) > 0
        owners += [owner for owner, some in zip(part.segment.owners, there.tolist(), strict=True) if some]
        starts.append(places[:-1][there] + offset)
        offset += part.alive
    runs, begins = _runs(owners, np.concatenate(starts).tolist(), offset)
    segment = Segment(
        np.concatenate([part.segment.ids[mask] for part, mask in zip(parts, masks, strict=True)]),
        runs,
        begins,
        Vectors(np.concatenate([part.segment.vectors.packed[mask] for part, mask in zip(parts, masks, strict=True)])),
        merge_postings([(part.segment.postings, mask) for part, mask in zip(parts, masks, strict=True)]),
    )
    return Part(segment)


def compact(parts: Sequence[Part]) -> list[Part]:
    """Merge from the newest on while a segment is no more than twice as large as what comes after it.

    So there are only about log2(n) small segments, and a row is copied about that often. A segment more than half of
    whose rows are dead is written anew.
    """
    kept: list[Part] = []
    for part in parts:
        if not part.alive:
            continue
        kept.append(part if part.alive * 2 > len(part.segment.ids) else merge([part]))
        while len(kept) > 1 and kept[-2].alive <= 2 * kept[-1].alive and kept[-2].alive + kept[-1].alive <= LARGEST:
            kept[-2:] = [merge(kept[-2:])]
    return kept


def _runs(owners: Sequence[str], starts: Sequence[int], total: int) -> tuple[list[str], NDArray[Any]]:
    """Neighbours of the same owner as one run; see `Segment`."""
    import numpy as np

    first = [place for place, owner in enumerate(owners) if place == 0 or owner != owners[place - 1]]
    return [owners[place] for place in first], np.array([*(starts[place] for place in first), total], np.int64)
