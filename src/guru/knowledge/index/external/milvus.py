"""Milvus and Zilliz Cloud, over gRPC, or in this process in a file (with the package `milvus-lite`).

https://milvus.io/api-reference/pymilvus/v2.6.x/About.md
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from guru.config.knowledge import VectorStoreSettings
from guru.knowledge.index.external.base import Entry

if TYPE_CHECKING:
    from numpy.typing import NDArray

LENGTH: Final = 128
"""Of the ids of documents, at most; ours have 26 characters."""


class MilvusStore:
    """A collection for each of ours. Searches are consistent: they see what was put in before them."""

    def __init__(self, settings: VectorStoreSettings) -> None:
        from pymilvus import DataType, MilvusClient

        self._types = DataType
        self._local = settings.path is not None
        self._client: Any = MilvusClient(
            settings.path or settings.url or "", token=settings.api_key or "", db_name=settings.database or "",
            timeout=settings.timeout_seconds,
        )  # fmt: skip

    def ping(self) -> str:
        self._client.list_collections()
        return "Milvus in this process" if self._local else f"Milvus {self._client.get_server_version()}"

    def ensure(self, name: str, dimension: int) -> bool:
        if self._client.has_collection(name):
            fields = {field["name"]: field for field in self._client.describe_collection(name)["fields"]}
            if int(fields.get("vector", {}).get("params", {}).get("dim", 0)) == dimension:
                self._client.load_collection(name)
                return False
            self._client.drop_collection(name)
        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", self._types.INT64, is_primary=True)
        schema.add_field("document", self._types.VARCHAR, max_length=LENGTH)
        schema.add_field("vector", self._types.FLOAT_VECTOR, dim=dimension)
        index = self._client.prepare_index_params()
        index.add_index("vector", index_type="FLAT" if self._local else "AUTOINDEX", metric_type="IP")
        if not self._local:
            index.add_index("document", index_type="INVERTED")
        self._client.create_collection(name, schema=schema, index_params=index, consistency_level="Strong")
        self._client.load_collection(name)
        return True

    def upsert(self, name: str, ids: Sequence[int], documents: Sequence[str], vectors: NDArray[Any]) -> None:
        rows = zip(ids, documents, vectors.tolist(), strict=True)
        self._client.upsert(
            name, [{"id": number, "document": document, "vector": vector} for number, document, vector in rows]
        )

    def delete(self, name: str, ids: Sequence[int]) -> None:
        self._client.delete(name, ids=list(ids))

    def search(
        self, name: str, vector: NDArray[Any], k: int, *, only: Sequence[str] | None = None, never: Sequence[str] = ()
    ) -> list[tuple[int, float]]:
        chosen = ""
        if only is not None:
            chosen = f"document in {json.dumps(list(only))}"
        elif never:
            chosen = f"document not in {json.dumps(list(never))}"
        found = self._client.search(
            name, [vector.tolist()], anns_field="vector", limit=k, search_params={"metric_type": "IP"},
            filter=chosen, consistency_level="Strong",
        )  # fmt: skip
        return [(int(hit["id"]), float(hit["distance"])) for hit in found[0]]

    def count(self, name: str) -> int:
        if not self._client.has_collection(name):
            return 0
        self._client.load_collection(name)
        (found,) = self._client.query(name, filter="", output_fields=["count(*)"], consistency_level="Strong")
        return int(found["count(*)"])

    def fetch(self, name: str, ids: Sequence[int]) -> dict[int, Entry]:
        import numpy as np

        found = self._client.query(
            name, ids=list(ids), output_fields=["id", "document", "vector"], consistency_level="Strong"
        )
        return {int(row["id"]): Entry(row["document"], np.array(row["vector"], np.float32)) for row in found}

    def drop(self, name: str) -> None:
        if self._client.has_collection(name):
            self._client.drop_collection(name)

    def close(self) -> None:
        self._client.close()
