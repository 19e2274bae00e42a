"""The sparse side: BM25 in SQL over the postings, the same score as `sparse.py` makes in memory.

A word that very many passages have is not scored where it cannot matter (MaxScore: Turtle and Flood 1995). What it can
add to a score has a bound; where the `k` best by the rarer words are above that bound, no passage without one of these
is among the best, and the frequent words are looked up only for those that they may still bring there. The result is
that of scoring everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Row, text

from guru.knowledge.index.postgresql.filter import HIDDEN, DocumentFilter
from guru.knowledge.index.postgresql.schema import vectors_of
from guru.knowledge.sparse import K1, B, Statistics, Word
from guru.store.postgresql import BINARY

if TYPE_CHECKING:
    from numpy.typing import NDArray

FREQUENT: Final = 5000
"""A word that more passages have is looked up by passage, where that is enough."""
SCORE: Final = "w.weight * p.frequency / (p.frequency + CAST(:base AS float8) + CAST(:slope AS float8) * p.length)"
"""Constants are parameters: written out, they would be `numeric`, and ten times as slow."""
WORDS: Final = "unnest(CAST(:{0} AS bigint[]), CAST(:{0}_weights AS float8[])) AS w (term, weight)"
FREQUENCIES: Final = """
SELECT p.term, count(*) AS passages FROM index_postings p
WHERE p.number = {number} AND p.term = ANY(CAST(:terms AS bigint[])){conditions} GROUP BY p.term
"""
HIDDEN_PASSAGES: Final = """
SELECT count(*) AS passages, coalesce(sum(length), 0) AS length FROM {table}
WHERE number = {number} AND document_id IN ({hidden})
"""
SCORES: Final = """
SELECT p.chunk_id, sum({score}) AS score
FROM {words} JOIN index_postings p ON p.number = {number} AND p.term = w.term{conditions}
GROUP BY p.chunk_id
"""
# Sorted inside: the condition, which looks at documents, is asked of the best ones until there are enough.
PASSING: Final = (
    "SELECT s.chunk_id, s.score FROM ({scored} ORDER BY score DESC) AS s WHERE {each} ORDER BY s.score DESC"
)
BEST: Final = "{best} LIMIT :k"
PRUNED: Final = """
WITH rare AS MATERIALIZED ({scores}),
least AS ({best_rare} OFFSET :k - 1 LIMIT 1),
hopeful AS (
    SELECT rare.chunk_id, rare.score FROM rare, least WHERE least.score > :bound AND rare.score + :bound >= least.score
),
hoped AS (
    SELECT h.chunk_id, h.score + coalesce(f.score, 0) AS score
    FROM hopeful h LEFT JOIN LATERAL (
        SELECT sum({score}) AS score FROM {frequent}
        JOIN index_postings p ON p.number = {number} AND p.term = w.term AND p.chunk_id = h.chunk_id
    ) AS f ON true
)
{best_hoped} LIMIT :k
"""


statement: Final = lru_cache(maxsize=256)(text)
"""Made once: what differs between searches are parameters."""


def signed(terms: Sequence[int]) -> list[int]:
    """Hashes of 64 bits as PostgreSQL's whole numbers."""
    return [term - (1 << 64) if term >= 1 << 63 else term for term in terms]


def count_frequencies(connection: Connection, documents: DocumentFilter, terms: Sequence[int]) -> dict[int, int]:
    """How many passages have each term, of all but the hidden documents. A term that none has is missing."""
    query = FREQUENCIES.format(number=documents.number, conditions=documents.on_visible("p"))
    known = dict(zip(signed(terms), terms, strict=True))
    found = connection.execute(statement(query), documents.values | {"terms": list(known)})
    return {known[row.term]: row.passages for row in found}


def measure_hidden(connection: Connection, documents: DocumentFilter) -> tuple[int, int]:
    """How many passages the hidden documents have, and how long they are together."""
    if documents.names is None:
        return 0, 0
    query = HIDDEN_PASSAGES.format(table=vectors_of(documents.dimension), number=documents.number, hidden=HIDDEN)
    row = connection.execute(text(query), documents.values).one()
    return row.passages, row.length


def best(
    connection: Connection,
    documents: DocumentFilter,
    words: Sequence[Word],
    k: int,
    *,
    statistics: Statistics,
    frequencies: Mapping[int, int],
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The ids and the scores of the `k` passages with the greatest BM25. `frequencies` are those of the terms, where
    they are known; they say only which way is quicker."""
    import numpy as np

    weights: dict[int, float] = {}
    for word in words:
        for term, weight in zip(word.terms, word.idfs, strict=True):
            weights[term] = weights.get(term, 0.0) + weight * (K1 + 1)
    values = documents.values | {"k": k, **constants(statistics)}
    frequent = [term for term in weights if frequencies.get(term, 0) > FREQUENT]
    rare = [term for term in weights if term not in frequent]
    found: Sequence[Row[Any]] = []
    if frequent and sum(frequencies.get(term, 0) for term in rare) >= k:
        bound = sum(weights[term] for term in frequent)
        asked = _words("rare", rare, weights) | _words("frequent", frequent, weights)
        asked |= values | {"bound": bound}
        found = connection.execute(
            statement(_sql(PRUNED, documents, "rare")), asked, execution_options={BINARY: True}
        ).all()
    if not found and weights:
        asked = _words("terms", list(weights), weights)
        found = connection.execute(
            statement(_sql(BEST, documents, "terms")), values | asked, execution_options={BINARY: True}
        ).all()
    return np.array([row.chunk_id for row in found], np.int64), np.array([row.score for row in found], np.float64)


def constants(statistics: Statistics) -> dict[str, float]:
    """What BM25 adds to a frequency, for a passage of no length and for every term more."""
    return {"base": K1 * (1 - B), "slope": K1 * B / max(statistics.mean_length, 1e-9)}


def _words(name: str, terms: Sequence[int], weights: Mapping[int, float]) -> dict[str, Any]:
    return {name: signed(terms), f"{name}_weights": [weights[term] for term in terms]}


def _sql(query: str, documents: DocumentFilter, words: str) -> str:
    parts = {
        "score": SCORE, "words": WORDS.format(words), "frequent": WORDS.format("frequent"),
        "number": documents.number, "conditions": documents.on_allowed("p"),
    }  # fmt: skip
    scores, each = SCORES.format(**parts), documents.on_each("s")
    best, best_rare, best_hoped = (
        PASSING.format(scored=scored, each=each)
        for scored in (scores, "SELECT chunk_id, score FROM rare", "SELECT chunk_id, score FROM hoped")
    )
    return query.format(**parts, scores=scores, best=best, best_rare=best_rare, best_hoped=best_hoped)
