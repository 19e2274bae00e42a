"""The passages that the index has not got yet, read from their rows. A search scores them as any others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row

from guru.knowledge.index.stored import read_fine_rows
from guru.knowledge.terms import term_type

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Tail:
    """Some passages (`id`, `document_id`, `vector`, `vector_residual`, `terms`), in the order of their ids."""

    def __init__(self, rows: Sequence[Row[Any]]) -> None:
        import numpy as np

        kind = term_type()
        self.ids = np.array([row.id for row in rows], np.int64)
        self.owners = np.array([row.document_id for row in rows], np.str_)
        self.vectors = read_fine_rows(rows)
        entries = np.frombuffer(b"".join(row.terms for row in rows), kind)
        counts = [len(row.terms) // kind.itemsize for row in rows]
        self.terms = entries["term"]
        self.length = int(entries["body"].sum(dtype=np.int64))
        self._rows = np.repeat(np.arange(len(rows)), counts)

    def __len__(self) -> int:
        return len(self.ids)

    def frequency(self, term: int) -> int:
        """How many of the passages have a term."""
        import numpy as np

        return int((self.terms == np.uint64(term)).sum())

    def having(self, terms: Sequence[int]) -> NDArray[Any]:
        """A mask of the passages that have one of the terms."""
        import numpy as np

        mask = np.zeros(len(self), bool)
        mask[self._rows[np.isin(self.terms, np.array(terms, np.uint64))]] = True
        return mask

    def of(self, allowed: frozenset[str] | None) -> NDArray[Any]:
        """A mask of the passages of some documents."""
        import numpy as np

        if allowed is None:
            return np.ones(len(self), bool)
        return np.array([owner in allowed for owner in self.owners.tolist()], bool)
