"""Pinecone: a namespace of one index for each collection. The index is made beforehand, with the metric `dotproduct`.

https://docs.pinecone.io/reference/api/2025-10/data-plane
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from guru.config.knowledge import VectorStoreSettings
from guru.errors import ConfigurationError, StoreError
from guru.knowledge.index.external.base import Entry, document_filter

if TYPE_CHECKING:
    from numpy.typing import NDArray

AT_ONCE: Final = 100
"""Vectors in one call, as Pinecone advises."""
WAIT: Final = 0.25
"""Seconds between two looks at whether a search sees what was written."""


class PineconeStore:
    """What is written is seen after a while only, and so it is waited for."""

    def __init__(self, settings: VectorStoreSettings) -> None:
        from pinecone import Pinecone
        from pinecone.errors import NotFoundError

        self._seconds = settings.timeout_seconds
        self._absent = NotFoundError
        client = Pinecone(settings.api_key or "", timeout=settings.timeout_seconds)
        self._index: Any = client.index(host=settings.url or "")

    def ping(self) -> str:
        return f"Pinecone, {self._index.describe_index_stats().dimension} dimensions"

    def ensure(self, name: str, dimension: int) -> bool:
        """A namespace is there as soon as something is in it. Raises `ConfigurationError` for an index that does not
        fit: it was made by a person, and is left alone."""
        found = self._index.describe_index_stats().dimension
        if found != dimension:
            raise ConfigurationError(
                f"The Pinecone index has {found} dimensions, and the embedding model {dimension}.",
                hint=f"Make one with dimension {dimension} and metric dotproduct, and name its host in "
                "[knowledge.pinecone] url.",
            )
        return False

    def upsert(self, name: str, ids: Sequence[int], documents: Sequence[str], vectors: NDArray[Any]) -> None:
        rows = zip(ids, documents, vectors.tolist(), strict=True)
        items = [
            {"id": str(number), "values": vector, "metadata": {"document": document, "chunk": number}}
            for number, document, vector in rows
        ]
        for start in range(0, len(items), AT_ONCE):
            self._index.upsert(vectors=items[start : start + AT_ONCE], namespace=name)
        for start in range(0, len(items), AT_ONCE):
            self._await(name, ids[start : start + AT_ONCE], vectors[start])

    def _await(self, name: str, ids: Sequence[int], vector: NDArray[Any]) -> None:
        """Until a search for them finds all. Raises `StoreError` after the time-out."""
        patience = time.monotonic() + self._seconds
        chosen = {"chunk": {"$in": list(ids)}}
        while True:
            found = self._index.query(
                vector=vector.tolist(), top_k=len(ids), namespace=name, filter=chosen, include_values=False
            )
            if len(found.matches) == len(ids):
                return
            if time.monotonic() > patience:
                raise StoreError(f"Pinecone shows {len(found.matches)} of {len(ids)} vectors that were written.")
            time.sleep(WAIT)

    def delete(self, name: str, ids: Sequence[int]) -> None:
        try:
            self._index.delete(ids=[str(number) for number in ids], namespace=name)
        except self._absent:
            pass

    def search(
        self, name: str, vector: NDArray[Any], k: int, *, only: Sequence[str] | None = None, never: Sequence[str] = ()
    ) -> list[tuple[int, float]]:
        chosen = document_filter(only, never, "$in", "$nin")
        found = self._index.query(
            vector=vector.tolist(), top_k=k, namespace=name, filter=chosen, include_values=False, include_metadata=False
        )
        return [(int(match.id), float(match.score)) for match in found.matches]

    def count(self, name: str) -> int:
        namespaces = self._index.describe_index_stats().namespaces
        return int(namespaces[name].vector_count) if name in namespaces else 0

    def fetch(self, name: str, ids: Sequence[int]) -> dict[int, Entry]:
        import numpy as np

        found: dict[int, Entry] = {}
        for start in range(0, len(ids), AT_ONCE):
            chosen = [str(number) for number in ids[start : start + AT_ONCE]]
            for number, item in self._index.fetch(ids=chosen, namespace=name).vectors.items():
                found[int(number)] = Entry(item.metadata["document"], np.array(item.values, np.float32))
        return found

    def drop(self, name: str) -> None:
        try:
            self._index.delete(delete_all=True, namespace=name)
        except self._absent:
            pass

    def close(self) -> None:
        self._index.close()
