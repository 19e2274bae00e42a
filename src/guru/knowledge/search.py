"""Search: candidates from the dense and the sparse side, every one of them scored by every stage, best first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from sqlalchemy import Connection, select

from guru.knowledge.fusion import fuse, sentence_logits
from guru.knowledge.index import Snapshot
from guru.knowledge.query import Query, coverage, read_query
from guru.knowledge.rows import SENTENCE_COLUMNS, dot, unpack_sentences
from guru.knowledge.sparse import score_bm25
from guru.store.scope import Scope
from guru.store.tables import chunks, documents
from guru.types import Hit, SearchMode

if TYPE_CHECKING:
    from numpy.typing import NDArray

CANDIDATES: Final = 100
"""Taken from each side."""


class Sentence(Struct, kw_only=True):
    """A sentence of a passage: `[start, end)` in the document's text."""

    start: int
    end: int
    text: str
    score: float
    """Cosine with the query."""
    coverage: float
    """Share of the query's words, by idf, that it has; over 1 when it has them side by side."""


class Retrieval(Struct, kw_only=True):
    """What a search found, with all that choosing evidence needs."""

    scope: Scope = Scope("")
    """Who sees them; their text is read again only within it."""
    query: str
    vector: Any
    """Of the query, float32, unit length."""
    hits: list[Hit]
    sentences: list[list[Sentence]]
    """Of every hit, in the order of the text."""


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


def rank(
    connection: Connection,
    snapshot: Snapshot,
    text: str,
    vector: NDArray[Any],
    *,
    mode: SearchMode,
    k: int,
    allowed: frozenset[str] | None = None,
) -> tuple[Found, Query]:
    """The best `k` passages, among those of the documents `allowed` if it is given, and the query as it was read.

    Exact: every passage is scored by both sides, filters are applied before the best are taken, and all candidates
    are scored by all stages of the mode.
    """
    import numpy as np

    query = read_query(text, vector, snapshot)
    if not snapshot.parts:
        return Found(*(np.zeros(0) for _ in Found.__struct_fields__)), query
    bm25 = np.concatenate(score_bm25(snapshot.postings, snapshot.statistics, query.words))
    dense = np.concatenate([dot(segment.vectors, vector) for segment, _ in snapshot.parts])
    eligible = np.concatenate([live & _owned(segment.owners, allowed) for segment, live in snapshot.parts])
    depth = max(CANDIDATES, k)
    sides = [_top(dense, eligible, depth)] if mode != "sparse" else []
    sides += [_top(bm25, eligible & (bm25 > 0), depth)] if mode != "dense" else []
    rows = np.unique(np.concatenate(sides))
    ids = np.concatenate([segment.ids for segment, _ in snapshot.parts])[rows]
    dense, bm25 = dense[rows], bm25[rows]
    sparse = bm25 / query.idf
    sentence, covered = _best_sentences(connection, ids, query, mode)
    score = fuse(mode, dense, sentence, covered, sparse)
    order = np.lexsort((ids, -score))[:k]
    return Found(*(array[order] for array in (ids, score, dense, sentence, covered, sparse, bm25))), query


def _best_sentences(
    connection: Connection, ids: NDArray[Any], query: Query, mode: SearchMode
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Cosine and coverage of the sentence of each passage that says most for it."""
    import numpy as np

    if mode == "sparse" or not len(ids):
        return np.zeros(len(ids), np.float32), np.zeros(len(ids), np.float32)
    columns = [chunks.c[name] for name in SENTENCE_COLUMNS]
    rows = connection.execute(select(*columns).where(chunks.c.id.in_(ids.tolist())).order_by(chunks.c.id)).all()
    stored = unpack_sentences(rows, len(query.vector))
    cosines, covered = dot(stored.vectors, query.vector), coverage(query, stored)
    logits = sentence_logits(mode, cosines, covered)
    passage = np.repeat(np.arange(len(ids)), np.diff([*stored.starts, len(logits)]))
    # Sorted by passage and then by logit, the last sentence of each passage is its best.
    best = np.lexsort((logits, passage))[[*(stored.starts[1:] - 1), len(logits) - 1]]
    return cosines[best], covered[best]


def read_hits(connection: Connection, found: Found, query: Query) -> tuple[list[Hit], list[list[Sentence]]]:
    """The found passages with their texts, documents and sentences."""
    columns = [chunks.c[name] for name in ("id", "document_id", "page", "start", "end", "heading_path", "text")]
    columns += [chunks.c[name] for name in SENTENCE_COLUMNS]
    about = [documents.c[name] for name in ("name", "title", "author", "language", "media_type", "created", "modified")]
    select_hits = (
        select(*columns, *about, documents.c.metadata)
        .join_from(chunks, documents, documents.c.id == chunks.c.document_id)
        .where(chunks.c.id.in_(found.ids.tolist()))
    )
    rows = {row.id: row for row in connection.execute(select_hits)}
    hits, sentences = [], []
    for place, chunk_id in enumerate(found.ids.tolist()):
        row = rows[chunk_id]
        known = {name: getattr(row, name) for name in ("author", "language", "media_type", "created", "modified")}
        hits.append(
            Hit(
                rank=place + 1,
                score=float(found.score[place]),
                document=row.name,
                document_id=row.document_id,
                chunk_id=chunk_id,
                page=row.page,
                start=row.start,
                end=row.end,
                text=row.text,
                heading_path=row.heading_path,
                title=row.title,
                metadata={
                    **{name: value for name, value in known.items() if value is not None},
                    **row._mapping["metadata"],
                },
                stages=_stages(found, place),
            )
        )
        sentences.append(_sentences(row, query))
    return hits, sentences


def _stages(found: Found, place: int) -> dict[str, float]:
    names = Found.__struct_fields__[2:]
    return {name: round(float(getattr(found, name)[place]), 6) for name in names}


def _sentences(row: Any, query: Query) -> list[Sentence]:
    stored = unpack_sentences([row], len(query.vector))
    scores = zip(stored.spans.tolist(), dot(stored.vectors, query.vector), coverage(query, stored), strict=True)
    return [
        Sentence(
            start=start,
            end=end,
            text=row.text[start - row.start : end - row.start],
            score=float(cosine),
            coverage=float(covered),
        )
        for (start, end), cosine, covered in scores
    ]


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
