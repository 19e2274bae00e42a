"""Qdrant, over REST, or in this process in a folder (the local mode of its client).

https://api.qdrant.tech/api-reference
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from guru.config.knowledge import VectorStoreSettings
from guru.knowledge.index.external.base import Entry

if TYPE_CHECKING:
    from numpy.typing import NDArray


class QdrantStore:
    """A collection for each of ours, with an index on the documents."""

    def __init__(self, settings: VectorStoreSettings) -> None:
        from qdrant_client import QdrantClient, models

        self._models = models
        self._local = settings.path is not None
        seconds = max(1, round(settings.timeout_seconds))
        if settings.path is not None:
            self._client = QdrantClient(path=settings.path, force_disable_check_same_thread=True)
        else:
            self._client = QdrantClient(
                settings.url, api_key=settings.api_key, timeout=seconds, check_compatibility=False
            )

    def ping(self) -> str:
        self._client.get_collections()
        return "Qdrant in this process" if self._local else f"Qdrant {self._client.info().version}"

    def ensure(self, name: str, dimension: int) -> bool:
        if self._client.collection_exists(name):
            vectors = self._client.get_collection(name).config.params.vectors
            if isinstance(vectors, self._models.VectorParams) and vectors.size == dimension:
                return False
            self._client.delete_collection(name)
        config = self._models.VectorParams(size=dimension, distance=self._models.Distance.DOT)
        self._client.create_collection(name, vectors_config=config)
        if not self._local:  # it filters while it walks its graph, given an index of what is filtered by
            self._client.create_payload_index(name, "document", self._models.PayloadSchemaType.KEYWORD, wait=True)
        return True

    def upsert(self, name: str, ids: Sequence[int], documents: Sequence[str], vectors: NDArray[Any]) -> None:
        payloads: list[dict[str, Any] | None] = [{"document": document} for document in documents]
        batch = self._models.Batch(ids=list(ids), vectors=vectors.tolist(), payloads=payloads)
        self._client.upsert(name, batch, wait=True)

    def delete(self, name: str, ids: Sequence[int]) -> None:
        self._client.delete(name, self._models.PointIdsList(points=list(ids)), wait=True)

    def search(
        self, name: str, vector: NDArray[Any], k: int, *, only: Sequence[str] | None = None, never: Sequence[str] = ()
    ) -> list[tuple[int, float]]:
        models, chosen = self._models, None
        if only is not None:
            match = models.FieldCondition(key="document", match=models.MatchAny(any=list(only)))
            chosen = models.Filter(must=[match])
        elif never:
            match = models.FieldCondition(key="document", match=models.MatchAny(any=list(never)))
            chosen = models.Filter(must_not=[match])
        found = self._client.query_points(name, vector.tolist(), limit=k, query_filter=chosen, with_payload=False)
        return [(int(point.id), point.score) for point in found.points]

    def count(self, name: str) -> int:
        if not self._client.collection_exists(name):
            return 0
        return int(self._client.count(name, exact=True).count)

    def fetch(self, name: str, ids: Sequence[int]) -> dict[int, Entry]:
        import numpy as np

        found = self._client.retrieve(name, list(ids), with_payload=True, with_vectors=True)
        return {
            int(point.id): Entry((point.payload or {})["document"], np.array(point.vector, np.float32))
            for point in found
        }

    def drop(self, name: str) -> None:
        self._client.delete_collection(name)

    def close(self) -> None:
        self._client.close()
