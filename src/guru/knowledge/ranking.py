"""Ranking: candidates from the dense and the sparse side, every one of them scored by every stage, best first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, structs
from sqlalchemy import Connection, select

from guru.errors import InvalidParameter
from guru.knowledge.distance import FITTED, nearness
from guru.knowledge.fusion import Side, fuse, reciprocal_ranks, sentence_logits, weighted_sum
from guru.knowledge.index import Snapshot
from guru.knowledge.query import Query, coverage, read_query
from guru.knowledge.rows import SENTENCE_COLUMNS, dot, unpack_sentences
from guru.knowledge.sparse import score_bm25
from guru.store.tables import chunks
from guru.types import SearchMode, SearchOptions

if TYPE_CHECKING:
    from numpy.typing import NDArray

CANDIDATES: Final = 100
"""Taken from each side."""
STAGES: Final = ("dense", "sentence", "coverage", "sparse", "bm25")
"""Every passage that is found has a score of each."""
PLAIN: Final = SearchOptions()
SENTENCES_OF: Final = [chunks.c[name] for name in SENTENCE_COLUMNS]


class Found(Struct, frozen=True):
    """Passages, best first, with the scores of the stages beside them."""

    ids: NDArray[Any]
    score: NDArray[Any]
    dense: NDArray[Any]
    """Cosine of the passage with the query."""
    sentence: NDArray[Any]
    """Cosine of its best sentence."""
    coverage: NDArray[Any]
    """Share of the query's words, by idf, in that sentence."""
    sparse: NDArray[Any]
    """BM25 of the passage as a share of the query's idf."""
    bm25: NDArray[Any]
    vectors: NDArray[Any]
    """Packed, as they are stored."""
    more: dict[str, NDArray[Any]] = {}
    """What the options of the search add to the stages."""

    def take(self, order: Any) -> Found:
        """The passages at these places, in this order."""
        arrays: dict[str, Any] = {name: getattr(self, name)[order] for name in COLUMNS}
        return Found(**arrays, more={name: array[order] for name, array in self.more.items()})


COLUMNS: Final = Found.__struct_fields__[:-1]


def check_options(options: SearchOptions, mode: SearchMode) -> None:
    """Raises `InvalidParameter` for options that do not go together."""
    if options.fusion == "learned" and options.distance not in FITTED and mode != "sparse":
        raise InvalidParameter(
            f"The learned fusion is fitted to cosines: it cannot rank by {options.distance} distance.",
            param="distance", hint="Choose `fusion` `rrf` or `weighted`, or the distance `cosine`.",
        )  # fmt: skip
    weights = {"dense": [options.dense_weight], "sparse": [options.sparse_weight]}
    if options.fusion != "learned" and not any(weights.get(mode, [options.dense_weight, options.sparse_weight])):
        raise InvalidParameter(
            f"No side of a {mode} search has a weight.", param="dense_weight", hint="Give one a weight above 0."
        )


class Asked(Struct, frozen=True):
    """A text to search for, with its vector (float32, unit length)."""

    text: str
    vector: Any
    mode: SearchMode


def rank(
    connection: Connection,
    snapshot: Snapshot,
    text: str,
    vector: NDArray[Any],
    *,
    mode: SearchMode,
    k: int,
    allowed: frozenset[str] | None = None,
    options: SearchOptions = PLAIN,
    besides: Sequence[Asked] = (),
) -> tuple[Found, Query]:
    """The best `k` passages, among those of the documents `allowed` if it is given, and the query as it was read.

    Exact: every passage is scored by both sides, filters are applied before the best are taken, and all candidates
    are scored by all stages of the mode. What is found for other texts `besides` is fused with that by its ranks.
    """
    import numpy as np

    query = read_query(text, vector, snapshot)
    if not snapshot.parts:
        nothing: Any = np.zeros(0)
        return Found(**dict.fromkeys(COLUMNS, nothing)), query
    eligible = np.concatenate([live & _owned(segment.owners, allowed) for segment, live in snapshot.parts])
    ranking = _Ranking(connection, snapshot, eligible, options, depth=max(CANDIDATES, k))
    measured = ranking.measure(query, mode)
    found = ranking.found(measured, measured.rows)
    if besides:
        found = _fuse_queries(ranking, measured, found, besides)
    return found.take(slice(k)), query


class _Measured(Struct, frozen=True):
    """A query beside every passage of a snapshot."""

    query: Query
    mode: SearchMode
    near: NDArray[Any]
    bm25: NDArray[Any]
    sides: dict[str, NDArray[Any]]
    """The rows that each side of the mode has found."""

    @property
    def rows(self) -> NDArray[Any]:
        """The candidates."""
        import numpy as np

        return np.unique(np.concatenate(list(self.sides.values())))


