"""Weaviate, over REST and gRPC.

https://docs.weaviate.io/weaviate/client-libraries/python
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from guru.config.knowledge import VectorStoreSettings
from guru.errors import StoreError
from guru.knowledge.index.external.base import Entry

if TYPE_CHECKING:
    from numpy.typing import NDArray


class WeaviateStore:
    """A collection for each of ours. The number of a passage is its UUID, read as a number."""

    def __init__(self, settings: VectorStoreSettings) -> None:
        import weaviate
        from weaviate.classes import config, init, query

        self._config, self._query = config, query
        rest, rpc = urlsplit(settings.url or ""), urlsplit(settings.grpc_url or settings.url or "")
        seconds = settings.timeout_seconds
        self._client = weaviate.connect_to_custom(
            http_host=rest.hostname or "", http_secure=rest.scheme == "https",
            http_port=rest.port or (443 if rest.scheme == "https" else 8080),
            grpc_host=rpc.hostname or "", grpc_secure=rpc.scheme == "https",
            grpc_port=(rpc.port if settings.grpc_url else None) or (443 if rpc.scheme == "https" else 50051),
            auth_credentials=init.Auth.api_key(settings.api_key) if settings.api_key else None,
            additional_config=init.AdditionalConfig(
                timeout=init.Timeout(init=seconds, query=seconds, insert=seconds), trust_env=False
            ),
            skip_init_checks=True,
        )  # fmt: skip

    def ping(self) -> str:
        return f"Weaviate {self._client.get_meta()['version']}"

    def ensure(self, name: str, dimension: int) -> bool:
        """The dimension is that of the first vector; it stands in the description, too, to be compared."""
        name, described = class_name(name), f"Passages of Guru, {dimension} dimensions"
        if self._client.collections.exists(name):
            if self._client.collections.use(name).config.get(simple=True).description == described:
                return False
            self._client.collections.delete(name)
        config = self._config
        document = config.Property(
            name="document", data_type=config.DataType.TEXT, tokenization=config.Tokenization.FIELD,
            index_filterable=True, index_searchable=False,
        )  # fmt: skip
        self._client.collections.create(
            name, description=described, properties=[document],
            vector_config=config.Configure.Vectors.self_provided(
                vector_index_config=config.Configure.VectorIndex.hnsw(
                    distance_metric=config.VectorDistances.DOT
                )
            ),
        )  # fmt: skip
        return True

    def upsert(self, name: str, ids: Sequence[int], documents: Sequence[str], vectors: NDArray[Any]) -> None:
        from weaviate.classes.data import DataObject

        rows = zip(ids, documents, vectors.tolist(), strict=True)
        objects = [
            DataObject(properties={"document": document}, uuid=UUID(int=number), vector=vector)
            for number, document, vector in rows
        ]
        done = self._client.collections.use(class_name(name)).data.insert_many(objects)
        if done.has_errors:  # some are refused, and the others are there
            raise StoreError(next(iter(done.errors.values())).message)

    def delete(self, name: str, ids: Sequence[int]) -> None:
        chosen = self._query.Filter.by_id().contains_any([UUID(int=number) for number in ids])
        self._client.collections.use(class_name(name)).data.delete_many(where=chosen)

    def search(
        self, name: str, vector: NDArray[Any], k: int, *, only: Sequence[str] | None = None, never: Sequence[str] = ()
    ) -> list[tuple[int, float]]:
        chosen = None
        if only is not None:
            chosen = self._query.Filter.by_property("document").contains_any(list(only))
        elif never:
            others = self._query.Filter.by_property("document")
            chosen = self._query.Filter.all_of([others.not_equal(document) for document in never])
        found = self._client.collections.use(class_name(name)).query.near_vector(
            vector.tolist(), limit=k, filters=chosen, return_properties=[],
            return_metadata=self._query.MetadataQuery(distance=True),
        )  # fmt: skip
        return [(item.uuid.int, -(item.metadata.distance or 0.0)) for item in found.objects]

    def count(self, name: str) -> int:
        if not self._client.collections.exists(class_name(name)):
            return 0
        found = self._client.collections.use(class_name(name)).aggregate.over_all(total_count=True)
        return int(found.total_count or 0)

    def fetch(self, name: str, ids: Sequence[int]) -> dict[int, Entry]:
        import numpy as np

        found = self._client.collections.use(class_name(name)).query.fetch_objects_by_ids(
            [UUID(int=number) for number in ids], limit=len(ids), include_vector=True
        )
        return {
            item.uuid.int: Entry(str(item.properties["document"]), np.array(item.vector["default"], np.float32))
            for item in found.objects
        }

    def drop(self, name: str) -> None:
        self._client.collections.delete(class_name(name))

    def close(self) -> None:
        self._client.close()


def class_name(name: str) -> str:
    """Collections begin with a capital letter there."""
    return name.capitalize()
