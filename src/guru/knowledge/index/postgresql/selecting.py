"""What a filter leaves of a collection, asked in SQL before its first search: few documents by name, or how many."""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt
from typing import Any, Final

from sqlalchemy import Connection, text

from guru.knowledge.documents import read_fields
from guru.knowledge.index.postgresql.conditions import Condition
from guru.knowledge.index.postgresql.filter import PASSES, DocumentFilter, Selection

MOST_NAMED: Final = 10_000
"""Documents that are named in a search."""
ODD: Final = text("""
SELECT document_id FROM index_documents WHERE number = :number AND (facts IS NULL OR facts = 'null')
""")
LEFT: Final = """
SELECT coalesce(sum(d.passages), 0) AS passages, (array_agg(d.document_id))[1\\:{most}] AS ids
FROM index_documents d WHERE d.number = {number} AND {passes}{seen}
"""


def named_below(passages: int, graph_from: int) -> int:
    """Of a collection of so many passages, how few may be left for their documents to be named.

    It grows as the root of the collection: to name them costs the more, the more are left, and to look at each that is
    found costs the more, the smaller the share is that passes.
    """
    return max(graph_from, isqrt(graph_from * passages // 8))


def select_documents(
    connection: Connection,
    documents: DocumentFilter,
    condition: Condition,
    accepts: Callable[[Any], bool],
    *,
    named: int,
) -> Selection:
    """What a condition leaves of the documents that somebody sees. `accepts` says it of those without facts.

    Documents with fewer than `named` passages together are named. Of more, a search looks at each that it comes to.
    """
    odd = connection.scalars(ODD, {"number": documents.number}).all()
    passing = tuple(row.id for row, fields in read_fields(connection, odd) if accepts(fields)) if odd else ()
    passes = PASSES.format(sql=condition.sql)
    query = LEFT.format(number=documents.number, passes=passes, seen=documents.on_documents(), most=MOST_NAMED + 1)
    values = documents.values | condition.values | {"odd": list(passing)}
    left = connection.execute(text(query), values).one()
    ids = left.ids or []
    few = left.passages < named and len(ids) <= MOST_NAMED
    return Selection(left.passages, frozenset(ids) if few else None, condition, passing)
