"""Which documents a search may find, as conditions inside its queries: never on what was found and left at that.

What is hidden is read from the access lists in the query itself. A filter is either the ids of the few documents that
it leaves, or its own SQL on the facts of each document. Both kinds of condition come in two forms. *Whole*: PostgreSQL
makes a set of all documents that pass, once, for a query that looks at most of a collection. *Each*: it looks at the
document of each passage that it comes to, for a query that takes passages in order, best first, until it has enough.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct, structs

from guru.knowledge.index.postgresql.conditions import Condition
from guru.knowledge.index.postgresql.schema import vectors_of

HIDDEN: Final = """
    SELECT a.document_id FROM document_access a WHERE a.collection_id = :collection
    GROUP BY a.document_id HAVING NOT bool_or(a.name = ANY(CAST(:names AS varchar[])))
"""
SEEN: Final = """(
    SELECT bool_or(a.name = ANY(CAST(:names AS varchar[]))) FROM document_access a WHERE a.document_id = {document}
) IS NOT FALSE"""
PASSAGES: Final = "SELECT v.chunk_id FROM {table} v WHERE v.number = {number}"
PASSES: Final = "(jsonb_typeof(d.facts) = 'object' AND {sql} OR d.document_id = ANY(CAST(:odd AS varchar[])))"
"""Of an odd document it was evaluated in Python."""
WHOLE: Final = """ AND {document} IN (
    SELECT d.document_id FROM index_documents d WHERE d.number = {number} AND {passes}
)"""
EACH: Final = """ AND (
    SELECT {passes} FROM index_documents d WHERE d.number = {number} AND d.document_id = {document}
)"""


class Selection(Struct, frozen=True):
    """What a filter leaves of a collection: the ids of few documents, or of many what they have in common."""

    passages: int
    """About so many it leaves."""
    ids: frozenset[str] | None
    condition: Condition
    odd: tuple[str, ...] = ()
    """Documents that pass and have no facts."""


class DocumentFilter(Struct, frozen=True):
    """The documents of one collection that somebody sees and a filter leaves."""

    number: int
    dimension: int
    collection: str
    beside: bool
    """Whether some of its vectors stand beside the rows of their passages."""
    names: tuple[str, ...] | None
    """Those under which somebody may see what is restricted. None: nothing is hidden."""
    allowed: frozenset[str] | None = None
    """Ids; None where they are not known."""
    selection: Selection | None = None
    """Of a filter that leaves more than a few."""
    passages: int | None = None
    """About how many are left, where that is known."""

    @property
    def narrows(self) -> bool:
        """Whether it leaves something out."""
        return self.names is not None or self.allowed is not None or self.selection is not None

    def on_vectors(self, alias: str, *, each: bool = False) -> str:
        """Conditions on a row of the vectors, which begin with `AND`."""
        document = f"{alias}.document_id"
        found = self._seen(document, each)
        if self.allowed is not None:
            found += f" AND {document} = ANY(CAST(:allowed AS varchar[]))"
        if self.selection is not None and each:
            # A subquery that gives one value, here and in `on_each`: it is not turned into a join, which has no order.
            found += EACH.format(number=self.number, document=document, passes=self._passes())
        elif self.selection is not None:
            found += WHOLE.format(number=self.number, document=document, passes=self._passes())
        return found

    def on_visible(self, alias: str) -> str:
        """Conditions on a row of the postings that begin with `AND` and leave out what is hidden, and nothing else."""
        if self.names is None:
            return ""
        return f" AND {alias}.chunk_id NOT IN ({self._passages()} AND v.document_id IN ({HIDDEN}))"

    def on_allowed(self, alias: str) -> str:
        """Conditions on a row of the postings that begin with `AND`, where the filter is ids."""
        if self.allowed is None:
            return ""
        return f" AND {alias}.chunk_id IN ({self._passages()} AND v.document_id = ANY(CAST(:allowed AS varchar[])))"

    def on_each(self, alias: str) -> str:
        """The condition on a passage (`chunk_id`) that all but `on_allowed` has let through."""
        conditions = structs.replace(self, allowed=None)
        if not conditions.narrows:
            return "true"
        passes = conditions.on_vectors("v", each=True)
        return f"({self._passages()} AND v.chunk_id = {alias}.chunk_id{passes}) IS NOT NULL"

    def on_documents(self) -> str:
        """The condition on a row `d` of `index_documents` that somebody sees."""
        return self._seen("d.document_id", False)

    @property
    def values(self) -> dict[str, Any]:
        """The parameters of the conditions."""
        found: dict[str, Any] = {}
        if self.names is not None:
            found |= {"collection": self.collection, "names": list(self.names)}
        if self.allowed is not None:
            found["allowed"] = sorted(self.allowed)
        if self.selection is not None:
            found |= {"odd": list(self.selection.odd)} | self.selection.condition.values
        return found

    def _seen(self, document: str, each: bool) -> str:
        if self.names is None:
            return ""
        return f" AND {SEEN.format(document=document)}" if each else f" AND {document} NOT IN ({HIDDEN})"

    def _passes(self) -> str:
        return PASSES.format(sql=self.selection.condition.sql if self.selection else "true")

    def _passages(self) -> str:
        return PASSAGES.format(table=vectors_of(self.dimension), number=self.number)
