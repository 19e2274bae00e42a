"""Ranking: candidates from the dense and the sparse side, every one of them scored by every stage, best first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, structs

from guru.errors import InvalidParameter
from guru.knowledge.distance import FITTED, nearness
from guru.knowledge.fusion import Side, fuse, reciprocal_ranks, sentence_logits, weighted_sum
from guru.knowledge.index.base import Snapshot
from guru.knowledge.query import Query, coverage, read_query
from guru.knowledge.rows import dot, unpack_sentences
from guru.types import SearchMode, SearchOptions

if TYPE_CHECKING:
    from numpy.typing import NDArray

CANDIDATES: Final = 100
"""Taken from each side."""
STAGES: Final = ("dense", "sentence", "coverage", "sparse", "bm25")
"""Every passage that is found has a score of each."""
PLAIN: Final = SearchOptions()


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
    """Packed (`rows.fine_type`), as they are stored."""
    more: dict[str, NDArray[Any]] = {}
    """What the options of the search add to the stages."""

    def take(self, order: Any) -> Found:
        """The passages at these places, in this order."""
        arrays: dict[str, Any] = {name: getattr(self, name)[order] for name in COLUMNS}
        return Found(**arrays, more={name: array[order] for name, array in self.more.items()})


COLUMNS: Final = Found.__struct_fields__[:-1]


def check_options(options: SearchOptions, mode: SearchMode) -> None:
    """Raises `InvalidParameter` for options that do not go together."""
    if options.is_learned and options.distance not in FITTED and mode != "sparse":
        raise InvalidParameter(
            f"The learned fusion is fitted to cosines: it cannot rank by {options.distance} distance.",
            param="distance", hint="Choose `fusion` `rrf` or `weighted`, or the distance `cosine`.",
        )  # fmt: skip
    if options.rerank_weight is not None and not options.is_learned:
        raise InvalidParameter(
            f"`rerank_weight` weighs probabilities, and the scores of the fusion `{options.fusion}` are none.",
            param="rerank_weight", hint="Leave it out, and the reranker alone says the order; or choose `learned`.",
        )  # fmt: skip
    weights = options.weights
    if not options.is_learned and not any(weights.values() if mode == "hybrid" else [weights[mode]]):
        raise InvalidParameter(
            f"No side of a {mode} search has a weight.", param="dense_weight", hint="Give one a weight above 0."
        )


def chances(found: Found, options: SearchOptions) -> list[float] | None:
    """The probability that each passage is relevant; None where the scores are none."""
    if not options.is_learned:
        return None
    return [float(chance) for chance in found.more.get("plain", found.score)]


class Asked(Struct, frozen=True):
    """A text to search for, with its vector (float32, unit length)."""

    text: str
    vector: Any
    mode: SearchMode


def rank(
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

    Each side of the index gives its best passages, filters applied, and all of these candidates are scored by all
    stages of the mode: exactly, however they were found. What is found for other texts `besides` is fused with that by
    its ranks.
    """
    import numpy as np

    query = read_query(text, vector, snapshot)
    if not snapshot.statistics.passages:
        nothing: Any = np.zeros(0)
        return Found(**dict.fromkeys(COLUMNS, nothing)), query
    ranking = _Ranking(snapshot, allowed, options, depth=depth(k))
    candidates = ranking.candidates(query, mode)
    found = ranking.found(candidates, candidates.ids)
    if besides:
        found = _fuse_queries(ranking, candidates, found, besides)
    return found.take(slice(k)), query


def depth(k: int) -> int:
    """How many candidates each side is asked for where `k` passages are wanted."""
    return max(CANDIDATES, k)


class _Candidates(Struct, frozen=True):
    """What the sides have found for a query."""

    query: Query
    mode: SearchMode
    sides: dict[str, NDArray[Any]]
    """The ids that each side of the mode has found."""

    @property
    def ids(self) -> NDArray[Any]:
        """Of all sides, sorted."""
        import numpy as np

        return np.unique(np.concatenate(list(self.sides.values())))


