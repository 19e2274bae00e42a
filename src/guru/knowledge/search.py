"""Search: candidates from the dense and the sparse side, every one of them scored by every stage, best first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from sqlalchemy import Connection, select

from guru.knowledge.fusion import fuse
from guru.knowledge.index import Snapshot
from guru.knowledge.rows import dot, unpack_spans, vector_type
from guru.knowledge.sparse import score_bm25
from guru.knowledge.terms import hash_term, query_terms
from guru.store.tables import chunks, documents
from guru.types import Hit, SearchMode

if TYPE_CHECKING:
    from numpy.typing import NDArray

CANDIDATES: Final = 100
"""Taken from each side."""


class Sentence(Struct, kw_only=True):
    """A sentence of a passage: `[start, end)` in the document's text, and its cosine with the query."""

    start: int
    end: int
    text: str
    score: float


class Retrieval(Struct, kw_only=True):
    """What a search found, with all that choosing evidence needs."""

    query: str
    vector: Any
    """Of the query, float32, unit length."""
    hits: list[Hit]
    sentences: list[list[Sentence]]
    """Of every hit, in the order of the text."""


class Found(Struct, frozen=True):
    """Candidates, best first, with the scores of the stages beside them."""

    ids: NDArray[Any]
    score: NDArray[Any]
    dense: NDArray[Any]
    sentence: NDArray[Any]
    sparse: NDArray[Any]
    bm25: NDArray[Any]


def rank(
    connection: Connection,
    snapshot: Snapshot,
    query: str,
    vector: NDArray[Any],
    *,
    mode: SearchMode,
    k: int,
    allowed: frozenset[str] | None = None,
) -> Found:
    """The best `k` passages, among those of the documents `allowed` if it is given. Exact: nothing is approximated
    but the vectors' rounding, and a passage misses only if neither side has it among its first `CANDIDATES`."""
    import numpy as np

    if not snapshot.parts:
        return Found(*(np.zeros(0) for _ in range(6)))
    words = [[hash_term(term) for term in word] for word in query_terms(query, snapshot.languages)]
    postings = [(segment.postings, live) for segment, live in snapshot.parts]
    bm25_parts, total = score_bm25(postings, snapshot.statistics, words)
    bm25 = np.concatenate(bm25_parts)
    dense = np.concatenate([dot(segment.vectors, vector) for segment, _ in snapshot.parts])
    eligible = np.concatenate([live & _owned(segment.owners, allowed) for segment, live in snapshot.parts])
    depth = max(CANDIDATES, k)
    rows = np.union1d(
        _top(dense, eligible, depth) if mode != "sparse" else [],
        _top(bm25, eligible & (bm25 > 0), depth) if mode != "dense" else [],
    ).astype(np.int64)
    ids = np.concatenate([segment.ids for segment, _ in snapshot.parts])[rows]
    dense, bm25 = dense[rows], bm25[rows]
    sentence = best_sentences(connection, ids, vector) if mode != "sparse" else np.zeros(len(ids), np.float32)
    sparse = bm25 / total if total else bm25
    score = fuse(mode, dense, sentence, sparse)
    order = np.lexsort((ids, -score))[:k]
    return Found(*(array[order] for array in (ids, score, dense, sentence, sparse, bm25)))


def best_sentences(connection: Connection, ids: NDArray[Any], vector: NDArray[Any]) -> NDArray[Any]:
    """The highest cosine with the query among the sentences of each passage."""
    import numpy as np

    query = select(chunks.c.id, chunks.c.sentence_vectors).where(chunks.c.id.in_(ids.tolist())).order_by(chunks.c.id)
    blobs = [blob for _, blob in connection.execute(query)]
    kind = vector_type(len(vector))
    scores = dot(np.frombuffer(b"".join(blobs), kind), vector)
    starts = np.cumsum([0, *(len(blob) // kind.itemsize for blob in blobs[:-1])])
    return np.maximum.reduceat(scores, starts) if blobs else np.zeros(0, np.float32)


def read_hits(connection: Connection, found: Found, vector: NDArray[Any]) -> tuple[list[Hit], list[list[Sentence]]]:
    """The found passages with their texts, documents and sentences."""
    columns = [chunks.c[name] for name in ("id", "page", "start", "end", "heading_path", "text", "sentences")]
    about = [documents.c[name] for name in ("name", "title", "author", "language", "media_type", "created", "modified")]
    query = (
        select(*columns, chunks.c.sentence_vectors, chunks.c.document_id, *about, documents.c.metadata)
        .join_from(chunks, documents, documents.c.id == chunks.c.document_id)
        .where(chunks.c.id.in_(found.ids.tolist()))
    )
    rows = {row.id: row for row in connection.execute(query)}
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
        sentences.append(_sentences(row, vector))
    return hits, sentences


def _stages(found: Found, place: int) -> dict[str, float]:
    names = ("dense", "sentence", "sparse", "bm25")
    return {name: round(float(getattr(found, name)[place]), 6) for name in names}


def _sentences(row: Any, vector: NDArray[Any]) -> list[Sentence]:
    import numpy as np

    spans = unpack_spans(row.sentences)
    scores = dot(np.frombuffer(row.sentence_vectors, vector_type(len(vector))), vector)
    return [
        Sentence(start=start, end=end, text=row.text[start - row.start : end - row.start], score=float(score))
        for (start, end), score in zip(spans, scores, strict=True)
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
