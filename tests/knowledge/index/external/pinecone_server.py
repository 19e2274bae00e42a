"""The data plane of Pinecone's REST API, as far as it is used: https://docs.pinecone.io/reference/api

As there, what is written is not seen at once: with `late` above 0, so many searches do not see it.
"""

from knowledge.index.external.shelf import Api, Refusal


class PineconeApi(Api):
    def __init__(self, shelf, dimension=8):
        super().__init__(shelf)
        self.dimension = dimension
        self.late = 0

    def answer(self, method, path, query, body, headers):
        shelf, key = self.shelf, headers.get("api-key")
        assert headers["x-pinecone-api-version"]
        name = (body or {}).get("namespace") or dict(query).get("namespace")
        match method, path:
            case "POST", "/describe_index_stats":
                shelf.called("count", key)
                held = {name: {"vectorCount": len(it["points"])} for name, it in shelf.collections.items()}
                total = sum(it["vectorCount"] for it in held.values())
                return {
                    "namespaces": {name: it for name, it in held.items() if it["vectorCount"]}, "indexFullness": 0,
                    "dimension": self.dimension, "totalVectorCount": total, "metric": "dotproduct",
                    "vectorType": "dense",
                }  # fmt: skip
            case "POST", "/vectors/upsert":
                shelf.called("upsert", key)
                shelf.collections.setdefault(name, {"dimension": self.dimension, "points": {}})
                assert len(body["vectors"]) <= 1000
                for item in body["vectors"]:
                    assert sorted(item["metadata"]) == ["chunk", "document"]
                    assert str(item["metadata"]["chunk"]) == item["id"]
                    shelf.put(name, item["id"], item["metadata"]["document"], item["values"])
                self.waiting = self.late
                return {"upsertedCount": len(body["vectors"])}
            case "POST", "/query":
                shelf.called("search", key)
                assert 1 <= body["topK"] <= 10_000
                if name not in shelf.collections or self.is_late():
                    found = []
                else:
                    found = shelf.search(name, body["vector"], body["topK"], chosen_by(body.get("filter")))
                matches = [{"id": number, "score": score, "values": []} for number, score in found]
                return {"matches": matches, "namespace": name, "usage": {"readUnits": 1}}
            case "POST", "/vectors/delete":
                shelf.called("delete", key)
                points = shelf.points(name)
                if body.get("deleteAll"):
                    points.clear()
                for number in body.get("ids") or ():
                    points.pop(number, None)
                return {}
            case "GET", "/vectors/fetch":
                shelf.called("fetch", key)
                points = shelf.collections.get(name, {"points": {}})["points"]
                wanted = [value for field, value in query if field == "ids"]
                found = {
                    number: {
                        "id": number, "values": points[number][1].tolist(),
                        "metadata": {"document": points[number][0], "chunk": float(number)},
                    }
                    for number in wanted if number in points
                }  # fmt: skip
                return {"vectors": found, "namespace": name, "usage": {"readUnits": 1}}
        raise Refusal(404, path)

    waiting = 0

    def is_late(self):
        self.waiting -= 1
        return self.waiting >= 0

    def refusal(self, refusal):
        return {"code": 5 if refusal.status == 404 else 13, "message": str(refusal), "details": []}


def chosen_by(filter):
    def accepts(number, document):
        values = {"document": document, "chunk": int(number)}
        return all(
            (values[field] in set(listed)) == (operator == "$in")
            for field, condition in (filter or {}).items()
            for operator, listed in condition.items()
        )

    return accepts
