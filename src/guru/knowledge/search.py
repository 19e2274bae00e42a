"""What a search found, read from the rows: passages with their documents, their sentences, the scores of the stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Select, bindparam, case, func, select

from guru.knowledge.query import Query, coverage
from guru.knowledge.ranking import STAGES, Found
from guru.knowledge.rows import dot, unpack_sentences
from guru.knowledge.vectors import SENTENCES_OF
from guru.store.postgresql import BINARY
from guru.store.scope import Scope
from guru.store.tables import chunks, document_texts, documents
from guru.types import Hit

PLACES: Final = ("parent_start", "parent_end")
_header_text: Final = func.substr(
    document_texts.c.text, chunks.c.header_start + 1, chunks.c.header_end - chunks.c.header_start
)
HEADER: Final = case(
    (
        chunks.c.header_start.is_not(None),
        select(_header_text).where(document_texts.c.document_id == chunks.c.document_id).scalar_subquery(),
    )
).label("header")
"""The row that names the columns, of a chunk within a table; for others no text is read."""
OWN: Final = ("id", "document_id", "page", "start", "end", "heading_path", "text", *PLACES)
OF_DOCUMENT: Final = ("name", "title", "author", "language", "media_type", "created", "modified", "metadata")


def _select_hits(*more: ColumnElement[Any]) -> Select[Any]:
    columns = [*(chunks.c[name] for name in OWN), HEADER, *more, *(documents.c[name] for name in OF_DOCUMENT)]
    query = select(*columns).join_from(chunks, documents, documents.c.id == chunks.c.document_id)
    return query.where(chunks.c.id.in_(bindparam("ids", expanding=True)))


_HITS: Final = _select_hits()
_HITS_TO_READ: Final = _select_hits(*SENTENCES_OF)


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
    """Of every hit, in the order of the text; none where the hits are not to be read."""
    above: dict[int, str] = {}
    """What stands before passages that have rows of tables, by the ids of their chunks."""
    queries: list[str] = []
    """What was searched for besides the query."""
    notes: list[str] = []
    """What a model should have done and has not, in words."""


def read_hits(
    connection: Connection, found: Found, query: Query, *, to_read: bool = True
) -> tuple[list[Hit], list[list[Sentence]]]:
    """The found passages with their texts and documents, and with their sentences if they are to be read."""
    ids = found.ids.tolist()
    read = connection.execute(_HITS_TO_READ if to_read else _HITS, {"ids": ids}, execution_options={BINARY: True})
    by_id = {row.id: row for row in read}
    rows = [by_id[chunk_id] for chunk_id in ids]
    hits = []
    for place, row in enumerate(rows):
        known = {name: getattr(row, name) for name in ("author", "language", "media_type", "created", "modified")}
        hits.append(
            Hit(
                rank=place + 1,
                score=float(found.score[place]),
                document=row.name,
                document_id=row.document_id,
                chunk_id=row.id,
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
                header=row.header,
                parent=None if row.parent_start is None else (row.parent_start, row.parent_end),
            )
        )
    return hits, sentences_of(rows, query) if to_read else [[] for _ in hits]


def _stages(found: Found, place: int) -> dict[str, float]:
    scores = {name: getattr(found, name) for name in STAGES} | found.more
    return {name: round(float(array[place]), 6) for name, array in scores.items()}


def sentences_of(rows: Sequence[Any], query: Query) -> list[list[Sentence]]:
    """The sentences of the rows of some chunks, measured against the query."""
    if not rows:
        return []
    stored = unpack_sentences(rows, len(query.vector))
    spans, covered = stored.spans.tolist(), coverage(query, stored).tolist()
    cosines, ends = dot(stored.vectors, query.vector).tolist(), [*stored.starts[1:].tolist(), len(spans)]
    return [
        [
            Sentence(
                start=start,
                end=end,
                text=row.text[start - row.start : end - row.start],
                score=cosines[place],
                coverage=covered[place],
            )
            for place, (start, end) in enumerate(spans[first:last], first)
        ]
        for row, first, last in zip(rows, stored.starts.tolist(), ends, strict=True)
    ]
