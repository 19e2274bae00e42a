"""The passages that the index has not got yet, read from their rows. A search scores them as any others."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row

from guru.knowledge.index.stored import read_fine_rows
from guru.knowledge.sparse import Postings, read_postings

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Tail:
    """Some passages (`id`, `document_id`, `vector`, `vector_residual`, `terms`), in the order of their ids."""

    def __init__(self, rows: Sequence[Row[Any]]) -> None:
        import numpy as np

        self.ids = np.array([row.id for row in rows], np.int64)
        self.owners = np.array([row.document_id for row in rows], np.str_)
        self.vectors = read_fine_rows(rows)
        self._terms = [row.terms for row in rows]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def postings(self) -> Postings:
        return read_postings(self._terms)

    @property
    def length(self) -> int:
        """Of all of them together, in terms."""
        return int(self.postings.lengths.sum(dtype="f8")) if len(self) else 0

    def frequency(self, term: int) -> int:
        """How many of the passages have a term."""
        return 0 if not len(self) else len(self.postings.find(term)[0])

    def having(self, terms: Sequence[int]) -> NDArray[Any]:
        """A mask of the passages that have one of the terms."""
        import numpy as np

        mask = np.zeros(len(self), bool)
        for term in terms:
            mask[self.postings.find(term)[0]] = True
        return mask

    def of(self, allowed: frozenset[str] | None) -> NDArray[Any]:
        """A mask of the passages of some documents."""
        import numpy as np

        if allowed is None:
            return np.ones(len(self), bool)
        return np.array([owner in allowed for owner in self.owners.tolist()], bool)
