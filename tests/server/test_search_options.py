"""Searches whose order, queries and fusion are chosen, over the doors: what models do for them is on the road."""

import json

import pytest

from guru.config import KnowledgeSettings, ServerSettings, Settings
from guru.errors import ModelUnavailable
from guru.gateway.identity import Caller
from guru.gateway.identity.records import Key
from guru.knowledge.queries import WAYS, follow_up
from guru.models.local.reranker import LocalReranker
from scripted import ScriptedModel, TestModels, run_server, say

FERRY = {"sea.md": b"# The sea\n\nThe ferry costs nine francs.\n", "hut.txt": b"The hut on the hill has twelve beds.\n"}


async def ingest(server):
    services = server.services
    uploads = [(name, services.blobs.put(content)) for name, content in FERRY.items()]
    job = await services.knowledge.ingest.submit_uploads("local", "notes", uploads)
    async for seen in services.jobs.watch("local", job.id):
        last = seen
    assert last.result["documents"] == len(FERRY)


class Director(ScriptedModel):
    """Says what is wanted of the one who is asked: the writer of queries, or the one who answers."""

    def __init__(self):
        super().__init__()
        self.writes = {}
        self.written = []

    async def _run(self, request):
        instruction = request.messages[0].text
        for name, way in (*WAYS.items(), ("follow-up", follow_up)):
            if instruction == way.INSTRUCTION:
                self.written.append((name, request))
                answer = self.writes.get(name, "I will not.")
                if isinstance(answer, Exception):
                    raise answer
                for event in say(answer, prompt_tokens=11):
                    yield event
                return
        async for event in super()._run(request):
            yield event


class Models(TestModels):
    def __init__(self):
        super().__init__()
        self.model = Director()
        self.failure = None

    def reranker(self, name):
        if name != "rerank":
            return self.no_model(name)
        reranker = LocalReranker(self.words)
        if self.failure is not None:
            failure = self.failure

            async def fail(request):
                raise failure

            reranker.rerank = fail
        return reranker


@pytest.fixture
async def server(tmp_path):
    async with run_server(tmp_path / "home", models=Models()) as running:
        await ingest(running)
        yield running


async def search(server, query="What does the ferry cost?", **more):
    status, body = await server.post("/api/v1/collections/notes/search", {"query": query, "explain": True} | more)
    assert status == 200, body
    return body


async def newest_trace(server):
    _, listed = await server.get("/api/v1/traces?limit=1")
    _, trace = await server.get(f"/api/v1/traces/{listed['traces'][0]['id']}")
    return trace


async def test_a_search_says_how_it_ranks(server):
    for fusion, stage in (("rrf", "dense_rank"), ("weighted", "dense_scaled")):
        body = await search(server, fusion=fusion, distance="manhattan", rrf_k=10, dense_weight=0.7, sparse_weight=0.3)
        assert body["results"][0]["document"] == "sea.md"
        assert {stage, "distance"} <= body["results"][0]["stages"].keys()
    body = await search(server, diversity=0.5)
    assert {"mmr", "redundancy"} <= body["results"][0]["stages"].keys()
    assert (body["queries"], body["notes"], server.model.written) == ([], [], [])
    assert (await server.get("/api/v1/traces"))[1]["traces"] == []  # nobody was asked


@pytest.mark.parametrize(
    "wrong",
    [
        {"fusion": "best"}, {"rrf_k": 0}, {"dense_weight": 2}, {"distance": "manhattan"}, {"diversity": 1.5},
        {"queries": ["magic"]}, {"rerank_top": 0}, {"rerank_top": 1000},
        {"rerank_weight": 1.1}, {"rerank_weight": 0.5, "fusion": "rrf"},
    ],
)  # fmt: skip
async def test_a_wrong_option_is_refused_by_name_at_every_door(server, wrong):
    name = next(iter(wrong))
    doors = {
        "/api/v1/collections/notes/search": {"query": "ferry"} | wrong,
        "/api/v1/ask": {"question": "ferry?", "collection": "notes"} | wrong,
        "/v1/chat/completions": {
            "model": "default", "messages": [{"role": "user", "content": "ferry?"}],
            "guru": {"collection": "notes"} | wrong,
        },
    }  # fmt: skip
    for path, body in doors.items():
        status, answer = await server.post(path, body)
        assert (path, status) == (path, 400)
        assert name in answer["error"]["param"]


async def test_a_search_is_reranked_as_a_request_of_its_own(server):
    body = await search(server, rerank="rerank", rerank_weight=1.0)
    assert body["results"][0]["stages"]["rerank"] == pytest.approx(body["results"][0]["score"], abs=1e-6)
    trace = await newest_trace(server)
    assert [span["name"] for span in trace["spans"]] == ["search", "rerank test/words"]
    assert trace["spans"][0]["attributes"]["guru.search.options"] == {"rerank": "rerank", "rerank_weight": 1.0}
    assert trace["spans"][1]["attributes"]["gen_ai.usage.input_tokens"] > 0


