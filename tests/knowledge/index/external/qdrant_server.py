"""Qdrant's REST API, as far as it is used: https://api.qdrant.tech/api-reference"""

import re

from knowledge.index.external.shelf import Api, Refusal


class QdrantApi(Api):
    def answer(self, method, path, query, body, headers):
        key = headers.get("api-key")
        if path == "/":
            self.shelf.called("ping", key)
            return {"title": "qdrant - vector search engine", "version": "1.16.0"}
        if path == "/collections":
            self.shelf.called("ping", key)
            return ok({"collections": [{"name": name} for name in self.shelf.collections]})
        name, rest = re.fullmatch(r"/collections/([^/]+)(.*)", path).groups()
        return ok(self.collection(method, name, rest, body, dict(query), key))

    def collection(self, method, name, rest, body, query, key):
        shelf = self.shelf
        match method, rest:
            case "GET", "/exists":
                shelf.called("exists", key)
                return {"exists": name in shelf.collections}
            case "GET", "":
                shelf.called("describe", key)
                return describe(shelf.collections[name]["dimension"], len(shelf.points(name)))
            case "PUT", "":
                shelf.called("create", key)
                if name in shelf.collections:
                    raise Refusal(409, "exists already")
                assert body["vectors"]["distance"] == "Dot"
                shelf.collections[name] = {"dimension": body["vectors"]["size"], "points": {}}
                return True
            case "DELETE", "":
                shelf.called("drop", key)
                return shelf.collections.pop(name, None) is not None
            case "PUT", "/index":
                shelf.called("index", key)
                assert body == {"field_name": "document", "field_schema": "keyword"}
                shelf.points(name)
                return update()
            case "PUT", "/points":
                shelf.called("upsert", key)
                assert query["wait"] == "true"
                shelf.points(name)
                batch = body["batch"]
                for number, vector, payload in zip(batch["ids"], batch["vectors"], batch["payloads"], strict=True):
                    assert list(payload) == ["document"]
                    shelf.put(name, number, payload["document"], vector)
                return update()
            case "POST", "/points/delete":
                shelf.called("delete", key)
                assert query["wait"] == "true"
                for number in body["points"]:
                    shelf.points(name).pop(number, None)
                return update()
            case "POST", "/points/query":
                shelf.called("search", key)
                found = shelf.search(name, body["query"]["nearest"], body["limit"], chosen_by(body.get("filter")))
                return {"points": [{"id": number, "version": 0, "score": score} for number, score in found]}
            case "POST", "/points/count":
                shelf.called("count", key)
                assert body["exact"]
                return {"count": len(shelf.points(name))}
            case "POST", "/points":
                shelf.called("fetch", key)
                points = shelf.points(name)
                found = [(number, *points[number]) for number in body["ids"] if number in points]
                return [
                    {"id": number, "payload": {"document": document}, "vector": vector.tolist()}
                    for number, document, vector in found
                ]
        raise Refusal(405, f"{method} {rest}")

    def refusal(self, refusal):
        return {"status": {"error": str(refusal)}, "time": 0.0}


def ok(result):
    return {"result": result, "status": "ok", "time": 0.001}


def update():
    return {"operation_id": 1, "status": "completed"}


def chosen_by(filter):
    for kind in ("must", "must_not"):
        if filter and filter.get(kind):
            (condition,) = filter[kind]
            assert condition["key"] == "document"
            listed = set(condition["match"]["any"])
            return lambda number, document: (document in listed) == (kind == "must")
    return lambda number, document: True


def describe(dimension, count):
    return {
        "status": "green", "optimizer_status": "ok", "points_count": count, "segments_count": 1, "payload_schema": {},
        "config": {
            "params": {"vectors": {"size": dimension, "distance": "Dot"}},
            "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000},
            "optimizer_config": {
                "deleted_threshold": 0.2, "vacuum_min_vector_number": 1000, "default_segment_number": 0,
                "flush_interval_sec": 5,
            },
        },
    }  # fmt: skip
