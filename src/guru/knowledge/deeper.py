"""Passages that a search ranks further down, but whose tables have the row that is asked for.

A row of figures is near to few questions, so that prose with their words comes first. Besides the best passages, an
answer may be made of some whose rows fit the question by label and column.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import structs
from sqlalchemy import Connection, func, select

from guru.knowledge.answer.features import fitting_rows, passages_of
from guru.knowledge.query import Query
from guru.knowledge.ranking import Found
from guru.knowledge.search import Retrieval, read_hits
from guru.store.tables import chunks, document_texts
from guru.types import Hit

DEPTH: Final = 60
"""Passages that are looked at, the best ones included."""
MORE: Final = 6
"""Passages that are added."""
ABOVE: Final = 2500
"""Characters before a passage that may tell what its tables are of."""


def with_fitting_rows(connection: Connection, retrieval: Retrieval, found: Found, query: Query) -> Retrieval:
    """The retrieval, with what stands above its tables, and with those of the others `found` whose rows fit best."""
    known = {hit.chunk_id for hit in retrieval.hits}
    others = found.take([place for place, chunk in enumerate(found.ids.tolist()) if chunk not in known])
    hits, sentences = read_hits(connection, with_rows(connection, others), query)
    count = len(retrieval.hits)
    hits, sentences = [*retrieval.hits, *hits], [*retrieval.sentences, *sentences]
    every = structs.replace(retrieval, hits=hits, sentences=sentences, above=read_above(connection, hits))
    fits = fitting_rows(retrieval.query, passages_of(every))
    added = sorted((place for place in range(count, len(hits)) if fits[place] > 0), key=lambda place: -fits[place])
    chosen = [*range(count), *added[:MORE]]
    return structs.replace(
        every,
        hits=[structs.replace(hits[place], rank=rank) for rank, place in enumerate(chosen, 1)],
        sentences=[sentences[place] for place in chosen],
    )


def with_rows(connection: Connection, found: Found) -> Found:
    """Those of the passages that have a bar, as rows of tables do."""
    barred = select(chunks.c.id).where(chunks.c.id.in_(found.ids.tolist()), chunks.c.text.contains("|"))
    ids = set(connection.scalars(barred))
    return found.take([place for place, chunk in enumerate(found.ids.tolist()) if chunk in ids])


def read_above(connection: Connection, hits: Sequence[Hit]) -> dict[int, str]:
    """What stands before the passages that have rows, by the ids of their chunks."""
    found = {}
    for hit in hits:
        if hit.start and "|" in hit.text:
            start = max(0, hit.start - ABOVE)
            text = func.substr(document_texts.c.text, start + 1, hit.start - start)
            read = select(text).where(document_texts.c.document_id == hit.document_id)
            found[hit.chunk_id] = connection.scalar(read) or ""
    return found