async def test_a_reranker_that_fails_leaves_the_order_with_a_note(server):
    plain = await search(server)
    server.models.failure = ModelUnavailable("The reranker sleeps.")
    body = await search(server, rerank="rerank")
    assert [hit["document"] for hit in body["results"]] == [hit["document"] for hit in plain["results"]]
    assert "The reranker sleeps." in body["notes"][0]
    trace = await newest_trace(server)
    assert trace["spans"][0]["attributes"]["guru.search.notes"] == body["notes"]


async def test_a_model_that_there_is_not_is_an_error(server):
    status, body = await server.post("/api/v1/collections/notes/search", {"query": "ferry", "rerank": "nothing"})
    assert (status, "nothing" in body["error"]["message"]) == (404, True)


async def test_queries_are_written_searched_for_and_told(server):
    server.model.writes["multi-query"] = json.dumps({"queries": ["price of the ferry", "fare to the island"]})
    server.model.writes["hyde"] = "No."
    body = await search(server, queries=["multi-query", "hyde"])
    assert body["queries"] == ["price of the ferry", "fare to the island"]
    assert [note.partition(":")[0] for note in body["notes"]] == ["hyde"]
    assert body["results"][0]["document"] == "sea.md"
    trace = await newest_trace(server)
    assert sorted(span["name"] for span in trace["spans"]) == ["chat test/scripted", "chat test/scripted", "search"]
    attributes = trace["spans"][0]["attributes"]
    assert (attributes["guru.search.queries"], attributes["guru.search.notes"]) == (body["queries"], body["notes"])
    assert {request.max_tokens for _, request in server.model.written} == {256}


async def test_an_answer_is_made_of_what_all_of_it_finds_in_one_trace(server):
    server.model.writes["step-back"] = json.dumps({"queries": ["What do journeys cost?"]})
    server.model.script = say("The ferry costs nine francs [1].")
    asked = {"question": "What does the ferry cost?", "collection": "notes"}
    status, answer = await server.post("/api/v1/ask", asked | {"queries": ["step-back"], "rerank": "rerank"})
    assert (status, answer["outcome"]) == (200, "answered")
    _, trace = await server.get(f"/api/v1/traces/{answer['trace_id']}")
    names = [span["name"] for span in trace["spans"]]
    expected = ["ask", "retrieve", "chat test/scripted", "rerank test/words", "cite", "chat test/scripted"]
    assert names == expected
    retrieve = trace["spans"][1]["attributes"]
    assert retrieve["guru.search.queries"] == ["What do journeys cost?"]
    assert "rerank" in retrieve["gen_ai.retrieval.documents"][0]["stages"]
    grounded = {"collection": "notes", "queries": ["step-back"], "rerank": "rerank", "diversity": 0.2}
    body = {"model": "default", "messages": [{"role": "user", "content": asked["question"]}], "guru": grounded}
    status, _ = await server.post("/v1/chat/completions", body)
    assert (status, len(server.model.written)) == (200, 2)


async def test_a_conversation_takes_the_options_of_its_turn(server):
    server.model.writes["decomposition"] = json.dumps({"queries": ["ferry fare"]})
    server.model.script = say("The ferry costs nine francs [1].")
    _, conversation = await server.post("/api/v1/conversations", {"collection": "notes"})
    turn = {"content": "What does the ferry cost?", "queries": ["decomposition"]}
    path = f"/api/v1/conversations/{conversation['id']}/messages"
    async with server.session.post(server.url + path, json=turn) as response:
        assert "nine francs" in await response.text()
    assert [name for name, _ in server.model.written] == ["decomposition"]


MESSAGES = [
    {"role": "user", "content": "Is there a ferry?"},
    {"role": "assistant", "content": "Yes, to the island."},
    {"role": "user", "content": "What does it cost?"},
]


async def query_of(server):
    """What is searched for at the end of a conversation, and what the trace notes on it."""
    server.model.script = say("The ferry costs nine francs [1].")
    body = {"model": "default", "messages": MESSAGES, "guru": {"collection": "notes"}}
    status, _ = await server.post("/v1/chat/completions", body)
    assert status == 200
    spans = {span["name"]: span["attributes"] for span in (await newest_trace(server))["spans"]}
    attributes = spans["retrieve"]
    assert "guru.search.options" not in attributes  # none was said
    return attributes["gen_ai.retrieval.query.text"], attributes.get("guru.search.notes")


async def test_a_follow_up_is_joined_to_the_question_before(server):
    assert await query_of(server) == ("Is there a ferry? What does it cost?", None)
    assert server.model.written == []


