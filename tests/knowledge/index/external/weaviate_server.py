"""Weaviate's API as far as it is used: collections over REST, everything else over gRPC with the client's own messages.

https://docs.weaviate.io/weaviate/api/rest and https://docs.weaviate.io/weaviate/api/grpc
"""

import contextlib
import re
import struct
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from knowledge.index.external.shelf import Api, Cut, Refusal, serving_http


class WeaviateApi(Api):
    def answer(self, method, path, query, body, headers):
        shelf, key = self.shelf, (headers.get("authorization") or "").removeprefix("Bearer ") or None
        if path == "/v1/meta":
            shelf.called("ping", key)
            return {"hostname": "http://[::]:8080", "version": "1.33.1", "modules": {}}
        if path == "/v1/schema" and method == "POST":
            shelf.called("create", key)
            assert re.fullmatch(r"Guru_[0-9a-f]{32}", body["class"])
            (vectors,) = body["vectorConfig"].values()
            assert vectors["vectorIndexConfig"]["distance"] == "dot"
            (document,) = body["properties"]
            assert (document["name"], document["tokenization"]) == ("document", "field")
            dimension = int(re.search(r"(\d+) dimensions", body["description"])[1])
            shelf.collections[body["class"]] = {"dimension": dimension, "points": {}, "schema": body}
            return body
        name = path.removeprefix("/v1/schema/")
        if method == "DELETE":
            shelf.called("drop", key)
            shelf.collections.pop(name, None)
            return {}
        shelf.called("exists", key)
        shelf.points(name)
        for vectors in shelf.collections[name]["schema"]["vectorConfig"].values():
            vectors["vectorIndexConfig"] = HNSW | vectors["vectorIndexConfig"]
        return {
            "replicationConfig": {"factor": 1, "asyncEnabled": False, "deletionStrategy": "NoAutomatedResolution"},
            "multiTenancyConfig": {"enabled": False}, "invertedIndexConfig": INVERTED, "shardingConfig": SHARDING,
            **shelf.collections[name]["schema"],
        }  # fmt: skip

    def refusal(self, refusal):
        return {"error": [{"message": str(refusal)}]}


INVERTED = {
    "bm25": {"b": 0.75, "k1": 1.2}, "cleanupIntervalSeconds": 60, "stopwords": {"preset": "en"},
}  # fmt: skip
SHARDING = {
    "virtualPerPhysical": 128, "desiredCount": 1, "actualCount": 1, "desiredVirtualCount": 128,
    "actualVirtualCount": 128, "key": "_id", "strategy": "hash", "function": "murmur3",
}  # fmt: skip


HNSW = {
    "cleanupIntervalSeconds": 300, "dynamicEfMin": 100, "dynamicEfMax": 500, "dynamicEfFactor": 8, "ef": -1,
    "efConstruction": 128, "flatSearchCutoff": 40000, "maxConnections": 32, "skip": False,
    "vectorCacheMaxObjects": 10**12, "filterStrategy": "sweeping",
}  # fmt: skip