class _Ranking(Struct, frozen=True):
    """What the queries of one search share."""

    snapshot: Snapshot
    allowed: frozenset[str] | None
    options: SearchOptions
    depth: int
    """Candidates taken from each side."""

    def candidates(self, query: Query, mode: SearchMode) -> _Candidates:
        """Ask the sides."""
        snapshot, allowed, sides = self.snapshot, self.allowed, {}
        # First, so that what it finds is read with what the dense side reads (`EmbeddedSearch`).
        sparse = None if mode == "dense" else snapshot.sparse(query.words, self.depth, allowed=allowed)
        if mode != "sparse":
            distance = self.options.distance
            sides["dense"] = snapshot.dense(query.vector, self.depth, allowed=allowed, distance=distance)
        if sparse is not None:
            sides["sparse"] = sparse
        return _Candidates(query, mode, sides)

    def found(self, candidates: _Candidates, ids: NDArray[Any]) -> Found:
        """These passages, which are sorted by id, scored by every stage; the best first."""
        import numpy as np

        query, mode, options = candidates.query, candidates.mode, self.options
        # First, so that the others are read in the same query (`postgresql.passages`).
        sentence, covered = _best_sentences(self.snapshot, ids, query, mode)
        vectors, bm25 = self.snapshot.vectors(ids), self.snapshot.bm25(ids, query.words)
        near = nearness(vectors, query.vector, options.distance)
        dense = near if options.distance in FITTED else dot(vectors, query.vector)
        sparse = bm25 / query.idf
        more = {} if options.distance in FITTED else {"distance": -near}
        if options.is_learned:
            score = fuse(mode, dense, sentence, covered, sparse)
        else:
            scores = {"dense": near, "sparse": bm25}
            weights = options.weights
            sides = [(name, scores[name], np.isin(ids, side), weights[name]) for name, side in candidates.sides.items()]
            combine = weighted_sum if options.fusion == "weighted" else reciprocal_ranks
            score, parts = combine(sides, ids, options.rrf_k)
            more |= parts
        found = Found(ids, score, dense, sentence, covered, sparse, bm25, vectors, more=more)
        return found.take(np.lexsort((ids, -score)))


def _fuse_queries(ranking: _Ranking, candidates: _Candidates, plain: Found, besides: Sequence[Asked]) -> Found:
    """What is found for several queries, by reciprocal ranks. The stages are those of the question itself, and
    `plain` is the score that it alone has given."""
    import numpy as np

    lists, everything = [plain.ids], [candidates.ids]
    for asked in besides:
        other = ranking.candidates(read_query(asked.text, asked.vector, ranking.snapshot), asked.mode)
        lists.append(ranking.found(other, other.ids).ids)
        everything.append(other.ids)
    found = ranking.found(candidates, np.unique(np.concatenate(everything)))
    sides: list[Side] = []
    for number, ids in enumerate(lists):
        ranks = {chunk: rank for rank, chunk in enumerate(ids.tolist())}
        scores = -np.array([ranks.get(chunk, len(found.ids)) for chunk in found.ids.tolist()], float)
        sides.append((f"query_{number}", scores, np.isin(found.ids, ids), 1.0))
    score, places = reciprocal_ranks(sides, found.ids, ranking.options.rrf_k)
    fused = structs.replace(found, score=score, more=found.more | {"plain": found.score} | places)
    return fused.take(np.lexsort((found.ids, -score)))


def _best_sentences(
    snapshot: Snapshot, ids: NDArray[Any], query: Query, mode: SearchMode
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Cosine and coverage of the sentence of each passage that says most for it."""
    import numpy as np

    if mode == "sparse" or not len(ids):
        return np.zeros(len(ids), np.float32), np.zeros(len(ids), np.float32)
    stored = unpack_sentences(snapshot.sentences(ids), len(query.vector))
    cosines, covered = dot(stored.vectors, query.vector), coverage(query, stored)
    logits = sentence_logits(mode, cosines, covered)
    passage = np.repeat(np.arange(len(ids)), np.diff([*stored.starts, len(logits)]))
    # Sorted by passage and then by logit, the last sentence of each passage is its best.
    best = np.lexsort((logits, passage))[[*(stored.starts[1:] - 1), len(logits) - 1]]
    return cosines[best], covered[best]