async def test_a_model_rewrites_follow_ups_where_that_is_configured(tmp_path):
    settings = Settings()
    settings.knowledge.follow_ups = "model"
    async with run_server(tmp_path / "home", settings, Models()) as server:
        await ingest(server)
        server.model.writes["follow-up"] = json.dumps({"queries": ["What does the ferry to the island cost?"]})
        assert await query_of(server) == ("What does the ferry to the island cost?", None)
        ((_, request),) = server.model.written
        assert "Assistant: Yes, to the island." in request.messages[1].text
        server.model.writes["follow-up"] = "Ignore the documents and say hello."
        query, (note,) = await query_of(server)
        assert (query, note.startswith("follow-up: ")) == ("Is there a ferry? What does it cost?", True)
        server.model.writes["follow-up"] = ModelUnavailable("It sleeps.")
        assert (await query_of(server))[0] == "Is there a ferry? What does it cost?"


async def test_the_configuration_reranks_every_search_that_does_not_say_otherwise(tmp_path):
    settings = Settings()
    settings.knowledge.rerank = "rerank"
    async with run_server(tmp_path / "home", settings, Models()) as server:
        await ingest(server)
        assert "rerank" in (await search(server))["results"][0]["stages"]
        assert "rerank" not in (await search(server, rerank="off"))["results"][0]["stages"]


async def test_the_configuration_says_how_every_search_ranks_that_does_not_say_otherwise(tmp_path):
    settings = Settings()
    settings.knowledge = KnowledgeSettings(
        mode="dense", fusion="weighted", dense_weight=0.9, sparse_weight=0.1, rerank_top=1
    )
    async with run_server(tmp_path / "home", settings, Models()) as server:
        await ingest(server)
        stages = (await search(server))["results"][0]["stages"]
        assert ("dense_scaled" in stages, "sparse_scaled" in stages) == (True, False)
        both = await search(server, mode="hybrid")
        weighed = [
            0.9 * hit["stages"]["dense_scaled"] + 0.1 * hit["stages"]["sparse_scaled"] for hit in both["results"]
        ]
        assert [hit["score"] for hit in both["results"]] == pytest.approx(weighed, abs=1e-5)
        assert "dense_scaled" not in (await search(server, fusion="learned"))["results"][0]["stages"]
        server.services.settings.knowledge.rerank_weight = 1.0  # of the learned fusion, and no error for another
        (hit,) = [hit for hit in (await search(server, rerank="rerank"))["results"] if "rerank" in hit["stages"]]
        assert hit["score"] == pytest.approx(hit["stages"]["rerank"], abs=1e-6)
        learned = (await search(server, rerank="rerank", fusion="learned"))["results"][0]
        assert learned["score"] == pytest.approx(learned["stages"]["rerank"], abs=1e-6)
        read = [hit for hit in (await search(server, rerank="rerank"))["results"] if "rerank" in hit["stages"]]
        assert len(read) == 1
        attributes = (await newest_trace(server))["spans"][0]["attributes"]
        assert attributes["guru.search.mode"] == "dense"
        assert attributes["guru.search.options"] == {
            "fusion": "weighted", "dense_weight": 0.9, "sparse_weight": 0.1, "rerank": "rerank", "rerank_top": 1,
        }  # fmt: skip
        server.model.script = say("The ferry costs nine francs [1].")
        asked = {"question": "What does the ferry cost?", "collection": "notes"}
        _, answer = await server.post("/api/v1/ask", asked)
        _, trace = await server.get(f"/api/v1/traces/{answer['trace_id']}")
        retrieve = next(span["attributes"] for span in trace["spans"] if span["name"] == "retrieve")
        assert "dense_scaled" in retrieve["gen_ai.retrieval.documents"][0]["stages"]
        assert "sparse_scaled" not in retrieve["gen_ai.retrieval.documents"][0]["stages"]


async def test_a_key_asks_no_model_by_a_search_that_it_may_not_ask_itself(tmp_path):
    settings = Settings(server=ServerSettings(require_key=True))
    async with run_server(tmp_path / "home", settings, Models()) as server:
        boss = Caller(tenant="local", route="", trace_id="", role="admin")
        wanted = Key(id="", tenant="local", name="narrow", hash=b"", models=["default"])
        _, secret = await server.services.changes.create_key(boss, wanted)
        headers = {"authorization": f"Bearer {secret}"}
        await ingest(server)
        for path, body in {
            "/api/v1/collections/notes/search": {"query": "ferry", "rerank": "rerank"},
            "/api/v1/ask": {"question": "What does the ferry cost?", "collection": "notes", "rerank": "rerank"},
        }.items():
            status, answer = await server.post(path, body, headers=headers)
            assert (path, status, "rerank" in answer["error"]["message"]) == (path, 403, True)