def make_service(shelf):
    """The gRPC side."""
    import grpc
    from weaviate.proto.v1 import (
        aggregate_pb2,
        base_pb2,
        batch_delete_pb2,
        batch_pb2,
        properties_pb2,
        search_get_pb2,
        weaviate_pb2_grpc,
    )

    statuses = {401: "UNAUTHENTICATED", 404: "NOT_FOUND", 503: "UNAVAILABLE"}

    def guarded(name):
        def wrap(method):
            def call(self, request, context):
                keys = dict(context.invocation_metadata()).get("authorization", "")
                try:
                    shelf.called(name, keys.removeprefix("Bearer ") or None)
                    return method(self, request)
                except Refusal as refusal:
                    context.abort(getattr(grpc.StatusCode, statuses.get(refusal.status, "INTERNAL")), str(refusal))
                except Cut:
                    context.abort(grpc.StatusCode.UNKNOWN, "Stream removed")

            return call

        return wrap

    def chosen_by(filters):
        operator = base_pb2.Filters.Operator.Name(filters.operator)
        listed = set(filters.value_text_array.values)
        if operator == "OPERATOR_UNSPECIFIED":
            return lambda number, document: True
        if operator == "OPERATOR_OR":
            some = [chosen_by(part) for part in filters.filters]
            return lambda number, document: any(part(number, document) for part in some)
        if filters.target.property == "_id" or list(filters.on) == ["_id"]:
            if operator == "OPERATOR_EQUAL":
                return lambda number, document: str(UUID(int=number)) == filters.value_text
            assert operator == "OPERATOR_CONTAINS_ANY"
            return lambda number, document: str(UUID(int=number)) in listed
        if operator == "OPERATOR_AND":
            parts = [chosen_by(part) for part in filters.filters]
            return lambda number, document: all(part(number, document) for part in parts)
        assert filters.target.property == "document"
        if operator == "OPERATOR_NOT_EQUAL":
            return lambda number, document: document != filters.value_text
        assert operator == "OPERATOR_CONTAINS_ANY"
        return lambda number, document: document in listed

    class Service(weaviate_pb2_grpc.WeaviateServicer):
        @guarded("upsert")
        def BatchObjects(self, request):
            errors = []
            for place, item in enumerate(request.objects):
                fields = dict(item.properties.non_ref_properties)
                assert list(fields) == ["document"]
                raw = item.vectors[0].vector_bytes if item.vectors else item.vector_bytes
                try:
                    shelf.points(item.collection)
                    shelf.put(item.collection, UUID(item.uuid).int, fields["document"], floats(raw))
                except Refusal as refusal:
                    errors.append(batch_pb2.BatchObjectsReply.BatchError(index=place, error=str(refusal)))
            return batch_pb2.BatchObjectsReply(took=0.01, errors=errors)

        @guarded("delete")
        def BatchDelete(self, request):
            points, accepts = shelf.points(request.collection), chosen_by(request.filters)
            gone = [number for number, (document, _) in points.items() if accepts(number, document)]
            for number in gone:
                del points[number]
            return batch_delete_pb2.BatchDeleteReply(took=0.01, matches=len(gone), successful=len(gone))

        @guarded("count")
        def Aggregate(self, request):
            assert request.objects_count
            count = len(shelf.points(request.collection))
            return aggregate_pb2.AggregateReply(
                took=0.01, single_result=aggregate_pb2.AggregateReply.Single(objects_count=count)
            )

        @guarded("search")
        def Search(self, request):
            accepts = chosen_by(request.filters)
            points = shelf.points(request.collection)
            if request.HasField("near_vector"):
                near = request.near_vector
                raw = near.vectors[0].vector_bytes if near.vectors else near.vector_bytes
                found = shelf.search(request.collection, floats(raw), request.limit, accepts)
            else:
                found = [(number, 0.0) for number, (document, _) in points.items() if accepts(number, document)]
                found = found[: request.limit]
            results = []
            for number, score in found:
                document, vector = points[number]
                fields = {"document": properties_pb2.Value(text_value=document)}
                about = search_get_pb2.MetadataResult(
                    id=str(UUID(int=number)), id_as_bytes=UUID(int=number).bytes, distance=-score, distance_present=True
                )
                if request.metadata.vector or request.metadata.vectors:
                    kind = base_pb2.Vectors.VECTOR_TYPE_SINGLE_FP32
                    own = base_pb2.Vectors(name="default", vector_bytes=vector.astype("<f4").tobytes(), type=kind)
                    about.vectors.append(own)
                shown = search_get_pb2.PropertiesResult(
                    non_ref_props=properties_pb2.Properties(fields=fields), target_collection=request.collection
                )
                results.append(search_get_pb2.SearchResult(properties=shown, metadata=about))
            return search_get_pb2.SearchReply(took=0.01, results=results)

    return Service(), weaviate_pb2_grpc.add_WeaviateServicer_to_server


def floats(raw):
    return struct.unpack(f"<{len(raw) // 4}f", raw)


@contextlib.contextmanager
def serving_weaviate(shelf):
    """The addresses of REST and of gRPC."""
    import grpc

    server = grpc.server(ThreadPoolExecutor(8))
    service, add = make_service(shelf)
    add(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with serving_http(WeaviateApi(shelf)) as url:
            yield url, f"http://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
