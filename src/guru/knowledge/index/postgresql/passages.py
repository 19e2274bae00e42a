"""The rows of the passages that a search measures, each read once, with all that it is measured by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Row, select

from guru.knowledge.vectors import CURRENT, INSIDE
from guru.store.bulk import select_by_ids
from guru.store.tables import chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

AT_ONCE: Final = 2000
"""Passages in one statement."""


def _queries(columns: Any) -> tuple[Any, Any]:
    """What is read of a passage, without and with its sentences."""
    vector, residual, sentence_vectors = columns
    measured = (chunks.c.id, vector, residual, chunks.c.terms)
    return select(*measured), select(*measured, chunks.c.sentences, chunks.c.sentence_terms, sentence_vectors)


QUERIES: Final = {True: _queries(CURRENT), False: _queries(INSIDE)}
"""By whether there are vectors beside the rows: to look for them in vain takes longer than all else."""


class Passages:
    """Passages of one collection, which the caller knows to be there for whoever searches."""

    def __init__(self, connection: Connection, *, beside: bool) -> None:
        self._connection = connection
        self._queries = QUERIES[beside]
        self._read: tuple[dict[int, Row[Any]], dict[int, Row[Any]]] = ({}, {})

    def rows(self, ids: NDArray[Any], *, sentences: bool = False) -> list[Row[Any]]:
        """The rows (`id`, `vector`, `vector_residual`, `terms`) of some passages, in their order, and what is stored of
        their sentences if it is wanted."""
        plain, whole = self._read
        listed = ids.tolist()
        lacking = [number for number in listed if number not in whole and (sentences or number not in plain)]
        for start in range(0, len(lacking), AT_ONCE):
            some = lacking[start : start + AT_ONCE]
            found = select_by_ids(self._connection, self._queries[sentences], chunks.c.id, some)
            self._read[sentences].update((row.id, row) for row in found)
        return [whole.get(number) or plain[number] for number in listed]
