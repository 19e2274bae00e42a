"""From the small chunks that were found to the larger ones that are read: `chunking = "hierarchical"`; and the pages.

Nothing but the extent of a passage changes: the sentences keep their places in the stored text, and so do citations.
A passage that goes on over the end of a page has sentences of both.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, func, select

from guru.knowledge.query import Query
from guru.knowledge.search import Sentence, sentences_of
from guru.knowledge.vectors import SENTENCES_OF
from guru.store.tables import chunks, document_texts, documents
from guru.types import JSON, Hit

Read = tuple[list[Hit], list[list[Sentence]]]


def read_parents(
    connection: Connection, hits: Sequence[Hit], sentences: Sequence[list[Sentence]], query: Query, k: int
) -> Read:
    """Put its parent in the place of every hit that has one; the first `k`, each once, with all its sentences, and with
    the pages that begin within it."""
    read: Read = ([], [])
    pages = _Pages(connection)
    seen: set[tuple[str, tuple[int, int]]] = set()
    for hit, found in zip(hits, sentences, strict=True):
        if len(read[0]) == k:
            break
        whole, within = (hit, found)
        if hit.parent is not None:
            place = (hit.document_id, hit.parent)
            if place in seen:
                continue
            seen.add(place)
            whole, within = _parent(connection, hit, hit.parent, query) or (hit, found)
        whole.pages = pages.within(whole)
        whole.rank = len(read[0]) + 1
        read[0].append(whole)
        read[1].append(within)
    return read


def _parent(
    connection: Connection, hit: Hit, parent: tuple[int, int], query: Query
) -> tuple[Hit, list[Sentence]] | None:
    """The parent, with its sentences; None when the document was replaced or removed since it was found."""
    start, end = parent
    mine = (chunks.c.document_id == hit.document_id, chunks.c.parent_start == start, chunks.c.parent_end == end)
    columns = (chunks.c.page, chunks.c.start, chunks.c.text, *SENTENCES_OF)
    rows = connection.execute(select(*columns).where(*mine).order_by(chunks.c.ordinal)).all()
    if not rows:
        return None
    sentences = {sentence.start: sentence for found in sentences_of(rows, query) for sentence in found}
    text = func.substr(document_texts.c.text, start + 1, end - start)
    whole = connection.scalar(select(text).where(document_texts.c.document_id == hit.document_id))
    found = msgspec.structs.replace(
        hit,
        page=rows[0].page,
        start=start,
        end=end,
        text=whole or "",
        # The parent may begin above the table that the chunk begins within.
        header=hit.header if hit.start == start else None,
        parent=None,
    )
    return found, [sentences[place] for place in sorted(sentences)]


class _Pages:
    """Where the pages of documents begin, each document looked up once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._spans: dict[str, list[JSON]] = {}

    def within(self, hit: Hit) -> list[tuple[int, int]]:
        if hit.page is None or hit.document_id is None:
            return []
        if hit.document_id not in self._spans:
            query = select(documents.c.page_spans).where(documents.c.id == hit.document_id)
            self._spans[hit.document_id] = self._connection.scalar(query) or []
        spans = self._spans[hit.document_id]
        return [
            (page["start"], page["number"]) for page in spans if page["start"] < hit.end and page["end"] > hit.start
        ]
