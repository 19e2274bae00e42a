"""Which documents a search may find, as conditions inside its queries: never on what was found."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from guru.knowledge.index.postgresql.schema import vectors_of

PASSAGES: Final = "SELECT chunk_id FROM {table} WHERE number = {number} AND document_id"


class DocumentFilter(Struct, frozen=True):
    """Documents by their ids: the filter of a search was evaluated on all of their fields before (`filters.py`), and
    what is hidden was read from the access lists, both in the same transaction."""

    number: int
    dimension: int
    hidden: frozenset[str]
    allowed: frozenset[str] | None

    def on_vectors(self, alias: str) -> str:
        """Conditions on a row of the vectors, which begin with `AND`."""
        return self._conditions(f"{alias}.document_id")

    def on_postings(self, alias: str) -> str:
        """Conditions on a row of the postings, which begin with `AND`."""
        passages = PASSAGES.format(table=vectors_of(self.dimension), number=self.number)
        conditions = ""
        if self.hidden:
            conditions += f" AND {alias}.chunk_id NOT IN ({passages} = ANY(CAST(:hidden AS varchar[])))"
        if self.allowed is not None:
            conditions += f" AND {alias}.chunk_id IN ({passages} = ANY(CAST(:allowed AS varchar[])))"
        return conditions

    @property
    def values(self) -> dict[str, Any]:
        """The parameters of the conditions."""
        found: dict[str, Any] = {"hidden": sorted(self.hidden)} if self.hidden else {}
        return found if self.allowed is None else found | {"allowed": sorted(self.allowed)}

    def _conditions(self, column: str) -> str:
        hidden = f" AND {column} NOT IN (SELECT unnest(CAST(:hidden AS varchar[])))" if self.hidden else ""
        allowed = "" if self.allowed is None else f" AND {column} = ANY(CAST(:allowed AS varchar[]))"
        return hidden + allowed