class _Ranking(Struct, frozen=True):
    """What the queries of one search share."""

    connection: Connection
    snapshot: Snapshot
    eligible: NDArray[Any]
    options: SearchOptions
    depth: int
    """Candidates taken from each side."""

    def measure(self, query: Query, mode: SearchMode) -> _Measured:
        """Score every passage by both sides and take the candidates."""
        import numpy as np

        parts, distance = self.snapshot.parts, self.options.distance
        bm25 = np.concatenate(score_bm25(self.snapshot.postings, self.snapshot.statistics, query.words))
        near = np.concatenate([nearness(segment.vectors, query.vector, distance) for segment, _ in parts])
        sides = {"dense": _top(near, self.eligible, self.depth)} if mode != "sparse" else {}
        if mode != "dense":
            sides["sparse"] = _top(bm25, self.eligible & (bm25 > 0), self.depth)
        return _Measured(query, mode, near, bm25, sides)

    def found(self, measured: _Measured, rows: NDArray[Any]) -> Found:
        """These rows, which are sorted, scored by every stage; the best first."""
        import numpy as np

        query, mode, options = measured.query, measured.mode, self.options
        ids = np.concatenate([segment.ids for segment, _ in self.snapshot.parts])[rows]
        vectors = _vectors(self.snapshot, rows)
        near, bm25 = measured.near[rows], measured.bm25[rows]
        dense = near if options.distance in FITTED else dot(vectors, query.vector)
        sparse = bm25 / query.idf
        sentence, covered = _best_sentences(self.connection, ids, query, mode)
        more = {} if options.distance in FITTED else {"distance": -near}
        if options.fusion == "learned":
            score = fuse(mode, dense, sentence, covered, sparse)
        else:
            scores = {"dense": near, "sparse": bm25}
            weights = {"dense": options.dense_weight, "sparse": options.sparse_weight}
            sides = [(name, scores[name], np.isin(rows, side), weights[name]) for name, side in measured.sides.items()]
            combine = weighted_sum if options.fusion == "weighted" else reciprocal_ranks
            score, parts = combine(sides, ids, options.rrf_k)
            more |= parts
        found = Found(ids, score, dense, sentence, covered, sparse, bm25, vectors, more=more)
        return found.take(np.lexsort((ids, -score)))


def _fuse_queries(ranking: _Ranking, measured: _Measured, plain: Found, besides: Sequence[Asked]) -> Found:
    """What is found for several queries, by reciprocal ranks. The stages are those of the question itself, and
    `plain` is the score that it alone has given."""
    import numpy as np

    lists, rows = [plain.ids], [measured.rows]
    for asked in besides:
        other = ranking.measure(read_query(asked.text, asked.vector, ranking.snapshot), asked.mode)
        lists.append(ranking.found(other, other.rows).ids)
        rows.append(other.rows)
    found = ranking.found(measured, np.unique(np.concatenate(rows)))
    sides: list[Side] = []
    for number, ids in enumerate(lists):
        ranks = {chunk: rank for rank, chunk in enumerate(ids.tolist())}
        scores = -np.array([ranks.get(chunk, len(found.ids)) for chunk in found.ids.tolist()], float)
        sides.append((f"query_{number}", scores, np.isin(found.ids, ids), 1.0))
    score, places = reciprocal_ranks(sides, found.ids, ranking.options.rrf_k)
    fused = structs.replace(found, score=score, more=found.more | {"plain": found.score} | places)
    return fused.take(np.lexsort((found.ids, -score)))


def _best_sentences(
    connection: Connection, ids: NDArray[Any], query: Query, mode: SearchMode
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Cosine and coverage of the sentence of each passage that says most for it."""
    import numpy as np

    if mode == "sparse" or not len(ids):
        return np.zeros(len(ids), np.float32), np.zeros(len(ids), np.float32)
    rows = connection.execute(select(*SENTENCES_OF).where(chunks.c.id.in_(ids.tolist())).order_by(chunks.c.id)).all()
    stored = unpack_sentences(rows, len(query.vector))
    cosines, covered = dot(stored.vectors, query.vector), coverage(query, stored)
    logits = sentence_logits(mode, cosines, covered)
    passage = np.repeat(np.arange(len(ids)), np.diff([*stored.starts, len(logits)]))
    # Sorted by passage and then by logit, the last sentence of each passage is its best.
    best = np.lexsort((logits, passage))[[*(stored.starts[1:] - 1), len(logits) - 1]]
    return cosines[best], covered[best]


def _vectors(snapshot: Snapshot, rows: NDArray[Any]) -> NDArray[Any]:
    """The packed vectors of some rows, which are sorted and count through all segments."""
    import numpy as np

    found, start = [], 0
    for segment, live in snapshot.parts:
        first, last = np.searchsorted(rows, (start, start + len(live)))
        found.append(segment.vectors[rows[first:last] - start])
        start += len(live)
    return np.concatenate(found)


def _owned(owners: NDArray[Any], allowed: frozenset[str] | None) -> Any:
    import numpy as np

    if allowed is None:
        return True
    return np.isin(owners, np.array(sorted(allowed), owners.dtype)) if allowed else np.zeros(len(owners), bool)


def _top(scores: NDArray[Any], eligible: NDArray[Any], k: int) -> NDArray[Any]:
    """The rows with the `k` highest scores among the eligible ones."""
    import numpy as np

    rows: NDArray[Any] = np.flatnonzero(eligible)
    if len(rows) <= k:
        return rows
    return rows[np.argpartition(-scores[rows], k - 1)[:k]]
