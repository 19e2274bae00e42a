"""Chroma, on a server, or in this process in a folder (with the whole package `chromadb`).

https://docs.trychroma.com/reference/python
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from guru.config.knowledge import VectorStoreSettings
from guru.knowledge.index.external.base import Entry, document_filter

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH: Final = 200
"""How many neighbours its graph looks at when it is built, and at least when it is searched: twice its usual, for
filtered searches."""


class ChromaStore:
    """A collection for each of ours."""

    def __init__(self, settings: VectorStoreSettings) -> None:
        import chromadb
        from chromadb.config import Settings

        quiet = Settings(anonymized_telemetry=False)
        self._local = settings.path is not None
        self._client: Any
        if settings.path is not None:
            self._client = chromadb.PersistentClient(settings.path, quiet)
        else:
            parts = urlsplit(settings.url or "")
            headers = {"x-chroma-token": settings.api_key} if settings.api_key else {}
            secure = parts.scheme == "https"
            self._client = chromadb.HttpClient(
                parts.hostname or "", parts.port or (443 if secure else 8000), ssl=secure, headers=headers,
                settings=quiet,
                **({"tenant": settings.tenant} if settings.tenant else {}),
                **({"database": settings.database} if settings.database else {}),
            )  # fmt: skip

        # Its own time-out is none, and closing it does not close its connections: both are those of its HTTP client.
        self._http = getattr(getattr(self._client, "_server", None), "_session", None)
        if self._http is not None:
            self._http.timeout = settings.timeout_seconds

    def ping(self) -> str:
        self._client.list_collections(limit=1)
        return "Chroma in this process" if self._local else f"Chroma {self._client.get_version()}"

    def ensure(self, name: str, dimension: int) -> bool:
        """A collection takes the dimension of its first vector; it is kept with the name, too, to be compared."""
        from chromadb.errors import NotFoundError

        try:
            if (self._collection(name).metadata or {}).get("dimension") == dimension:
                return False
            self._client.delete_collection(name)
        except NotFoundError:
            pass
        self._client.create_collection(
            name, embedding_function=None, metadata={"dimension": dimension},
            configuration={"hnsw": {"space": "ip", "ef_construction": WIDTH, "ef_search": WIDTH}},
        )  # fmt: skip
        return True

    def upsert(self, name: str, ids: Sequence[int], documents: Sequence[str], vectors: NDArray[Any]) -> None:
        self._collection(name).upsert(
            [str(number) for number in ids], vectors, [{"document": document} for document in documents]
        )

    def delete(self, name: str, ids: Sequence[int]) -> None:
        self._collection(name).delete([str(number) for number in ids])

    def search(
        self, name: str, vector: NDArray[Any], k: int, *, only: Sequence[str] | None = None, never: Sequence[str] = ()
    ) -> list[tuple[int, float]]:
        where = document_filter(only, never, "$in", "$nin")
        found = self._collection(name).query([vector], n_results=k, where=where, include=["distances"])
        ids, distances = found["ids"][0], found["distances"][0]
        return [(int(number), 1 - float(distance)) for number, distance in zip(ids, distances, strict=True)]

    def count(self, name: str) -> int:
        from chromadb.errors import NotFoundError

        try:
            return int(self._collection(name).count())
        except NotFoundError:
            return 0

    def fetch(self, name: str, ids: Sequence[int]) -> dict[int, Entry]:
        import numpy as np

        found = self._collection(name).get([str(number) for number in ids], include=["embeddings", "metadatas"])
        rows = zip(found["ids"], found["metadatas"], found["embeddings"], strict=True)
        return {int(number): Entry(about["document"], np.array(vector, np.float32)) for number, about, vector in rows}

    def drop(self, name: str) -> None:
        from chromadb.errors import NotFoundError

        try:
            self._client.delete_collection(name)
        except NotFoundError:
            pass

    def close(self) -> None:
        close = getattr(self._client, "close", None)
        if close is not None:
            close()
        if self._http is not None:
            self._http.close()

    def _collection(self, name: str) -> Any:
        """By name each time: a collection that was made anew has another id."""
        return self._client.get_collection(name, embedding_function=None)
