"""Chroma's REST API (v2), as far as it is used: https://docs.trychroma.com/reference"""

import re
import uuid

from knowledge.index.external.shelf import Api, Refusal

COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections"


class ChromaApi(Api):
    def answer(self, method, path, query, body, headers):
        key = headers.get("x-chroma-token")
        match path:
            case "/api/v2/auth/identity":
                self.shelf.called("identity", key)
                return {"user_id": "", "tenant": "default_tenant", "databases": ["default_database"]}
            case "/api/v2/tenants/default_tenant":
                return {"name": "default_tenant"}
            case "/api/v2/tenants/default_tenant/databases/default_database":
                return {"id": str(uuid.UUID(int=0)), "name": "default_database", "tenant": "default_tenant"}
            case "/api/v2/pre-flight-checks":
                return {"max_batch_size": 5461, "supports_base64_encoding": False}
            case "/api/v2/version":
                self.shelf.called("ping", key)
                return "1.5.9"
        assert path.startswith(COLLECTIONS), path
        return self.collection(method, path.removeprefix(COLLECTIONS), body, key)

    def collection(self, method, rest, body, key):
        shelf = self.shelf
        if rest == "" and method == "GET":
            shelf.called("ping", key)
            return [self.describe(name) for name in shelf.collections]
        if rest == "":
            shelf.called("create", key)
            name = body["name"]
            if name in shelf.collections:
                raise Refusal(409, "exists already")
            assert body["configuration"]["hnsw"]["space"] == "ip"
            # It takes the dimension of the first vector, and our file keeps it in the metadata.
            shelf.collections[name] = {
                "dimension": body["metadata"]["dimension"], "points": {}, "id": str(uuid.uuid4()), **body,
            }  # fmt: skip
            return self.describe(name)
        name, _, action = rest[1:].partition("/")
        if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", name):
            shelf.called("drop" if method == "DELETE" else "exists", key)
            shelf.points(name)
            return (shelf.collections.pop(name) and {}) if method == "DELETE" else self.describe(name)
        name = next((known for known, it in shelf.collections.items() if it["id"] == name), name)
        return self.points(name, action, body, key)

    def points(self, name, action, body, key):
        shelf = self.shelf
        match action:
            case "upsert":
                shelf.called("upsert", key)
                shelf.points(name)
                assert body["documents"] is None
                for number, vector, about in zip(body["ids"], body["embeddings"], body["metadatas"], strict=True):
                    assert list(about) == ["document"]
                    shelf.put(name, number, about["document"], vector)
                return {}
            case "delete":
                shelf.called("delete", key)
                for number in body["ids"]:
                    shelf.points(name).pop(number, None)
                return {"deleted": 0}
            case "count":
                shelf.called("count", key)
                return len(shelf.points(name))
            case "query":
                shelf.called("search", key)
                (vector,) = body["query_embeddings"]
                found = shelf.search(name, vector, body["n_results"], chosen_by(body["where"]))
                return {
                    **NOTHING, "ids": [[number for number, _ in found]], "include": ["distances"],
                    "distances": [[1 - score for _, score in found]],
                }  # fmt: skip
            case "get":
                shelf.called("fetch", key)
                there = {number: it for number, it in shelf.points(name).items() if number in set(body["ids"])}
                return {
                    **NOTHING, "ids": list(there), "include": ["embeddings", "metadatas"],
                    "metadatas": [{"document": document} for document, _ in there.values()],
                    "embeddings": [vector.tolist() for _, vector in there.values()],
                }  # fmt: skip
        raise Refusal(405, action)

    def describe(self, name):
        it = self.shelf.collections[name]
        return {
            "id": it["id"], "name": name, "metadata": it["metadata"], "configuration_json": it["configuration"],
            "dimension": it["dimension"], "tenant": "default_tenant", "database": "default_database",
            "log_position": 0, "version": 0, "schema": None,
        }  # fmt: skip

    def refusal(self, refusal):
        kind = {404: "NotFoundError", 409: "ConflictError", 401: "AuthError"}.get(refusal.status, "InternalError")
        return {"error": kind, "message": str(refusal)}


NOTHING = {"embeddings": None, "documents": None, "metadatas": None, "uris": None, "data": None, "distances": None}


def chosen_by(where):
    if not where:
        return lambda number, document: True
    ((operator, listed),) = where["document"].items()
    assert operator in ("$in", "$nin")
    return lambda number, document: (document in set(listed)) == (operator == "$in")
